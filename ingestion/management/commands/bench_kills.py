"""Ingest a folder while its worker is killed again and again; the outcome must equal that of a clean run."""

import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db.models import Count

from embedded.command import ServicesCommand
from ingestion import jobs
from ingestion.models import IngestionTask, Source
from ingestion.services import reconcile, sources, sync
from ingestion.services.throwaway import throwaway_tenant
from search import index
from search.models import Document, Edition, Tenant

POLL_SECONDS = 0.05
Chunks = set[tuple[str, int, str]]


class Command(ServicesCommand):
    help = "Prove that killed workers lose, double and leave nothing."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("path", metavar="PATH", help="a folder of documents")
        parser.add_argument("--kills", type=int, default=10)
        parser.add_argument(
            "--seed", type=int, default=1, help="of the moments at which the worker is killed"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        with throwaway_tenant("clean") as clean, throwaway_tenant("killed") as killed:
            started = time.monotonic()
            _sync(_source(clean, options["path"]))
            while jobs.run_due_tasks(clean.pk):
                continue
            clean_seconds = time.monotonic() - started
            expected = _chunks(clean)
            self.stderr.write(f"clean run: {len(expected)} chunks in {clean_seconds:.0f} s")
            stages = self._run_with_kills(killed, clean_seconds=clean_seconds, **options)
            figures = _compare(killed, expected) | {"kills": stages, "clean_seconds": round(clean_seconds, 1)}
        self.write_json(figures, options["json"])
        for name, value in figures.items():
            self.stdout.write(f"{name}: {value}")
        if any(figures[name] for name in ("lost", "extra", "not_one_live_edition", "left_after_reconcile")):
            raise CommandError("The killed run differs from the clean one.")

    def _run_with_kills(self, tenant: Tenant, *, clean_seconds: float, **options: Any) -> list[str]:
        """The stages at which workers were killed. The last one is left to finish."""
        moments = random.Random(options["seed"])  # noqa: S311
        _sync(_source(tenant, options["path"]))
        stages: list[str] = []
        worker = _start_worker()
        try:
            while _is_open(tenant):
                pause = moments.uniform(0.3, 1.2) * clean_seconds / max(1, options["kills"])
                ended = time.monotonic() + pause
                while time.monotonic() < ended and _is_open(tenant):
                    time.sleep(POLL_SECONDS)
                if len(stages) < options["kills"] and _is_open(tenant):
                    stages.append(_stage(tenant))
                    worker.kill()
                    worker.wait()
                    self.stderr.write(f"kill {len(stages)} while {stages[-1]}")
                    worker = _start_worker()
        finally:
            worker.send_signal(signal.SIGTERM)
            worker.wait(timeout=60)
        return stages


def _source(tenant: Tenant, path: str) -> Source:
    return sources.create(tenant, kind="folder", config={"path": str(Path(path).resolve())}, slug="folder")


def _sync(source: Source) -> None:
    sync.run(sync.start(source).pk)


def _start_worker() -> subprocess.Popen[bytes]:
    environment = os.environ | {
        "OPENSEARCH_URL": settings.OPENSEARCH_URL,
        "REDIS_URL": settings.REDIS_URL,
        "REDIS_CACHE_URL": settings.REDIS_CACHE_URL,
        "LOG_LEVEL": "ERROR",
    }
    return subprocess.Popen([sys.executable, "manage.py", "worker"], env=environment, cwd=settings.BASE_DIR)


def _is_open(tenant: Tenant) -> bool:
    return IngestionTask.objects.filter(tenant=tenant, state__in=IngestionTask.OPEN).exists()


def _stage(tenant: Tenant) -> str:
    running = IngestionTask.objects.filter(tenant=tenant, state=IngestionTask.State.RUNNING).first()
    return running.stage if running else "idle"


def _chunks(tenant: Tenant) -> Chunks:
    """(public id, ordinal, text) of every chunk in the tenant's index."""
    tenant.refresh_from_db()
    assert tenant.live_index is not None  # noqa: S101
    index.refresh(tenant.live_index.name)
    return set(index.iter_texts(tenant.live_index.name))


def _compare(tenant: Tenant, expected: Chunks) -> dict[str, Any]:
    report = reconcile.run(tenant)
    while jobs.run_due_tasks(tenant.pk):
        continue
    found = _chunks(tenant)
    tenant.refresh_from_db()
    assert tenant.live_index is not None  # noqa: S101
    editions = Edition.objects.filter(index=tenant.live_index)
    live = editions.filter(state=Edition.State.LIVE)
    count = sum(live.values_list("chunk_count", flat=True))
    documents = Document.objects.filter(tenant=tenant).count()
    with_one = live.values("document").annotate(count=Count("pk")).filter(count=1).count()
    return {
        "documents": documents,
        "chunks": len(expected),
        "lost": len(expected - found),
        "extra": len(found - expected),
        "not_one_live_edition": documents - with_one + editions.count() - live.count(),
        "left_after_reconcile": index.count_chunks(tenant.live_index.name) - count,
        "orphans_removed_by_reconcile": report.orphan_chunks,
        "tasks_not_done": IngestionTask.objects.filter(tenant=tenant).exclude(state="done").count(),
    }
