"""Show the work that is open or has failed."""

from typing import Any

from django.core.management.base import CommandParser
from django.db.models import Count

from embedded.command import JsonCommand
from ingestion.models import IngestionTask, SyncRun
from search.models import Document

FAILED_SHOWN = 20


class Command(JsonCommand):
    help = "Show tasks by state, documents by state, running syncs, and the newest failures."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--tenant", metavar="SLUG", help="only of this tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        of_tenant = {"tenant__slug": options["tenant"]} if options["tenant"] else {}
        tasks = IngestionTask.objects.filter(**of_tenant)
        documents = Document.objects.filter(**of_tenant)
        runs = SyncRun.objects.filter(state__in=["pending", "running"])
        figures = {
            "tasks": _by_state(tasks),
            "documents": _by_state(documents),
            "syncs": [{"source": run.source.slug, "state": run.state, "seen": run.seen} for run in runs],
            "failures": [_failure(task) for task in _newest_failures(tasks)],
        }
        self.write_json(figures, options["json"])
        if options["json"] != "-":
            self._print(figures)

    def _print(self, figures: dict[str, Any]) -> None:
        for kind in ("tasks", "documents"):
            counts = ", ".join(f"{count} {state}" for state, count in sorted(figures[kind].items()))
            self.stdout.write(f"{kind}: {counts or 'none'}")
        for run in figures["syncs"]:
            self.stdout.write(f"sync of {run['source']}: {run['state']}, {run['seen']} seen")
        for failure in figures["failures"]:
            self.stdout.write(
                f"{failure['state']} {failure['document']} [{failure['code']}] {failure['reason']}"
            )


def _by_state(rows: Any) -> dict[str, int]:
    return {row["state"]: row["n"] for row in rows.values("state").annotate(n=Count("pk")).order_by("state")}


def _newest_failures(tasks: Any) -> Any:
    failed = tasks.filter(state__in=[IngestionTask.State.FAILED, IngestionTask.State.DEAD])
    return failed.select_related("document").order_by("-finished_at")[:FAILED_SHOWN]


def _failure(task: IngestionTask) -> dict[str, str]:
    return {
        "task": str(task.uuid),
        "document": task.document.public_id,
        "state": task.state,
        "code": task.code,
        "reason": task.reason,
    }
