"""The sample corpus is what its README says: counts, judgements, quotes and sidecar match the files."""

import json
import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import pypdfium2
import pytest
import yaml
from bs4 import BeautifulSoup
from docx import Document

SAMPLE = Path(__file__).resolve().parent.parent / "sample"
DOCUMENTS = SAMPLE / "documents"
FORMATS = {".html", ".md", ".txt", ".pdf", ".docx"}
KINDS = {"keyword", "paraphrase", "near-miss", "multi", "unanswerable"}


def paths() -> list[str]:
    return sorted(file.relative_to(DOCUMENTS).as_posix() for file in DOCUMENTS.rglob("*") if file.is_file())


def pdf_text(file: Path) -> str:
    pdf = pypdfium2.PdfDocument(file)
    try:
        return "\n".join(page.get_textpage().get_text_bounded() for page in pdf)
    finally:
        pdf.close()


def docx_text(file: Path) -> str:
    document = Document(str(file))
    cells = [cell.text for table in document.tables for row in table.rows for cell in row.cells]
    return "\n".join([paragraph.text for paragraph in document.paragraphs] + cells)


@cache
def text_of(path: str) -> str:
    file = DOCUMENTS / path
    if file.suffix == ".pdf":
        text = pdf_text(file)
    elif file.suffix == ".docx":
        text = docx_text(file)
    else:
        text = file.read_text(encoding="utf-8")
    if file.suffix == ".html":
        text = BeautifulSoup(text, "html.parser").get_text()
    return re.sub(r"\s+", " ", text)


def queries() -> list[dict[str, Any]]:
    return [json.loads(line) for line in (SAMPLE / "queries.jsonl").read_text(encoding="utf-8").splitlines()]


def judgements() -> dict[str, dict[str, int]]:
    lines = (SAMPLE / "qrels" / "test.tsv").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "query-id\tcorpus-id\tscore"
    judged: dict[str, dict[str, int]] = defaultdict(dict)
    for line in lines[1:]:
        query, document, score = line.split("\t")
        judged[query][document] = int(score)
    return judged


def sidecar() -> dict[str, dict[str, Any]]:
    entries: dict[str, dict[str, Any]] = json.loads((SAMPLE / "metadata.json").read_text(encoding="utf-8"))
    return entries


def test_there_are_at_least_64_documents_and_six_of_each_format() -> None:
    formats = Counter(Path(path).suffix for path in paths())
    assert set(formats) == FORMATS
    assert sum(formats.values()) >= 64
    assert min(formats.values()) >= 6


def test_no_document_is_a_stub_and_four_are_long() -> None:
    words = {path: len(text_of(path).split()) for path in paths()}
    assert min(words.values()) >= 200
    assert sum(count >= 2_000 for count in words.values()) >= 4


def test_no_document_is_larger_than_150_kilobytes() -> None:
    assert max((DOCUMENTS / path).stat().st_size for path in paths()) < 150_000


def test_at_least_four_pdfs_have_several_pages_and_an_outline() -> None:
    long = 0
    for path in (path for path in paths() if path.endswith(".pdf")):
        pdf = pypdfium2.PdfDocument(DOCUMENTS / path)
        long += len(pdf) > 1 and any(True for _ in pdf.get_toc())
        pdf.close()
    assert long >= 4


def test_docx_documents_have_heading_styles_and_a_table() -> None:
    for path in (path for path in paths() if path.endswith(".docx")):
        document = Document(str(DOCUMENTS / path))
        styles = {str(paragraph.style.name) for paragraph in document.paragraphs if paragraph.style}
        assert {"Heading 1", "Heading 2"} <= styles, path
        assert document.tables, path


def test_markdown_documents_open_with_a_complete_front_matter() -> None:
    for path in (path for path in paths() if path.endswith(".md")):
        head = yaml.safe_load((DOCUMENTS / path).read_text(encoding="utf-8").split("---\n")[1])
        assert {"title", "department", "audience", "year", "tags"} <= set(head), path


def test_the_sidecar_covers_exactly_the_documents() -> None:
    assert sorted(sidecar()) == paths()


@pytest.mark.parametrize("path", paths())
def test_a_sidecar_entry_has_typed_metadata(path: str) -> None:
    entry = sidecar()[path]
    metadata = entry["metadata"]
    assert entry["title"]
    assert metadata["department"] == path.split("/", maxsplit=1)[0]
    assert metadata["audience"] in {"staff", "customers"}
    assert isinstance(metadata["year"], int)
    assert entry["published_at"].startswith(str(metadata["year"]))
    assert set(entry) <= {"title", "metadata", "language", "published_at", "access"}


def test_three_documents_are_german_and_three_are_for_the_hr_group_only() -> None:
    entries = sidecar().values()
    assert sum(entry.get("language") == "de" for entry in entries) == 3
    assert [entry["access"] for entry in entries if "access" in entry] == [["hr"]] * 3


def test_there_are_40_questions_of_which_8_have_no_answer() -> None:
    asked = queries()
    assert len({query["_id"] for query in asked}) == 40
    assert {query["kind"] for query in asked} == KINDS
    unanswerable = [query for query in asked if not query["answerable"]]
    assert len(unanswerable) == 8
    assert all(query["kind"] == "unanswerable" and query["answers"] == [] for query in unanswerable)


def test_exactly_the_answerable_questions_are_judged() -> None:
    judged = judgements()
    assert set(judged) == {query["_id"] for query in queries() if query["answerable"]}
    assert all(2 in scores.values() and set(scores.values()) <= {1, 2} for scores in judged.values())


def test_every_judged_document_exists_and_is_open_to_everyone() -> None:
    entries = sidecar()
    judged = {document for scores in judgements().values() for document in scores}
    assert judged <= set(paths())
    assert not [document for document in judged if "access" in entries[document]]


@pytest.mark.parametrize(
    "query", [query for query in queries() if query["answerable"]], ids=lambda query: query["_id"]
)
def test_every_reference_answer_is_a_quote_of_a_judged_document(query: dict[str, Any]) -> None:
    judged = judgements()[query["_id"]]
    best = [document for document, score in judged.items() if score == 2]
    assert query["answers"]
    for answer in query["answers"]:
        assert any(answer in text_of(document) for document in best), answer
    for document in best:
        assert any(answer in text_of(document) for answer in query["answers"]), document


def test_forty_expectations_and_twenty_edits_that_harm_them() -> None:
    rows = json.loads((SAMPLE / "expectations.json").read_text(encoding="utf-8"))
    assert len({row["id"] for row in rows}) == 40
    assert {row["document"] for row in rows if "document" in row} <= set(paths())
    harms = [row["harm"] for row in rows if "harm" in row]
    assert len(harms) == 20
    for harm in harms:
        if "replace" in harm:
            assert harm["replace"][0] in (DOCUMENTS / harm["document"]).read_text(encoding="utf-8")
