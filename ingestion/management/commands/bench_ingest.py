"""Measure ingestion: a folder through real workers into a throw-away tenant, then the same sync again."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import CommandError, CommandParser
from django.db import connection, connections
from prometheus_client import CollectorRegistry
from prometheus_client.multiprocess import MultiProcessCollector

from bench.workers import Workers, worker_commands
from embedded.command import ServicesCommand
from embedded.paths import scratch_folder
from embedded.programs import DEFAULT_WORKERS, model_threads
from embedded.services import ServiceUrls
from embedded.valkey import Valkey
from ingestion.exceptions import IngestionError
from ingestion.models import IngestionTask, Source, SyncRun
from ingestion.services import sources, sync, throwaway
from ingestion.services.inputs import count_inputs
from search.embeddings import get_embedder
from search.exceptions import SearchError
from search.models import Edition, Tenant

_POLL_SECONDS = 0.25
_SAY_SECONDS = 5.0
_STAGE, _CHUNKS = "ragsite_ingestion_stage_seconds", "ragsite_ingestion_chunks_total"
_EMBEDDINGS = "ragsite_embeddings_total"
_FAILURES_SHOWN = 5


@dataclass(frozen=True)
class Reading:
    """The workers' metrics, added up over all processes that were ever started."""

    stage_seconds: dict[str, float]
    claims: int
    chunks: int
    embedded: int

    @classmethod
    def of(cls, folder: Path) -> "Reading":
        registry = CollectorRegistry()
        MultiProcessCollector(registry, path=str(folder))  # type: ignore[no-untyped-call]
        samples = [sample for metric in registry.collect() for sample in metric.samples]
        stages = {s.labels["stage"]: s.value for s in samples if s.name == f"{_STAGE}_sum"}
        claims = [s.value for s in samples if s.name == f"{_STAGE}_count" and s.labels["stage"] == "prepare"]
        embedded = [s.value for s in samples if s.name == _EMBEDDINGS and s.labels["outcome"] == "embedded"]
        chunks = [s.value for s in samples if s.name == _CHUNKS]
        return cls(stages, int(sum(claims)), int(sum(chunks)), int(sum(embedded)))


