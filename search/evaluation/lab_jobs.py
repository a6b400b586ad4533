"""The lab's long work as rows that workers lease: runs, tuning, thresholds, and what is due each night.

The row is the truth: a job whose worker died is taken up by the next sweep, a run and a training where they were, the
others anew.
"""

import time
from collections.abc import Callable, Mapping
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.db.models import F, Max, Q
from django.db.models import QuerySet as Rows
from django.utils import timezone

from search.evaluation import lab, lab_work
from search.evaluation.lab import LabError
from search.exceptions import SearchError, Unavailable
from search.metrics import LAB_REGRESSED
from search.models import EvaluationRun, LabJob, QuerySet
from search.types import RetrievalSettings

LEASE_SECONDS = 60
SLICE_SECONDS = 20.0  # then a run lets other work of its worker come first
_RENEW_SECONDS = 5.0
_ATTEMPTS = 3
_PUT_OFF_SECONDS = 10
State = LabJob.State
Kind = LabJob.Kind


def open_run(
    query_set: QuerySet, *, mode: str | None = None, profile: RetrievalSettings | None = None
) -> LabJob:
    """Have a set asked by a worker, see lab.start. Raises LabError."""
    run = lab.start(query_set, mode=mode, profile=profile)
    return LabJob.objects.create(query_set=query_set, kind=Kind.RUN, run=run)


def open_job(query_set: QuerySet, kind: str, *, parameters: Mapping[str, Any] | None = None) -> LabJob:
    """Have something found out about a set by a worker. Raises LabError while the same is under way."""
    if LabJob.objects.filter(query_set=query_set, kind=kind, state__in=LabJob.OPEN).exists():
        raise LabError("The same is under way already.")
    return LabJob.objects.create(query_set=query_set, kind=kind, parameters=dict(parameters or {}))


def cancel(job: LabJob) -> bool:
    """End an open job before its next query."""
    if job.run is not None:
        lab.cancel(job.run)
    return bool(_open(job.pk).update(state=State.CANCELLED, work=b"", finished_at=timezone.now()))


def due_jobs() -> list[int]:
    """Open jobs that nobody works on."""
    now = timezone.now()
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    due = LabJob.objects.filter(is_free, state__in=LabJob.OPEN, due_at__lte=now)
    return list(due.order_by("due_at").values_list("pk", flat=True)[:20])


def work(job_id: int, *, should_stop: Callable[[], bool]) -> bool:
    """Work on a job for a while; True when there is more to do. Who is not the first to lease it does nothing."""
    job = _claim(job_id)
    if job is None:
        return False
    if job.attempts > _ATTEMPTS:
        fail(job.pk, f"Its worker died {_ATTEMPTS} times.")
        return False
    hold = Hold(job, should_stop)
    try:
        result = lab_work.WORK[job.kind](job, hold)
    except Unavailable as error:
        _give_back(job, seconds=_PUT_OFF_SECONDS, reason=str(error))
        return False
    except (SearchError, ValueError) as error:
        fail(job.pk, str(error))
        return False
    if result is None:
        _give_back(job)
        return True
    _end(job, result)
    return False


class Hold:
    """A lease that is renewed while its job is worked on, and the job's progress."""

    def __init__(self, job: LabJob, should_stop: Callable[[], bool]) -> None:
        self._job, self._should_stop = job, should_stop
        self._started = self._renewed = time.monotonic()
        self._is_lost = False

    def slice_is_over(self) -> bool:
        """Whether to give back now: the worker stops, the job was ended or lost, or others had to wait long enough."""
        return self.is_over() or time.monotonic() - self._started > SLICE_SECONDS

    def is_over(self) -> bool:
        """The same for work that can't be taken up in its middle."""
        if time.monotonic() - self._renewed > _RENEW_SECONDS:
            self._renew()
        return self._is_lost or self._should_stop()

    def progress(self, share: float) -> None:
        self._job.progress = round(share, 4)

    def keep(self, work: bytes) -> None:
        """What was found so far, for whoever carries the job on."""
        self._is_lost = not _held(self._job).update(work=work)

    def _renew(self) -> None:
        self._renewed = time.monotonic()
        until = timezone.now() + timedelta(seconds=LEASE_SECONDS)
        held = _held(self._job).update(leased_until=until, progress=self._job.progress)
        self._is_lost = not held


def _claim(job_id: int) -> LabJob | None:
    now = timezone.now()
    lease = uuid4()
    is_free = Q(leased_until__isnull=True) | Q(leased_until__lt=now)
    claimed = (
        _open(job_id)
        .filter(is_free)
        .update(
            state=State.RUNNING,
            lease=lease,
            leased_until=now + timedelta(seconds=LEASE_SECONDS),
            attempts=F("attempts") + 1,
        )
    )
    if not claimed:
        return None
    return LabJob.objects.select_related("query_set__tenant", "run__query_set__tenant").get(pk=job_id)


def _give_back(job: LabJob, *, seconds: int = 0, reason: str = "") -> None:
    """For a later slice; only a worker that died has spent its attempt."""
    _held(job).update(
        lease=None,
        leased_until=None,
        attempts=0,
        progress=job.progress,
        reason=reason[:1000],
        due_at=timezone.now() + timedelta(seconds=seconds),
    )


def _end(job: LabJob, result: Mapping[str, Any]) -> None:
    _held(job).update(
        state=State.DONE,
        result=dict(result),
        work=b"",
        progress=1.0,
        reason="",
        lease=None,
        finished_at=timezone.now(),
    )


def fail(job_id: int, reason: str) -> None:
    """End an open job, and its run, with what went wrong."""
    now = timezone.now()
    EvaluationRun.objects.filter(jobs=job_id, state__in=LabJob.OPEN).update(
        state=EvaluationRun.State.FAILED, reason=reason[:1000], finished_at=now
    )
    _open(job_id).update(state=State.FAILED, reason=reason[:1000], work=b"", lease=None, finished_at=now)


def _open(job_id: int) -> Any:
    return LabJob.objects.filter(pk=job_id, state__in=LabJob.OPEN)


def _held(job: LabJob) -> Any:
    return LabJob.objects.filter(pk=job.pk, state=State.RUNNING, lease=job.lease)


def start_nightly(*, hours: float) -> list[LabJob]:
    """A run with the live settings for each nightly set whose last one began that long ago."""
    since = timezone.now() - timedelta(hours=hours)
    has_documents = {"tenant__live_index__isnull": False}
    sets = QuerySet.objects.filter(runs_nightly=True, queries__isnull=False, **has_documents).distinct()
    due = sets.exclude(runs__is_nightly=True, runs__created_at__gt=since).select_related("tenant")
    return [_start_nightly(query_set) for query_set in due]


def _start_nightly(query_set: QuerySet) -> LabJob:
    job = open_run(query_set)
    EvaluationRun.objects.filter(jobs=job).update(is_nightly=True)
    return job


def last_nightly_runs() -> "Rows[EvaluationRun]":
    """The newest finished nightly run of each set that is asked each night."""
    is_nightly = Q(runs__is_nightly=True, runs__state=EvaluationRun.State.DONE)
    sets = QuerySet.objects.filter(runs_nightly=True).annotate(last=Max("runs", filter=is_nightly))
    return EvaluationRun.objects.filter(pk__in=sets.values("last"))


def publish_metrics() -> None:
    """Whether the last nightly run of each set was a regression, as a gauge."""
    for run in last_nightly_runs().select_related("query_set__tenant"):
        query_set = run.query_set
        LAB_REGRESSED.labels(query_set.tenant.slug, query_set.name).set(float(run.is_regression))
