"""Citations: only markers whose statement the passage supports survive, whole or streamed."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.citations import CheckedAnswer, CitationStream
from search.support import Reason
from tests.search.passages import make_hit, make_passages

PASSAGES = make_passages(
    "The K200 comes with a warranty of two years. It covers the motor and the frame. Batteries are excluded.",
    "Repairs are done in Lisbon by Kestrow. A repair costs 45 EUR and takes 10 days.",
)


def check(text: str, question: str = "How long is the warranty of the K200?") -> CheckedAnswer:
    return CitationStream(question, PASSAGES).whole(text)


def markers(answer: CheckedAnswer) -> list[str]:
    return [citation.marker for citation in answer.citations]


def test_a_supported_statement_keeps_its_marker_and_gets_a_verbatim_quote() -> None:
    answer = check("The warranty lasts two years [1].")
    assert answer == CheckedAnswer("The warranty lasts two years [1].", answer.citations, 0)
    (citation,) = answer.citations
    assert citation.quote == "The K200 comes with a warranty of two years."
    assert (citation.marker, citation.chunk_id, citation.url) == ("[1]", "1:1:0", "https://example.org/1")


@pytest.mark.parametrize(
    "text",
    [
        "The warranty lasts 3 years [1].",  # another number
        "The K300 has a warranty of two years [1].",  # another code
        "Repairs are done in Madrid by Kestrow [2].",  # another name
        "Penguins live in Antarctica [1].",  # nothing of it
        "The warranty lasts two years [2].",  # the wrong passage
    ],
)
def test_an_unsupported_statement_loses_its_marker(text: str) -> None:
    answer = check(text)
    assert answer.text == text.split(" [", maxsplit=1)[0] + "."
    assert (answer.citations, answer.removed) == ((), 1)


def test_a_number_that_no_passage_has_is_removed() -> None:
    answer = check("The warranty lasts two years [7].")
    assert (answer.text, answer.removed) == ("The warranty lasts two years.", 1)


def test_other_ways_to_write_a_number_are_no_other_number() -> None:
    assert markers(check("The warranty lasts 2 years [1].")) == ["[1]"]


def test_a_marker_behind_the_full_stop_belongs_to_that_sentence() -> None:
    answer = check("The warranty lasts two years. [1] A repair costs 45 EUR. [2]")
    assert answer.text == "The warranty lasts two years. [1] A repair costs 45 EUR. [2]"
    assert markers(answer) == ["[1]", "[2]"]


def test_each_clause_answers_to_its_own_marker() -> None:
    answer = check("The warranty lasts two years [1] and a repair costs 45 EUR [2].")
    assert markers(answer) == ["[1]", "[2]"]
    answer = check("The warranty lasts two years [2] and a repair costs 45 EUR [2].")
    assert answer.text == "The warranty lasts two years and a repair costs 45 EUR [2]."


def test_passages_cited_together_may_share_the_statement() -> None:
    answer = check("The K200 warranty of two years covers the motor, and a repair costs 45 EUR [1, 2].")
    assert answer.text.endswith("45 EUR [1][2].")
    assert markers(answer) == ["[1]", "[2]"]


def test_a_marker_before_its_statement_is_judged_with_the_sentence() -> None:
    assert markers(check("According to [1], the warranty lasts two years.")) == ["[1]"]


def test_a_bare_yes_is_judged_with_the_question() -> None:
    assert markers(check("Yes [1].", question="Are the batteries excluded?")) == ["[1]"]
    assert markers(check("Yes [1].", question="Are the brushes made of copper?")) == []


def test_a_marker_is_listed_once_however_often_it_stands() -> None:
    answer = check("The warranty lasts two years [1]. It covers the motor [1].")
    assert answer.text.count("[1]") == 2
    assert markers(answer) == ["[1]"]


def test_title_and_headings_support_a_statement_too() -> None:
    passages = make_passages("The warranty lasts two years.", title="Manual of the Z90")
    answer = CitationStream("", passages).whole("The Z90 has a warranty of two years [1].")
    assert markers(answer) == ["[1]"]


def test_german_nouns_are_not_taken_for_names() -> None:
    passages = make_passages(
        "Die Garantie für den Motor beträgt zwei Jahre. Der Akku ist von der Garantie ausgeschlossen."
    )
    text = "Auf den Motor gewährt der Hersteller zwei Jahre Garantie [1]."
    assert markers(CitationStream("", passages).whole(text)) == ["[1]"]


def test_text_is_shown_as_it_comes_but_for_an_undecided_marker() -> None:
    stream = CitationStream("", PASSAGES)
    assert stream.feed("The warranty lasts two years [").text == "The warranty lasts two years "
    assert stream.feed("1").text == ""
    assert stream.feed("]").text == ""  # a parenthesis behind it would make it a link
    assert stream.feed(".").text == "[1]."
    assert stream.feed(" See a[0").text == " See a"
    assert stream.feed("x] b").text == "[0x] b"


def test_a_citation_comes_when_its_sentence_has_ended() -> None:
    stream = CitationStream("", PASSAGES)
    assert stream.feed("The warranty lasts two years [1].").citations == ()
    assert [citation.marker for citation in stream.feed(" It").citations] == ["[1]"]
    assert stream.flush().citations == ()


@pytest.mark.parametrize("removes", [False, True])
@pytest.mark.parametrize(
    "link",
    [
        "![a](https://evil.example/x)",
        "[1](https://evil.example/x)",
        "https://evil.example/x",
        "<img src=//evil.example>",
    ],
)
def test_no_link_is_shown_in_pieces(link: str, removes: bool) -> None:
    stream = CitationStream("", PASSAGES, removes=removes)
    pieces = [stream.feed(letter) for letter in f"The warranty lasts two years, see {link} there [1]."]
    shown = "".join(piece.text for piece in (*pieces, stream.flush()))
    assert "evil" not in shown + stream.checked().text
    assert not {"![", "](", "<img"} & {
        shown[start : start + size] for start in range(len(shown)) for size in (2, 4)
    }


def test_sentences_without_support_are_named_and_where_wanted_removed() -> None:
    text = "The warranty lasts two years [1]. It does not cover the motor [1]. Shall I go on? Mice are grey."
    marked = CitationStream("", PASSAGES).whole(text)
    assert marked.text == text
    assert [(one.sentence, one.reason, one.removed) for one in marked.unsupported] == [
        ("It does not cover the motor [1].", Reason.NEGATION, False),
        ("Mice are grey.", Reason.UNCITED, False),
    ]
    removed = CitationStream("", PASSAGES, removes=True).whole(text)
    assert removed.text == "The warranty lasts two years [1]. Shall I go on?"
    assert [one.removed for one in removed.unsupported] == [True, True]


def test_where_sentences_may_be_removed_only_whole_ones_are_shown() -> None:
    stream = CitationStream("", PASSAGES, removes=True)
    assert (
        stream.feed("The warranty lasts two years [1]. It does not").text
        == "The warranty lasts two years [1]. "
    )
    assert stream.feed(" cover the motor [1]. It covers the frame [1].").text == ""
    assert stream.flush().text == "It covers the frame [1]."


def test_a_number_that_no_passage_has_is_never_shown() -> None:
    stream = CitationStream("", PASSAGES)
    assert stream.feed("Two years [9, 1].").text == "Two years [1]."


ANSWER = (
    "The warranty lasts two years [1]. It covers the motor.[1] Penguins fly [2].\n\n"
    "- A repair costs 45 EUR [2]\n- It takes 11 days [2]\n1. Done in Lisbon. [2] [8] End [1, 2]"
)


@given(st.lists(st.integers(1, len(ANSWER) - 1), max_size=40))
def test_pieces_give_the_same_as_the_whole(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(ANSWER)]
    stream = CitationStream("", PASSAGES)
    shown = [stream.feed(ANSWER[start:end]) for start, end in pairwise(edges)]
    shown.append(stream.flush())
    assert stream.checked() == CitationStream("", PASSAGES).whole(ANSWER)
    assert tuple(citation for piece in shown for citation in piece.citations) == stream.checked().citations


@given(st.text(alphabet="a1[], .\n2。", max_size=60))
def test_no_text_is_lost_but_markers(text: str) -> None:
    answer = CitationStream("", PASSAGES).whole(text)
    letters = text.replace("[", "").count("a")
    assert answer.text.count("a") == letters


def test_a_quote_is_always_a_part_of_its_hit() -> None:
    hit = make_hit(1, "word " * 300 + "two years")
    passages = make_passages(hit.text)
    (citation,) = CitationStream("", passages).whole("Two years word [1].").citations
    assert citation.quote in hit.text
    assert len(citation.quote) <= 400
