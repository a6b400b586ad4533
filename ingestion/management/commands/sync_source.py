"""Sync a source: queued for the workers, or run here to its end with --now."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from embedded.command import ServicesCommand
from ingestion import jobs
from ingestion.models import IngestionTask, Source, SyncRun
from ingestion.services import sync

POLL_SECONDS = 0.2


class Command(ServicesCommand):
    help = "Sync a source of a tenant."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("tenant", metavar="TENANT")
        parser.add_argument("source", metavar="SOURCE", help="the source's slug")
        parser.add_argument(
            "--now", action="store_true", help="do it here, ingestion included, without workers"
        )
        parser.add_argument("--wait", action="store_true", help="wait until the workers have done it")

    def handle(self, *args: Any, **options: Any) -> None:
        source = Source.objects.filter(tenant__slug=options["tenant"], slug=options["source"]).first()
        if source is None:
            raise CommandError(f"The tenant {options['tenant']!r} has no source {options['source']!r}.")
        run = sync.start(source)
        if options["now"]:
            _run_here(run)
        elif options["wait"]:
            _wait(run)
        run.refresh_from_db()
        self.write_json(_figures(run), options["json"])
        self.stdout.write(f"{run.state}: {_counts(run)}")
        if run.state == SyncRun.State.FAILED:
            raise CommandError(run.reason)


def _run_here(run: SyncRun) -> None:
    jobs.run_sync(run.pk)
    while jobs.run_due_tasks(run.source.tenant_id):
        pass


def _wait(run: SyncRun) -> None:
    open_runs = SyncRun.objects.filter(pk=run.pk, state__in=["pending", "running"])
    while (
        open_runs.exists()
        or IngestionTask.objects.filter(tenant_id=run.source.tenant_id, state__in=IngestionTask.OPEN).exists()
    ):
        time.sleep(POLL_SECONDS)


def _figures(run: SyncRun) -> dict[str, Any]:
    names = ("seen", "added", "changed", "renamed", "unchanged", "deleted", "refused")
    return {"sync": str(run.uuid), "state": run.state, **{name: getattr(run, name) for name in names}}


def _counts(run: SyncRun) -> str:
    return ", ".join(
        f"{value} {name}" for name, value in _figures(run).items() if name not in ("sync", "state")
    )
