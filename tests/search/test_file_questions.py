"""Questions over files: which are asked of papers and pages, what answers them, and what counts as found."""

import pytest

from search.evaluation.file_questions import FileQuestion, labelled, of_markdown
from search.evaluation.finding import Finding, Outcome, figures
from search.models import Tenant
from search.types import Principal
from tests.factories import accept, ingest_all

PAGES = {
    ("bert.pdf", 1): "BERT reads text in both directions. It has two sizes.",
    (
        "bert.pdf",
        2,
    ): "BERT is pre-trained by masked language modelling. Next sentence prediction is the other task.",
    ("llama.pdf", 1): "LLaMA normalises the input of each layer. It uses rotary embeddings.",
}
MARKDOWN = """---
layout: default
title: "Detection rules"
description: Rules that find threats
---

# Detection rules

| a | table |

The **window** lists all [rules](rules.md) used for detection. More follows.

## Viewing rules {: .no_toc }

- A list is no prose of its own.

Open the page to see all rules in one table. Filter them.

### Short

Too short.

## Code

```
The window in here is code and no prose at all.
```
"""


def test_an_answer_is_labelled_with_the_page_that_holds_its_words_and_its_sentence() -> None:
    asked = [
        ("What is BERT trained by?", "Masked language modelling and next sentence prediction."),
        ("What does LLaMA normalise?", "The input of each layer."),
        ("Who wrote it?", "Somebody named Zebedee Quux."),
    ]
    questions, unlabelled = labelled(asked, PAGES)
    assert [(one.document, one.pages) for one in questions] == [
        ("bert.pdf", frozenset({2})),
        ("llama.pdf", frozenset({1})),
    ]
    assert questions[0].evidence == "BERT is pre-trained by masked language modelling."
    assert unlabelled == 1


def test_a_question_that_names_a_file_is_answered_in_it() -> None:
    pages = PAGES | {("other.pdf", 1): PAGES["bert.pdf", 2] + " They are trained together for a long time."}
    answer = "Masked language modelling and next sentence prediction, together."
    [named], _ = labelled([("What are BERT's tasks in training?", answer)], pages)
    assert (named.document, named.pages) == ("bert.pdf", frozenset({2}))
    [open_to_all], _ = labelled([("What are the tasks in training?", answer)], pages)
    assert open_to_all.document == "other.pdf"


def test_a_table_is_no_sentence() -> None:
    table = " ".join(["masked language modelling", *(f"{number} 0.5" for number in range(60))])
    pages = {("bert.pdf", 1): f"{table}\n\nIt is pre-trained by masked modelling."}
    [question], _ = labelled([("What is it trained by?", "Masked language modelling.")], pages)
    assert question.evidence == "It is pre-trained by masked modelling."
    assert labelled([("What is it trained by?", "Masked language modelling.")], {("a.pdf", 1): table}) == (
        (),
        1,
    )


def test_pages_that_hold_as_much_of_the_answer_are_right_as_well_in_its_document_alone() -> None:
    pages = PAGES | {("bert.pdf", 9): PAGES["bert.pdf", 2], ("other.pdf", 1): PAGES["bert.pdf", 2]}
    [question], _ = labelled([("What is BERT trained by?", "Masked language modelling.")], pages)
    assert (question.document, question.pages) == ("bert.pdf", frozenset({2, 9}))


def test_a_page_is_asked_for_by_its_title_and_by_each_section_with_prose() -> None:
    assert list(of_markdown("rules.md", MARKDOWN)) == [
        FileQuestion(
            "Detection rules Rules that find threats",
            "rules.md",
            "The window lists all rules used for detection.",
        ),
        FileQuestion(
            "Detection rules: Viewing rules",
            "rules.md",
            "Open the page to see all rules in one table.",
            section="Viewing rules",
        ),
    ]
    assert list(of_markdown("plain.md", "# No front matter\n\nThe window lists all rules there are.")) == []


@pytest.mark.usefixtures("main_job")
def test_what_is_found_is_told_by_document_place_and_sentence(tenant: Tenant, principal: Principal) -> None:
    text = "# Rules\n\nThe page of rules. \n\n## Viewing\n\nOpen the table to see every rule.\n"
    accept(tenant, "files/rules.md", text, title="Rules")
    accept(tenant, "files/pump.md", "The pump needs oil.", title="Pump")
    ingest_all(tenant)
    finding = Finding(principal, neighbours=0, context_tokens=500, id_prefix="files/")
    question = FileQuestion(
        "Rules: Viewing", "rules.md", "Open the table to see every rule.", section="Viewing"
    )
    assert finding.outcome(question) == Outcome(1, 1, in_context=True)
    elsewhere = FileQuestion(
        "Rules: Viewing", "pump.md", "Open the table to see every rule.", section="Viewing"
    )
    assert finding.outcome(elsewhere) == Outcome(2, None, in_context=False)


def test_figures_are_shares_of_the_questions() -> None:
    rows = [Outcome(1, 2, True), Outcome(3, None, False), Outcome(None, None, False), Outcome(1, 1, True)]
    assert figures(rows) == {
        "questions": 4,
        "document@1": 0.5,
        "document@5": 0.75,
        "place@1": 0.25,
        "place@5": 0.5,
        "in_context": 0.5,
    }
