"""The command over a folder of good, empty, broken and foreign files."""

import io
import json
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from ingestion.management.commands.parse_report import (
    FileReport,
    as_json,
    disagreements,
    read_manifest,
    table_of,
)


def fill(folder: Path) -> Path:
    (folder / "inner").mkdir()
    (folder / "inner" / "a.md").write_text("# Head\n\nFour words are here.")
    (folder / "empty.txt").write_bytes(b"")
    (folder / "comment.html").write_text("<!-- nothing -->")
    (folder / "broken.pdf").write_bytes(b"%PDF-1.4 and no more")
    (folder / "wrong.docx").write_text("no document")
    (folder / "sheet.xlsx").write_bytes(b"PK\x03\x04")
    return folder


def report(file: str, state: str) -> FileReport:
    return FileReport(file=file, state=state, reason="", seconds=0.5, words=3, media_type=None)


def test_the_report_names_the_state_of_every_file(tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    target, output = tmp_path / "report.json", io.StringIO()
    call_command("parse_report", fill(folder), json=target, stdout=output)
    written = json.loads(target.read_text())
    assert written["crashed"] == 0
    assert {entry["file"]: (entry["state"], entry["words"]) for entry in written["files"]} == {
        "broken.pdf": ("corrupt", 0),
        "comment.html": ("ok", 0),
        "empty.txt": ("empty", 0),
        "inner/a.md": ("ok", 5),
        "sheet.xlsx": ("unsupported", 0),
        "wrong.docx": ("corrupt", 0),
    }
    first = written["files"][0]
    assert set(first) == {"file", "state", "reason", "seconds", "words", "media_type"}
    assert "6 files: " in output.getvalue()


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="no folder"):
        call_command("parse_report", tmp_path / "missing")


def test_only_supported_files_are_compared_with_the_manifest(tmp_path: Path) -> None:
    manifest = tmp_path / "manifest.json"
    states = {"a.pdf": "ok", "b.pdf": "tiny-text", "c.xlsx": "ok", "d.txt": "wrong-type"}
    manifest.write_text(json.dumps([{"file": file, "state": state} for file, state in states.items()]))
    reports = [
        report("a.pdf", "no-text"),
        report("b.pdf", "ok"),
        report("c.xlsx", "unsupported"),
        report("new.md", "ok"),
    ]
    reports.append(report("d.txt", "corrupt"))
    assert disagreements(reports, read_manifest(manifest)) == ["  a.pdf: no-text, not ok"]


def test_crashes_are_counted() -> None:
    assert as_json([report("a.pdf", "crashed"), report("b.pdf", "ok")])["crashed"] == 1


def test_the_table_has_a_line_for_each_type_and_state() -> None:
    lines = table_of([report("a.pdf", "ok"), report("b.PDF", "ok"), report("c.pdf", "corrupt")])
    assert [line.split()[:3] for line in lines[1:3]] == [[".pdf", "corrupt", "1"], [".pdf", "ok", "2"]]
