"""The command evaluate_answers on a tiny set, through the real ingestion and answers; it leaves nothing behind."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from search.models import Document, Tenant

CORPUS = [
    {
        "_id": "p/1",
        "title": "Pumps",
        "text": "The pump P-310 lifts water by 40 metres. It is made of bronze.",
    },
    {"_id": "p/2", "title": "Valves", "text": "The valve stops the water. It was invented in Ghent."},
]
QUESTIONS: list[dict[str, Any]] = [
    {"_id": "1", "text": "How far does the pump lift water?", "answers": ["40 metres"], "answerable": True},
    {"_id": "2", "text": "Where was the valve invented?", "answers": ["Ghent"], "answerable": True},
    {"_id": "3", "text": "Which penguins breed in Patagonia?", "answers": [], "answerable": False},
]


@pytest.fixture(autouse=True)
def _given_servers(main_job: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes the servers of the fixtures and starts none."""
    for name in ("OPENSEARCH_URL", "REDIS_URL", "REDIS_CACHE_URL"):
        monkeypatch.setenv(name, getattr(settings, name))


def write_lines(path: Path, lines: list[dict[str, Any]]) -> None:
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))


@pytest.fixture
def questions(tmp_path: Path) -> Path:
    folder = tmp_path / "tiny"
    (folder / "qrels").mkdir(parents=True)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\tp/1\t1\n2\tp/2\t1\n")
    write_lines(folder / "corpus.jsonl", CORPUS)
    write_lines(folder / "queries.jsonl", QUESTIONS)
    return folder


def evaluate(folder: Path, *options: str) -> dict[str, Any]:
    figures = folder.parent / "figures.json"
    call_command("evaluate_answers", str(folder), "--json", str(figures), *options)
    written: dict[str, Any] = json.loads(figures.read_text())
    return written


def test_answers_are_measured_beside_references_and_nothing_is_left_behind(
    questions: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = evaluate(questions)
    found = written["datasets"]["tiny"]
    assert (found["answerable"], found["unanswerable"]) == (2, 1)
    assert (found["refused_answerable"], found["refused_unanswerable"]) == (0.0, 1.0)
    assert (found["holds_reference"], found["support"], found["foreign_citations"]) == (1.0, 1.0, 0)
    assert 0 < found["answer_f1"] < 1
    assert 0.5 <= found["citation_precision"] <= 1
    assert found["refusal"] is None  # too few questions
    assert written["settings"]["generator"] == "extractive"
    assert "tiny" in capsys.readouterr().out
    assert not Tenant.objects.exists()
    assert not Document.objects.exists()


def test_files_in_pdfs_need_no_judgements(questions: Path) -> None:
    (questions / "corpus.jsonl").unlink()
    (questions / "qrels" / "test.tsv").unlink()
    (questions / "pdfs").mkdir()
    (questions / "pdfs" / "pump.md").write_text("# Pumps\n\nThe pump P-310 lifts water by 40 metres.\n")
    found = evaluate(questions, "--limit=1")["datasets"]["tiny"]
    assert (found["answerable"], found["unanswerable"], found["holds_reference"]) == (1, 0, 1.0)
    assert found["citation_precision"] is None


def test_a_question_that_does_not_say_whether_it_has_an_answer_is_an_error(questions: Path) -> None:
    write_lines(questions / "queries.jsonl", [{"_id": "1", "text": "Why?", "answers": ["so"]}])
    with pytest.raises(CommandError, match="'1' does not say"):
        evaluate(questions)


def test_a_doubles_falsehoods_and_foreign_markers_are_counted(questions: Path) -> None:
    asked = [
        {"_id": str(number), "text": f"How far does pump {name} lift?", "answers": ["40"], "answerable": True}
        for number, name in enumerate(("alpha", "beta", "lambda", "red"))
    ]
    write_lines(questions / "queries.jsonl", asked)
    written = evaluate(questions, "--double")
    assert written["settings"]["generator"] == "a double on loopback"
    found = written["datasets"]["tiny"]
    told = found["told"]
    assert told["false_claims"] > 0
    assert told["marked"] == told["false_claims"] == found["false_claims"]
    assert told["others_marked"] == 0 < told["quoted"]
    assert told["foreign_removed"] == told["foreign_markers"] > 0 == found["foreign_citations"]
