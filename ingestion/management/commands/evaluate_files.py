"""Ask questions over files: the right document, its page or section, and the answer's text inside the context."""

import json
import random
import shutil
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from embedded.command import ServicesCommand
from embedded.paths import scratch_folder
from ingestion import jobs
from ingestion.models import Source, SyncRun
from ingestion.parsers.media_types import PDF
from ingestion.services import sources, throwaway
from search.embeddings import get_embedder
from search.evaluation import finding
from search.evaluation.file_questions import FileQuestion, Page, labelled, of_markdown
from search.evaluation.finding import Finding
from search.models import Edition, Tenant
from search.types import Principal

SEED = 6
SLUG = "files"
_CUT = ("chunk_tokens", "overlap_tokens", "neighbours", "chunks", "questions")
_COLUMNS = (*_CUT, "document@1", "document@5", "place@1", "place@5", "in_context")
Sizes = tuple[int, int]


@dataclass(frozen=True, slots=True)
class FileSet:
    """Files on disk and the questions over them; `unlabelled` questions have no page that holds their answer."""

    name: str
    folder: Path
    questions: tuple[FileQuestion, ...]
    unlabelled: int = 0


class Command(ServicesCommand):
    help = "Ask questions over PDFs and pages of documentation, with several ways to cut them side by side."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--papers", type=Path, metavar="DIR", help="pdfs/ and queries.jsonl with answers")
        parser.add_argument(
            "--pages", type=Path, metavar="DIR", help="Markdown with front matter and headings"
        )
        parser.add_argument(
            "--documents", type=int, default=150, metavar="N", help="of the pages (default: 150)"
        )
        parser.add_argument(
            "--questions", type=int, default=300, metavar="N", help="over the pages (default: 300)"
        )
        parser.add_argument(
            "--chunking",
            type=_sizes,
            nargs="+",
            default=[(settings.INGESTION_CHUNK_TOKENS, settings.INGESTION_OVERLAP_TOKENS)],
            metavar="TOKENS/OVERLAP",
            help="how the files are cut, one after the other, as 256/32 128/16",
        )
        parser.add_argument(
            "--neighbours", type=int, nargs="+", default=[0, 1], help="of each hit in the context"
        )
        parser.add_argument("--context-tokens", type=int, default=1500)
        parser.add_argument("--missed", action="store_true", help="print the questions that were missed")

    def handle(self, *args: Any, **options: Any) -> None:
        jobs.parser()  # before the model is loaded, as a worker does it
        with scratch_folder("ragsite-evaluate-files") as scratch:
            sets = list(_sets(options, scratch))
            if not sets:
                raise CommandError("Give --papers, --pages or both.")
            found = {one.name: self._evaluated(one, options) for one in sets}
        figures = {"sets": found, "settings": _settings(options)}
        self._print(figures)
        self.write_json(figures, options["json"])

    def _evaluated(self, files: FileSet, options: dict[str, Any]) -> dict[str, Any]:
        self.stderr.write(f"{files.name}: {len(files.questions)} questions, {files.unlabelled} left out")
        rows = [row for sizes in options["chunking"] for row in self._cut(files, sizes, options)]
        return {"questions": len(files.questions), "unlabelled": files.unlabelled, "rows": rows}

    def _cut(self, files: FileSet, sizes: Sizes, options: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The figures of one way to cut, by the number of neighbours."""
        began = time.monotonic()
        with throwaway.throwaway_tenant("evaluate-files") as tenant:
            chunks = _loaded(tenant, files.folder, sizes)
            cut = {"chunk_tokens": sizes[0], "overlap_tokens": sizes[1], "chunks": chunks}
            self.stderr.write(f"{files.name}: {chunks} chunks of {sizes} in {time.monotonic() - began:.0f} s")
            for neighbours in options["neighbours"]:
                asked = Finding(
                    Principal(tenant.pk, tenant.uuid), neighbours, options["context_tokens"], f"{SLUG}/"
                )
                outcomes = [asked.outcome(question) for question in files.questions]
                if options["missed"]:
                    self._print_missed(files.questions, outcomes)
                yield cut | {"neighbours": neighbours} | finding.figures(outcomes)

    def _print_missed(self, questions: tuple[FileQuestion, ...], outcomes: list[finding.Outcome]) -> None:
        for question, outcome in zip(questions, outcomes, strict=True):
            if not outcome.in_context or outcome.place is None:
                self.stdout.write(f"{outcome} {question}")

    def _print(self, figures: dict[str, Any]) -> None:
        for name, found in figures["sets"].items():
            self.stdout.write(f"{name}: " + " ".join(f"{column:>14}" for column in _COLUMNS))
            for row in found["rows"]:
                self.stdout.write(
                    f"{'':<{len(name)}}  " + " ".join(f"{row[column]:>14}" for column in _COLUMNS)
                )


def _sizes(text: str) -> Sizes:
    size, slash, overlap = text.partition("/")
    if not slash or not size.isdigit() or not overlap.isdigit():
        raise ArgumentTypeError(f"{text!r} is not TOKENS/OVERLAP")
    return int(size), int(overlap)


def _sets(options: dict[str, Any], scratch: Path) -> Iterator[FileSet]:
    if options["papers"]:
        yield _papers(options["papers"])
    if options["pages"]:
        yield _pages(
            options["pages"], scratch, documents=options["documents"], questions=options["questions"]
        )


def _papers(folder: Path) -> FileSet:
    """Each answerable question, with the page that holds its written answer by our own reading of the PDFs."""
    pages: dict[Page, str] = {}
    for path in sorted((folder / "pdfs").glob("*.pdf")):
        elements = jobs.parser().parse(path.read_bytes(), PDF).elements
        for element in (element for element in elements if element.kind != "title"):
            page = (path.name, element.page or 0)
            pages[page] = f"{pages.get(page, '')}\n\n{element.text}"  # no sentence runs over it
    rows = [json.loads(line) for line in (folder / "queries.jsonl").read_text().splitlines()]
    asked = [(row["text"], " ".join(row["answers"])) for row in rows if row.get("answerable", True)]
    questions, unlabelled = labelled(asked, pages)
    return FileSet(folder.name, folder / "pdfs", questions, unlabelled)


def _pages(folder: Path, scratch: Path, *, documents: int, questions: int) -> FileSet:
    """Some of the pages, copied for the run, and some questions over them, the same each time."""
    rng = random.Random(SEED)  # noqa: S311
    paths = sorted(folder.rglob("*.md"))
    chosen = rng.sample(paths, k=min(documents, len(paths)))
    found: list[FileQuestion] = []
    for path in chosen:
        name = path.relative_to(folder)
        (scratch / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, scratch / name)
        found += of_markdown(str(name), path.read_text())
    return FileSet(folder.name, scratch, tuple(rng.sample(found, k=min(questions, len(found)))))


def _loaded(tenant: Tenant, folder: Path, sizes: Sizes) -> int:
    """Fill a tenant with the files, cut so. Returns how many chunks are live."""
    source = sources.create(tenant, kind="folder", config={"path": str(folder)}, slug=SLUG)
    Source.objects.filter(pk=source.pk).update(chunk_tokens=sizes[0], overlap_tokens=sizes[1])
    run = throwaway.sync_now(source, jobs.run_sync)
    if run.state != SyncRun.State.DONE:
        raise CommandError(f"{folder}: {run.reason or run.state}")
    throwaway.drain(tenant, jobs.run_claim, progress=lambda text: None)
    if missing := throwaway.failures(tenant):
        raise CommandError(f"{len(missing)} files were not taken: {missing[0]}")
    editions = Edition.objects.filter(document__tenant=tenant, state=Edition.State.LIVE)
    return sum(editions.values_list("chunk_count", flat=True))


def _settings(options: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "embedder": get_embedder().variant,
        "context_tokens": options["context_tokens"],
        "documents": options["documents"],
        "seed": SEED,
        "reranker": settings.SEARCH_RERANKER and settings.SEARCH_RERANKER["OPTIONS"].get("model", "general"),
    }
