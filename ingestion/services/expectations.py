"""When a tenant's expectations are asked, and by whom: after whatever changed its results, once ingestion is quiet.

What each was last asked in is kept with it (`marks`), so that a lost ring or a dead worker leaves it due.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import Any
from uuid import UUID, uuid4

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import CharField, Count, Exists, F, Func, Max, OuterRef, Q, QuerySet, Subquery, Value
from django.db.models.functions import Cast, Coalesce
from django.utils import timezone

from ingestion import doorbell
from ingestion.heartbeat import heartbeat
from ingestion.models import ExpectationWatch, IngestionTask, SyncRun
from search.exceptions import IndexMismatch, OpenSearchUnavailable, SearchError
from search.expectations import Verdict, check, keep
from search.metrics import EXPECTATIONS_RED
from search.models import Expectation, Profile, Tenant

logger = structlog.get_logger(__name__)
PAUSE = timedelta(seconds=2)  # many small changes in a row are asked about together
PUT_OFF = timedelta(seconds=30)
NEVER_QUIET = timedelta(minutes=5)  # so long they wait; then they are asked in the midst of it
SLICE_SECONDS = 20.0
# What results depend on, beside the day, on which documents may expire
_MARKS = ("content_version", "curation_version", "synonyms_version", "live_index_id", "live_profile_id")


@dataclass(frozen=True, slots=True)
class _Lease:
    tenant_id: int
    marks: str
    is_quiet: bool
    token: UUID


def due() -> list[int]:
    """Ids of the tenants with expectations that may be asked now. Notes who begins to wait for quiet."""
    waits = Q(expectation_watch=None) | Q(expectation_watch__waiting_since=None)
    for tenant_id in _to_ask().filter(waits, is_quiet=False).values_list("pk", flat=True):
        since = {"waiting_since": timezone.now()}
        ExpectationWatch.objects.update_or_create(tenant_id=tenant_id, defaults=since)
    return list(_due().values_list("pk", flat=True))


def ring_if_due(tenant_id: int) -> bool:
    """Have them asked at once, when what was being taken in was the last."""
    return _due().filter(pk=tenant_id).exists() and doorbell.ring(doorbell.RUN_EXPECTATIONS, tenant_id)


def ask_again(rows: "QuerySet[Expectation]") -> int:
    """Have them asked, whatever has changed since. Returns how many."""
    tenant_ids = list(rows.order_by().values_list("tenant_id", flat=True).distinct())
    count = rows.update(marks="")
    ExpectationWatch.objects.filter(tenant__in=tenant_ids).update(due_at=timezone.now())
    for tenant_id in tenant_ids:
        transaction.on_commit(partial(ring_if_due, tenant_id))
    return count


def unasked(rows: "QuerySet[Expectation]") -> "QuerySet[Expectation]":
    """Those of some expectations that are still to be asked about what has changed."""
    tenant = Tenant.objects.filter(pk=OuterRef("tenant")).annotate(marks=_marks())
    return rows.filter(is_enabled=True).exclude(marks=Subquery(tenant.values("marks")))


def is_quiet(tenant_id: int) -> bool:
    """Whether nothing is being taken in for a tenant."""
    tenant = Tenant.objects.filter(pk=tenant_id)
    return not tenant.filter(Exists(_open_tasks()) | Exists(_open_syncs())).exists()


def run(tenant_id: int, *, should_stop: Callable[[], bool]) -> bool:
    """Ask those of a tenant that are due, for a while; True when some are left. Who comes second does nothing."""
    lease = _lease(tenant_id)
    if lease is None:
        return False
    reason, is_done = "It broke off; the worker's log says why.", True
    try:
        with heartbeat(lambda: _renew(lease)):
            reason, is_done = _ask_due(lease, should_stop)
    finally:
        pause = PUT_OFF if reason else PAUSE if is_done else timedelta()
        _release(lease, reason=reason, pause=pause)
    return not is_done


def _to_ask() -> "QuerySet[Any]":
    """Tenants with expectations that were last asked in another state, with their `marks` as they are now, and whether
    nothing is being taken in (`is_quiet`)."""
    asked = Expectation.objects.filter(tenant=OuterRef("pk"), is_enabled=True)
    return (
        Tenant.objects.filter(Exists(asked))
        .annotate(marks=_marks(), is_quiet=~(Exists(_open_tasks()) | Exists(_open_syncs())))
        .filter(Exists(asked.exclude(marks=OuterRef("marks"))))
    )


def _due() -> "QuerySet[Any]":
    """Those that may be asked now: nobody asks them, none was put off, and it is quiet or they have waited too long."""
    now = timezone.now()
    watch = "expectation_watch__"
    is_free = Q(**{watch + "leased_until": None}) | Q(**{watch + "leased_until__lt": now})
    may_begin = Q(expectation_watch=None) | is_free & Q(**{watch + "due_at__lte": now})
    has_waited = Q(**{watch + "waiting_since__lt": now - NEVER_QUIET})
    return _to_ask().filter(may_begin, Q(is_quiet=True) | has_waited)


def _open_tasks() -> "QuerySet[IngestionTask]":
    """But for those that failed and wait to be tried again."""
    is_waited_for = Q(state=IngestionTask.State.RUNNING) | Q(
        state=IngestionTask.State.PENDING, due_at__lte=timezone.now()
    )
    return IngestionTask.objects.filter(is_waited_for, tenant=OuterRef("pk"))


def _open_syncs() -> "QuerySet[SyncRun]":
    states = (SyncRun.State.PENDING, SyncRun.State.RUNNING)
    return SyncRun.objects.filter(source__tenant=OuterRef("pk"), state__in=states)


class _Dotted(Func):
    """Texts with dots between them. Not by Concat, which nests so deep that SQLite's parser gives up."""

    template, arg_joiner = "(%(expressions)s)", " || '.' || "
    output_field = CharField()


