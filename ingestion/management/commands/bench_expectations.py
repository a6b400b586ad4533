"""Forty expectations of the sample while its files are edited: how fast each harmful edit turns red, and whether
harmless ones raise an alarm."""

import json
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db.models import QuerySet

from bench.edits import EditedSample
from bench.workers import Workers, worker_commands
from embedded.command import ServicesCommand, service_urls
from ingestion.models import IngestionTask, Source, SyncRun
from ingestion.services import expectations, restoring, sources, sync
from ingestion.services.throwaway import throwaway_tenant
from search.models import Document, Expectation, Tenant

SLUG = "sample"
GOAL_SECONDS = 10.0
_POLL_SECONDS = 0.05
_WAIT_SECONDS = 300.0
_RED_SECONDS = 60.0  # then an edit counts as not noticed
_EDITS_A_SYNC = 10
Json = dict[str, Any]


class Command(ServicesCommand):
    help = (
        "Harm the sample's documents and see its expectations turn red; change others and see that none does."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--sample", type=Path, default=Path(settings.BASE_DIR) / "sample")
        parser.add_argument("--workers", type=int, default=2)

    def handle(self, *args: Any, **options: Any) -> None:
        said = json.loads((options["sample"] / "expectations.json").read_text())
        urls = service_urls()
        with (
            TemporaryDirectory() as folder,
            throwaway_tenant("expectations") as tenant,
            Workers(worker_commands(options["workers"], urls)).running(),
        ):
            sample = EditedSample.copied(options["sample"], Path(folder))
            measured = _Measured(tenant, sample, said, say=self.stderr.write)
            figures = {"workers": options["workers"], **measured.figures()}
        self.write_json(figures, options["json"])
        self.stdout.write(json.dumps({k: v for k, v in figures.items() if k != "edits"}, indent=1))


class _Measured:
    """One tenant with the sample, its source and its expectations, green before each edit."""

    def __init__(
        self, tenant: Tenant, sample: EditedSample, said: list[Json], *, say: Callable[[str], object]
    ) -> None:
        self._tenant, self._sample, self._said, self._say = tenant, sample, said, say
        self._source = sources.create(tenant, kind="folder", config=sample.config, slug=SLUG)

    def figures(self) -> Json:
        self._sync()
        rows = {one["id"]: _made(self._tenant, one) for one in self._said}
        self._asked()
        if red := [f"{row} ({row.stage}: {row.found})" for row in self._red_rows()]:
            raise CommandError("Red before anything was edited:\n" + "\n".join(red))
        edits = [self._harmed(one, rows[one["id"]]) for one in self._said if "harm" in one]
        alarms = self._unrelated()
        back = [edit["put_back_seconds"] for edit in edits if edit["put_back_seconds"] is not None]
        seconds = sorted(edit["seconds"] for edit in edits if edit["seconds"] is not None)
        return {
            "expectations": len(rows),
            "harmful_edits": len(edits),
            "red": len(seconds),
            "red_within_goal": sum(second <= GOAL_SECONDS for second in seconds),
            "median_seconds_to_red": seconds[len(seconds) // 2],
            "most_seconds_to_red": seconds[-1],
            "put_back": len(back),
            "most_seconds_to_put_back": max(back),
            "unrelated_edits": alarms.pop("edits"),
            "false_alarms": alarms,
            "edits": edits,
        }

    def _harmed(self, said: Json, row: Expectation) -> Json:
        """An edit, a sync, the time from its end until the expectation is red, and the way back."""
        undo = self._sample.harm(said["harm"])
        ended = self._sync()
        is_red = self._comes(lambda: _state(row) == Expectation.State.RED, within=_RED_SECONDS)
        seconds = round(time.time() - ended, 2) if is_red else None
        row.refresh_from_db()
        others = [one for one in self._red() if one != row.question]
        put_back = self._put_back(row) if is_red and "replace" in said["harm"] else None
        undo()
        self._sync()
        self._asked()
        self._until(lambda: not self._red())
        self._say(f"{said['id']}: {row.stage or 'not noticed'} after {seconds} s")
        return {
            "expectation": said["id"],
            "stage": row.stage,
            "seconds": seconds,
            "put_back_seconds": put_back,
            "also_red": others,
        }

    def _put_back(self, row: Expectation) -> float:
        """Seconds from the click that puts the former edition back until the expectation is green."""
        [content] = [offer.content for offer in restoring.offers(row) if offer.content]
        started = time.time()
        restoring.put_back(content)
        self._until(lambda: _state(row) == Expectation.State.GREEN)
        return round(time.time() - started, 2)

    def _unrelated(self) -> Json:
        """Questions that turned red though nothing that they are about was edited."""
        alarms: list[str] = []
        count = 0
        for edit in self._sample.unrelated():
            edit()
            count += 1
            if count % _EDITS_A_SYNC == 0:
                self._sync()
                self._asked()
                alarms += self._red()
                self._say(f"{count} unrelated edits, {len(alarms)} alarms")
        return {"edits": count, "count": len(alarms), "questions": sorted(set(alarms))}

    def _sync(self) -> float:
        """The moment at which a worker had ended the sync."""
        run = sync.start(Source.objects.get(pk=self._source.pk))
        done = SyncRun.objects.filter(pk=run.pk, state=SyncRun.State.DONE)
        self._until(done.exists)
        ended = done.values_list("finished_at", flat=True).get()
        assert ended is not None  # noqa: S101  a sync that is done has ended
        return ended.timestamp()

    def _asked(self) -> None:
        """Until all is ingested and asked about."""
        work = IngestionTask.objects.filter(tenant=self._tenant, state__in=IngestionTask.OPEN)
        mine = Expectation.objects.filter(tenant=self._tenant)
        self._until(lambda: not work.exists() and not expectations.unasked(mine).exists())

    def _red(self) -> list[str]:
        return [row.question for row in self._red_rows()]

    def _red_rows(self) -> QuerySet[Expectation]:
        return Expectation.objects.filter(tenant=self._tenant, state=Expectation.State.RED)

    def _until(self, is_so: Callable[[], bool]) -> None:
        if not self._comes(is_so, within=_WAIT_SECONDS):
            raise CommandError("The workers did not get there.")

    @staticmethod
    def _comes(is_so: Callable[[], bool], *, within: float) -> bool:
        deadline = time.monotonic() + within
        while not is_so():
            if time.monotonic() > deadline:
                return False
            time.sleep(_POLL_SECONDS)
        return True


def _state(row: Expectation) -> str:
    return Expectation.objects.values_list("state", flat=True).get(pk=row.pk)


def _made(tenant: Tenant, said: Json) -> Expectation:
    named = f"{SLUG}/{said['document']}" if "document" in said else ""
    return Expectation.objects.create(
        tenant=tenant,
        question=said["question"],
        kind=said["kind"],
        document=Document.objects.get(tenant=tenant, public_id=named) if named else None,
        within=said.get("within", 10),
        text=said.get("text", ""),
    )