class Command(ServicesCommand):
    help = "Ingest a folder with real workers: documents and chunks a second by stage, peak memory, a second sync."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("path", type=Path, metavar="PATH", help="the folder of documents")
        parser.add_argument(
            "--workers",
            type=int,
            default=DEFAULT_WORKERS,
            metavar="N",
            help=f"worker processes (default: {DEFAULT_WORKERS})",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._said_at = 0.0
        folder = options["path"].resolve()
        if not folder.is_dir():
            raise CommandError(f"{folder} is no folder.")
        try:
            with scratch_folder() as scratch, self._workers(scratch, options["workers"]) as workers:
                figures = self._measure(folder, workers, scratch)
        except (SearchError, IngestionError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError("Interrupted; the throw-away tenant is dropped.") from interrupt
        self._print(figures)
        self.write_json(figures, options["json"])

    @contextmanager
    def _workers(self, scratch: Path, count: int) -> Iterator[Workers]:
        """Workers with a queue and, on SQLite, a database of their own: those of a `make up` take no part."""
        with (
            _scratch_database(scratch) as database_url,
            Valkey(data_dir=scratch / "queue", role="queue") as queue,
        ):
            settings.REDIS_URL = settings.RQ_QUEUES["default"]["URL"] = queue.url
            metrics = scratch / "metrics"
            metrics.mkdir()
            settings.PATHS.create()
            urls = ServiceUrls(settings.OPENSEARCH_URL, queue.url, settings.REDIS_CACHE_URL)
            settings.SEARCH_MODEL_THREADS = model_threads(count)
            extra = {"PROMETHEUS_MULTIPROC_DIR": str(metrics), **database_url}
            yield Workers(worker_commands(count, urls, extra=extra))

    def _measure(self, folder: Path, workers: Workers, scratch: Path) -> dict[str, Any]:
        get_embedder()  # exports the model, if that was never done, before the clock runs
        with throwaway.throwaway_tenant("bench-ingest") as tenant:
            source = sources.create(tenant, kind="folder", config={"path": str(folder)}, slug="bench")
            with workers.running():
                first = self._sync(source, workers)
                reading = Reading.of(scratch / "metrics")
                second = self._sync(source, workers)
                again = Reading.of(scratch / "metrics")
            self._say("counting what was embedded", always=True)
            inputs = asdict(count_inputs(tenant, get_embedder()))
            figures = _first_figures(tenant, first, reading, workers=len(workers.processes))
            missing = throwaway.failures(tenant)
        second |= {"claims": again.claims - reading.claims, "embedded": again.embedded - reading.embedded}
        return figures | {
            "peak_memory_bytes": workers.peaks,
            "embedder_inputs": inputs,
            "second_sync": second,
            "not_ingested": missing,
            "settings": {
                "embedder": get_embedder().variant,
                "claim_tasks": settings.INGESTION_CLAIM_TASKS,
                "model_threads": settings.SEARCH_MODEL_THREADS,
                "database": connection.vendor,
                "cores": psutil.cpu_count(),
            },
        }

    def _sync(self, source: Source, workers: Workers) -> dict[str, Any]:
        """A sync and all that follows from it, until no task is open."""
        began = time.monotonic()
        run = sync.start(source)
        tasks = IngestionTask.objects.filter(tenant_id=source.tenant_id)
        while True:
            run.refresh_from_db()
            left = tasks.filter(state__in=IngestionTask.OPEN).count()
            if run.state not in (SyncRun.State.PENDING, SyncRun.State.RUNNING) and not left:
                break
            workers.check()
            self._say(f"{run.seen} files seen, {left} documents left")
            time.sleep(_POLL_SECONDS)
        if run.state != SyncRun.State.DONE:
            raise CommandError(f"The sync ended as {run.state}: {run.reason}")
        counts = ("seen", "added", "changed", "unchanged", "deleted", "refused")
        return {
            "seconds": round(time.monotonic() - began, 2),
            **{name: getattr(run, name) for name in counts},
        }

    def _say(self, text: str, *, always: bool = False) -> None:
        if always or time.monotonic() - self._said_at >= _SAY_SECONDS:
            self._said_at = time.monotonic()
            self.stderr.write(text)
            self.stderr.flush()

    def _print(self, figures: dict[str, Any]) -> None:
        write: Callable[[str], None] = self.stdout.write
        write(f"documents {figures['documents']}, chunks {figures['chunks']}, {figures['seconds']} s")
        write(f"{figures['documents_per_second']} documents/s, {figures['chunks_per_second']} chunks/s")
        for stage, found in figures["stages"].items():
            write(
                f"  {stage:<8} {found['seconds']:>8} s  {found['chunks_per_second']:>8} chunks/s of one worker"
            )
        peaks = ", ".join(
            f"{kind} {size / 2**20:.0f} MiB" for kind, size in figures["peak_memory_bytes"].items()
        )
        write(f"encoder busy {figures['encoder_busy_share']:.0%}; peak memory: {peaks}")
        inputs, second = figures["embedder_inputs"], figures["second_sync"]
        write(
            f"{inputs['over_window']} of {inputs['texts']} inputs over the window of {inputs['window']} tokens"
        )
        write(f"second sync {second['seconds']} s, {second['claims']} claims, {second['embedded']} embedded")
        for reason in figures["not_ingested"][:_FAILURES_SHOWN]:
            write(f"NOT INGESTED: {reason}")


@contextmanager
def _scratch_database(folder: Path) -> Iterator[dict[str, str]]:
    """A new SQLite file for this process; gives the environment that names it. Other databases are used as they are."""
    if connection.vendor != "sqlite":
        yield {}
        return
    given, path = connection.settings_dict["NAME"], folder / "db.sqlite3"
    connections.close_all()
    connection.settings_dict["NAME"] = str(path)
    try:
        call_command("migrate", verbosity=0)
        yield {"DATABASE_URL": f"sqlite:///{path}"}
    finally:
        connections.close_all()
        connection.settings_dict["NAME"] = given


def _first_figures(
    tenant: Tenant, first: dict[str, Any], reading: Reading, *, workers: int
) -> dict[str, Any]:
    live = Edition.objects.filter(document__tenant=tenant, state=Edition.State.LIVE)
    documents, chunks, seconds = (
        throwaway.states(tenant),
        sum(live.values_list("chunk_count", flat=True)),
        first["seconds"],
    )
    done = documents.get("live", 0)
    return {
        "documents": documents,
        "chunks": chunks,
        "workers": workers,
        "seconds": seconds,
        "documents_per_second": round(done / seconds, 2),
        "chunks_per_second": round(chunks / seconds, 2),
        "first_sync": first,
        "claims": reading.claims,
        "encoder_busy_share": round(reading.stage_seconds.get("embed", 0.0) / (seconds * workers), 3),
        "stages": {
            stage: {
                "seconds": round(spent, 2),
                "documents_per_second": round(done / spent, 1) if spent else None,
                "chunks_per_second": round(chunks / spent, 1) if spent else None,
            }
            for stage, spent in reading.stage_seconds.items()
        },
    }
