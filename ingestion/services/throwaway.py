"""Tenants for one measurement: made, filled by the real ingestion, and dropped with all that is theirs.

SIGTERM and Ctrl-C drop them too. Workers that happen to run may help with the tasks; they do no harm.
"""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any
from uuid import uuid4

from django.db.models import Count, QuerySet
from django.utils import timezone

from ingestion import outbox
from ingestion.models import IngestionTask, Source, SourceItem, StoredVector, SyncRun
from ingestion.outbox import Claim
from ingestion.services import sync
from search import index
from search.models import Document, SearchIndex, Tenant

_ROWS_AT_ONCE = 500  # a short transaction each, so that nobody waits for the whole
_POLL_SECONDS = 0.2
_WAIT_SECONDS = 0.05
_EXIT_TERMINATED = 128 + signal.SIGTERM


@contextmanager
def throwaway_tenant(purpose: str) -> Iterator[Tenant]:
    """A tenant that is gone afterwards, however the block ends."""
    with _terminated_as_exit():
        slug = f"{purpose}-{uuid4().hex[:12]}"
        tenant = Tenant.objects.create(slug=slug, name=f"Throw-away: {purpose}")
        try:
            yield tenant
        finally:
            drop(tenant)


@contextmanager
def _terminated_as_exit() -> Iterator[None]:
    """SIGTERM unwinds the stack, as Ctrl-C does, instead of leaving the tenant behind."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def leave(_signal: int, _frame: FrameType | None) -> None:
        raise SystemExit(_EXIT_TERMINATED)

    before = signal.signal(signal.SIGTERM, leave)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def drain(tenant: Tenant, work: Callable[[Claim], None], *, progress: Callable[[str], None]) -> None:
    """Do the tenant's tasks with `work` until none is open; `progress` is told what is left and why."""
    tasks = IngestionTask.objects.filter(tenant=tenant, state__in=IngestionTask.OPEN)
    while left := tasks.count():
        waiting = tasks.exclude(code="").first()
        progress(f"{left} documents left" + (f" ({waiting.code}: {waiting.reason})" if waiting else ""))
        claim = outbox.claim(tenant.pk)
        if claim is None:  # another worker has them, or they wait to be tried again
            time.sleep(_POLL_SECONDS)
            continue
        try:
            work(claim)
        except BaseException:  # Ctrl-C: let go at once of what only this process would end
            outbox.give_back(claim, code="interrupted", reason="The measurement was interrupted.")
            raise


def wait(tenant: Tenant, *, check: Callable[[], None]) -> None:
    """Until workers have done all the tenant's tasks; `check` may raise when they no longer can."""
    tasks = IngestionTask.objects.filter(tenant=tenant, state__in=IngestionTask.OPEN)
    while tasks.exists():
        check()
        time.sleep(_WAIT_SECONDS)


def sync_now(source: Source, work: Callable[[int], None]) -> SyncRun:
    """A sync of the source, run by `work` unless another worker has taken it; its end is waited for."""
    run = sync.start(source)
    work(run.pk)
    while True:
        run.refresh_from_db()
        if run.state not in (SyncRun.State.PENDING, SyncRun.State.RUNNING):
            return run
        time.sleep(_POLL_SECONDS)


def failures(tenant: Tenant) -> list[str]:
    """Which documents could not be ingested, and why."""
    ended = IngestionTask.objects.filter(
        tenant=tenant, state__in=[IngestionTask.State.FAILED, IngestionTask.State.DEAD]
    )
    return [f"{task.document.public_id}: {task.reason}" for task in ended.select_related("document")]


def states(tenant: Tenant) -> dict[str, int]:
    """How many documents are in which state."""
    rows = Document.objects.filter(tenant=tenant).values("state").annotate(n=Count("pk")).order_by("state")
    return {row["state"]: row["n"] for row in rows}


def drop(tenant: Tenant) -> None:
    """Remove a tenant's indexes and rows. What another worker writes is waited for: no index comes back."""
    tasks = IngestionTask.objects.filter(tenant=tenant)
    outbox.cancel(tasks)
    while tasks.filter(state=IngestionTask.State.RUNNING, leased_until__gt=timezone.now()).exists():
        time.sleep(_POLL_SECONDS)
        outbox.cancel(tasks)
    for name in SearchIndex.objects.filter(tenant=tenant).values_list("name", flat=True):
        index.drop_index(name)
    Tenant.objects.filter(pk=tenant.pk).update(live_index=None)
    _delete(SourceItem.objects.filter(source__tenant=tenant))
    _delete(Document.objects.filter(tenant=tenant))
    _delete(StoredVector.objects.filter(tenant=tenant))
    Tenant.objects.filter(pk=tenant.pk).delete()


def _delete(rows: "QuerySet[Any, Any]") -> None:
    model: Any = rows.model
    while part := list(rows.values_list("pk", flat=True)[:_ROWS_AT_ONCE]):
        model.objects.filter(pk__in=part).delete()