def _marks() -> _Dotted:
    """All that a tenant's results depend on, as text."""
    live_at = Profile.objects.filter(tenant=OuterRef("pk")).order_by().values("tenant")
    newest = Subquery(live_at.annotate(newest=Max("live_at")).values("newest"))
    parts = [Coalesce(Cast(part, CharField()), Value("-")) for part in (*map(F, _MARKS), newest)]
    return _Dotted(*parts, Value(timezone.now().date().isoformat()))


def _lease(tenant_id: int) -> _Lease | None:
    """The lease on a tenant's expectations, if they are due and nobody else holds it."""
    tenant = _due().filter(pk=tenant_id).first()
    if tenant is None:
        return None
    ExpectationWatch.objects.get_or_create(tenant_id=tenant_id)
    lease, now = _Lease(tenant_id, tenant.marks, tenant.is_quiet, uuid4()), timezone.now()
    is_free = Q(leased_until=None) | Q(leased_until__lt=now)
    taken = ExpectationWatch.objects.filter(is_free, tenant=tenant_id, due_at__lte=now)
    return lease if taken.update(lease_token=lease.token, leased_until=_lease_end()) else None


def _renew(lease: _Lease) -> bool:
    held = ExpectationWatch.objects.filter(tenant=lease.tenant_id, lease_token=lease.token)
    return held.update(leased_until=_lease_end()) > 0


def _lease_end() -> Any:
    return timezone.now() + timedelta(seconds=settings.INGESTION_LEASE_SECONDS)


def _release(lease: _Lease, *, reason: str, pause: timedelta) -> None:
    now = timezone.now()
    held = ExpectationWatch.objects.filter(tenant=lease.tenant_id, lease_token=lease.token)
    held.update(
        lease_token=None,
        leased_until=None,
        waiting_since=None,
        due_at=now + pause,
        reason=reason[:1000],
    )


def _ask_due(lease: _Lease, should_stop: Callable[[], bool]) -> tuple[str, bool]:
    """(why some were put off, whether all were gone through)."""
    ends, reason = time.monotonic() + SLICE_SECONDS, ""
    rows = Expectation.objects.filter(tenant=lease.tenant_id, is_enabled=True).exclude(marks=lease.marks)
    rows = rows.select_related("tenant", "document").order_by(F("asked_at").asc(nulls_first=True), "pk")
    for expectation in _changed_first(list(rows)):
        if should_stop() or time.monotonic() > ends:
            return reason, False
        # Said before: one at which its worker fails comes last the next time.
        Expectation.objects.filter(pk=expectation.pk).update(asked_at=timezone.now())
        try:
            verdict = check(expectation)
        except SearchError as down:
            reason = str(down)
            if isinstance(down, OpenSearchUnavailable | IndexMismatch):
                break
            continue
        if not verdict.holds and lease.is_quiet and not is_quiet(lease.tenant_id):
            break  # what it lacks may be on its way
        _keep(expectation, verdict, lease.marks)
    return reason, True


def _changed_first(rows: list[Expectation]) -> list[Expectation]:
    """Those first whose documents have been ingested since they were asked; the rest stay in their order."""
    about = {row.pk: {*row.witnesses, row.document_id} for row in rows}
    tasks = IngestionTask.objects.filter(document__in=set().union(*about.values()) - {None})
    ended = dict(tasks.values_list("document").annotate(Max("finished_at")))

    def is_changed(row: Expectation) -> bool:
        ends = [end for document in about[row.pk] if (end := ended.get(document))]
        return row.asked_at is not None and bool(ends) and max(ends) > row.asked_at

    return sorted(rows, key=lambda row: not is_changed(row))


def _keep(expectation: Expectation, verdict: Verdict, marks: str) -> None:
    keep(expectation, verdict, marks=marks)
    if verdict.holds != (expectation.state == Expectation.State.GREEN):
        logger.info(
            "expectation_turned",
            tenant=expectation.tenant_id,
            expectation=expectation.pk,
            holds=verdict.holds,
            stage=str(verdict.stage),
        )


def publish_metrics() -> None:
    """How many are red, as a gauge."""
    is_red = Q(tenant__expectations__state=Expectation.State.RED, tenant__expectations__is_enabled=True)
    watched = ExpectationWatch.objects.annotate(red=Count("tenant__expectations", filter=is_red))
    for slug, red in watched.values_list("tenant__slug", "red"):
        EXPECTATIONS_RED.labels(slug).set(red)
