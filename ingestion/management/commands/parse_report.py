"""`parse_report DIR`: parse each file as ingestion would, and say what became of it. It only reports."""

import json
import time
from argparse import ArgumentParser
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from ingestion.exceptions import ParseError
from ingestion.parsers import ParsedDocument, ParserChild, media_type_of
from ingestion.parsers.media_types import DOCX, EXTENSIONS, PDF

_HEAD_BYTES: Final = 4096
_STATES: Final = {
    "unsupported_type": "unsupported",
    "parser_timeout": "timeout",
    "parser_crashed": "crashed",
    "parser_limit": "limit",
}
# A manifest tells more kinds of a state apart than ingestion does.
_SAME_STATES: Final = {"tiny-text": "ok", "wrong-type": "corrupt", "not-ole": "corrupt"}


@dataclass(frozen=True)
class FileReport:
    """`state` is ok, no-text, empty, encrypted, corrupt, unsupported, limit, timeout or crashed."""

    file: str
    state: str
    reason: str
    seconds: float
    words: int
    media_type: str | None


class Command(BaseCommand):
    help = "Parse each file under a folder as ingestion would: state, reason, seconds and words, by type."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("folder", type=Path, metavar="DIR")
        parser.add_argument(
            "--manifest", type=Path, help="JSON list of {file, state}: print where they disagree"
        )
        parser.add_argument("--json", type=Path, help="also write the report to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder.")
        expected = read_manifest(options["manifest"]) if options["manifest"] else None
        reports = list(report_folder(folder, skipped=options["manifest"]))
        self.stdout.write("\n".join(table_of(reports)))
        if expected is not None:
            self._write_disagreements(disagreements(reports, expected))
        if options["json"]:
            options["json"].write_text(json.dumps(as_json(reports), ensure_ascii=False, indent=1), "utf-8")

    def _write_disagreements(self, found: Sequence[str]) -> None:
        self.stdout.write(f"\n{len(found)} supported files are in another state than the manifest says.")
        for line in found:
            self.stdout.write(line)


def report_folder(folder: Path, *, skipped: Path | None = None) -> Iterator[FileReport]:
    """A report of each file, in the order of their names."""
    child = ParserChild(
        memory_bytes=settings.INGESTION_PARSER_MEMORY_BYTES,
        timeout_seconds=settings.INGESTION_PARSER_TIMEOUT_SECONDS,
        output_bytes=settings.INGESTION_PARSER_OUTPUT_BYTES,
    )
    with child:
        child.start()
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            if skipped is None or not path.samefile(skipped):
                yield report_file(path, name=path.relative_to(folder).as_posix(), child=child)


def report_file(path: Path, *, name: str, child: ParserChild) -> FileReport:
    data = path.read_bytes()
    media_type: str | None = None
    started = time.perf_counter()
    try:
        media_type = media_type_of(path.name, data[:_HEAD_BYTES])
        document = child.parse(data, media_type)
        state, reason, words = _state_of(document, data, media_type), "", _words(document)
    except ParseError as error:
        state, reason, words = _STATES.get(error.code, error.code), str(error), 0
    seconds = round(time.perf_counter() - started, 4)
    return FileReport(
        file=name, state=state, reason=reason, seconds=seconds, words=words, media_type=media_type
    )


def _state_of(document: ParsedDocument, data: bytes, media_type: str) -> str:
    """A scan without text says so; an empty text file is what it is."""
    if document.elements:
        return "ok"
    if not data:
        return "empty"
    return "no-text" if media_type in (PDF, DOCX) else "ok"


def _words(document: ParsedDocument) -> int:
    return sum(len(element.text.split()) for element in document.elements)


def read_manifest(path: Path) -> dict[str, str]:
    """File name to the state that it should have, in the words of this report."""
    entries = json.loads(path.read_text("utf-8"))
    return {entry["file"]: _SAME_STATES.get(entry["state"], entry["state"]) for entry in entries}


def disagreements(reports: Iterable[FileReport], expected: Mapping[str, str]) -> list[str]:
    """A line for each file of a supported type whose state is not the expected one."""
    return [
        f"  {report.file}: {report.state}, not {expected[report.file]} {report.reason}".rstrip()
        for report in reports
        if _is_supported(report.file) and expected.get(report.file, report.state) != report.state
    ]


def _is_supported(name: str) -> bool:
    return Path(name).suffix.lower() in EXTENSIONS


def as_json(reports: Sequence[FileReport]) -> dict[str, object]:
    crashed = sum(report.state == "crashed" for report in reports)
    return {"files": [asdict(report) for report in reports], "crashed": crashed}


def table_of(reports: Sequence[FileReport]) -> list[str]:
    """One line a type and state: how many files, their words, the seconds in all and of the slowest."""
    groups: dict[tuple[str, str], list[FileReport]] = {}
    for report in reports:
        groups.setdefault((Path(report.file).suffix.lower() or "none", report.state), []).append(report)
    lines = [f"{'type':10} {'state':12} {'files':>6} {'words':>10} {'seconds':>9} {'slowest':>9}"]
    for (suffix, state), group in sorted(groups.items()):
        seconds = [report.seconds for report in group]
        words = sum(report.words for report in group)
        lines.append(
            f"{suffix:10} {state:12} {len(group):6d} {words:10d} {sum(seconds):9.2f} {max(seconds):9.2f}"
        )
    states = Counter(report.state for report in reports)
    return [
        *lines,
        "",
        f"{len(reports)} files: " + ", ".join(f"{count} {state}" for state, count in states.most_common()),
    ]
