"""The outbox: opening, claiming, leasing and ending tasks. Every change of a task's state is here, in
short transactions.

A claim holds by its token until the lease runs out. Attempts are counted before the work, so that a crash counts too.
"""

import random
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, F, Min, OuterRef, Q, QuerySet
from django.utils import timezone

from ingestion.models import IngestionTask
from search.metrics import QUEUE_AGE_SECONDS, QUEUE_TASKS, TASKS
from search.models import Document, Tenant

State = IngestionTask.State
RETRY_LIMIT_SECONDS = 300.0


@dataclass(frozen=True, slots=True)
class Claim:
    """Tasks of one tenant that a worker holds together, by one token."""

    tenant_id: int
    token: uuid.UUID
    tasks: tuple[IngestionTask, ...]


@dataclass(frozen=True, slots=True)
class Finished:
    """A task whose work is live: the document's revision that was read, the one it has now, and its chunks."""

    task: IngestionTask
    read_revision: int
    current_revision: int
    chunks: int


def open_tasks(
    documents: Sequence[Document], *, priority: int, sizes: Mapping[int, int] | None = None
) -> list[IngestionTask]:
    """Each document's open task, made or joined. The caller holds the transaction that changed the documents.

    `sizes` are bytes to be read, by document id.
    """
    sizes = sizes or {}
    joined = IngestionTask.objects.filter(document__in=documents, state__in=IngestionTask.OPEN)
    tasks = {task.document_id: task for task in joined}
    for task in tasks.values():
        task.size, task.priority = sizes.get(task.document_id, 0), min(task.priority, priority)
        task.save(update_fields=["size", "priority"])
    made = [
        IngestionTask(
            tenant_id=document.tenant_id,
            document=document,
            priority=priority,
            size=sizes.get(document.pk, 0),
        )
        for document in documents
        if document.pk not in tasks
    ]
    tasks |= {task.document_id: task for task in IngestionTask.objects.bulk_create(made)}
    return [tasks[document.pk] for document in documents]


def claim(tenant_id: int | None = None) -> Claim | None:
    """Take up to INGESTION_CLAIM_TASKS due tasks of one tenant, capped by bytes; None when nothing is due.

    A task that has been tried before comes alone, so that poison does not take its neighbours along.
    """
    with transaction.atomic():
        while (first := _first_due(tenant_id)) is not None:
            if first.attempts < settings.INGESTION_MAX_ATTEMPTS:
                return _take(first)
            reason = f"Its worker died, or ran out of time, {first.attempts} times."
            _end([first], State.DEAD, code="worker_died", reason=reason)
    return None


def _first_due(tenant_id: int | None) -> IngestionTask | None:
    """What a dead worker left comes before what waits."""
    now = timezone.now()
    of_tenant = Q() if tenant_id is None else Q(tenant_id=tenant_id)
    expired = (
        _locked()
        .filter(of_tenant, state=State.RUNNING, leased_until__lt=now)
        .order_by("leased_until")
        .first()
    )
    return expired or _pending(of_tenant, now).first()


def _pending(of_tenant: Q, now: datetime) -> "QuerySet[IngestionTask]":
    return (
        _locked().filter(of_tenant, state=State.PENDING, due_at__lte=now).order_by("priority", "due_at", "id")
    )


def _locked() -> "QuerySet[IngestionTask]":
    """On Postgres rows that another worker is claiming are passed over; SQLite has one writer anyway."""
    tasks = IngestionTask.objects.all()
    return (
        tasks.select_for_update(skip_locked=True)
        if connection.features.has_select_for_update_skip_locked
        else tasks
    )


def _take(first: IngestionTask) -> Claim:
    tasks = [first]
    if first.attempts == 0:
        fresh = _pending(Q(tenant_id=first.tenant_id, attempts=0) & ~Q(pk=first.pk), timezone.now())
        tasks += _within_bytes(fresh[: settings.INGESTION_CLAIM_TASKS - 1], spent=first.size)
    token, now = uuid.uuid4(), timezone.now()
    for task in tasks:
        task.state, task.lease_token, task.attempts = State.RUNNING, token, task.attempts + 1
    IngestionTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
        state=State.RUNNING,
        lease_token=token,
        leased_until=now + _lease(),
        attempts=F("attempts") + 1,
        started_at=now,
        stage="claimed",
    )
    return Claim(first.tenant_id, token, tuple(tasks))


def _within_bytes(tasks: Iterable[IngestionTask], *, spent: int) -> list[IngestionTask]:
    taken: list[IngestionTask] = []
    for task in tasks:
        spent += task.size
        if spent > settings.INGESTION_CLAIM_BYTES:
            break
        taken.append(task)
    return taken


def _lease() -> timedelta:
    return timedelta(seconds=settings.INGESTION_LEASE_SECONDS)


def renew(token: uuid.UUID) -> bool:
    """A heartbeat. False when nothing is held by the token any more."""
    held = IngestionTask.objects.filter(lease_token=token, state=State.RUNNING)
    return held.update(leased_until=timezone.now() + _lease()) > 0


def set_stage(token: uuid.UUID, stage: str) -> None:
    """Shown as progress."""
    IngestionTask.objects.filter(lease_token=token, state=State.RUNNING).update(stage=stage)


def still_held(claim: Claim) -> set[int]:
    """Ids of the claim's tasks that its token still holds. Read in the transaction that acts on it."""
    held = IngestionTask.objects.select_for_update().filter(lease_token=claim.token, state=State.RUNNING)
    return set(held.values_list("pk", flat=True))


def still_held_now(claim: Claim) -> set[int]:
    """The same outside of a transaction."""
    with transaction.atomic():
        return still_held(claim)


def finish(finished: Iterable[Finished]) -> None:
    """Done for the revision that was read; pending again at once if the document has changed since."""
    groups: dict[tuple[bool, int, int], list[int]] = {}
    for one in finished:
        is_done = one.read_revision == one.current_revision
        groups.setdefault((is_done, one.read_revision, one.chunks), []).append(one.task.pk)
    for (is_done, revision, chunks), ids in groups.items():
        now = timezone.now()
        end = (
            {"state": State.DONE, "finished_at": now}
            if is_done
            else {"state": State.PENDING, "attempts": 0, "due_at": now}
        )
        IngestionTask.objects.filter(pk__in=ids).update(
            revision=revision, chunks=chunks, code="", reason="", stage="", lease_token=None, **end
        )
        if is_done:
            TASKS.labels(State.DONE).inc(len(ids))


def fail(task: IngestionTask, *, code: str, reason: str) -> None:
    """A permanent error: failed at once."""
    _end([task], State.FAILED, code=code, reason=reason)


def try_again(task: IngestionTask, *, code: str, reason: str) -> None:
    """An error that may pass: tried again later, alone; dead after INGESTION_MAX_ATTEMPTS."""
    if task.attempts >= settings.INGESTION_MAX_ATTEMPTS:
        _end([task], State.DEAD, code=code, reason=reason)
        return
    _release(
        [task],
        delay_seconds=settings.INGESTION_RETRY_SECONDS * 2 ** (task.attempts - 1),
        code=code,
        reason=reason,
    )


def postpone(claim: Claim, *, code: str, reason: str) -> None:
    """What the work needs is down: the tasks wait, and the attempt is not counted."""
    _uncount(claim, delay_seconds=settings.INGESTION_RETRY_SECONDS, code=code, reason=reason)


def give_back(claim: Claim, *, code: str, reason: str) -> None:
    """Who works is going: the tasks are due at once for the next worker, and the attempt is not counted."""
    _uncount(claim, delay_seconds=0.0, code=code, reason=reason)


def _uncount(claim: Claim, *, delay_seconds: float, code: str, reason: str) -> None:
    with transaction.atomic():
        held = still_held(claim)
        tasks = [task for task in claim.tasks if task.pk in held]
        _release(tasks, delay_seconds=delay_seconds, code=code, reason=reason)
        IngestionTask.objects.filter(pk__in=[task.pk for task in tasks]).update(attempts=F("attempts") - 1)


def _release(tasks: Sequence[IngestionTask], *, delay_seconds: float, code: str, reason: str) -> None:
    delay = min(RETRY_LIMIT_SECONDS, delay_seconds) * random.uniform(0.5, 1.0)  # noqa: S311
    IngestionTask.objects.filter(pk__in=[task.pk for task in tasks]).update(
        state=State.PENDING,
        lease_token=None,
        due_at=timezone.now() + timedelta(seconds=delay),
        stage="waiting",
        code=code,
        reason=reason,
    )


def _end(tasks: Sequence[IngestionTask], state: IngestionTask.State, *, code: str, reason: str) -> None:
    ids = [task.pk for task in tasks]
    IngestionTask.objects.filter(pk__in=ids).update(
        state=state, code=code, reason=reason, lease_token=None, stage="", finished_at=timezone.now()
    )
    never_live = Document.objects.filter(tasks__in=ids, state=Document.State.PENDING)
    Document.objects.filter(pk__in=list(never_live.values_list("pk", flat=True))).update(
        state=Document.State.FAILED
    )
    TASKS.labels(state).inc(len(ids))


def retry(tasks: "QuerySet[IngestionTask]") -> int:
    """Open ended tasks again, from the first attempt; a document that has an open task already keeps that one."""
    with transaction.atomic():
        ended = tasks.filter(state__in=[State.FAILED, State.DEAD, State.CANCELLED])
        return sum(_reopen(task) for task in ended.order_by("document_id", "-id"))


def _reopen(task: IngestionTask) -> int:
    if IngestionTask.objects.filter(document_id=task.document_id, state__in=IngestionTask.OPEN).exists():
        return 0
    return IngestionTask.objects.filter(pk=task.pk).update(
        state=State.PENDING, attempts=0, due_at=timezone.now(), code="", reason="", finished_at=None
    )


def cancel(tasks: "QuerySet[IngestionTask]") -> int:
    """Cancel what waits. What runs is left to end: it holds a lease."""
    waiting = tasks.filter(state=State.PENDING)
    return waiting.update(state=State.CANCELLED, finished_at=timezone.now(), stage="")


def tenants_with_due_tasks() -> list[int]:
    """Whom to ring for: tenants with a task that is due, or whose worker's lease has run out."""
    now = timezone.now()
    of_tenant = IngestionTask.objects.filter(tenant=OuterRef("pk"))
    pending = of_tenant.filter(state=State.PENDING, due_at__lte=now)
    abandoned = of_tenant.filter(state=State.RUNNING, leased_until__lt=now)
    return list(Tenant.objects.filter(Exists(pending) | Exists(abandoned)).values_list("pk", flat=True))


def publish_metrics() -> None:
    """Queue depth and age, as gauges."""
    now = timezone.now()
    for state in IngestionTask.OPEN:
        QUEUE_TASKS.labels(state).set(IngestionTask.objects.filter(state=state).count())
    oldest = IngestionTask.objects.filter(state=State.PENDING, due_at__lte=now).aggregate(at=Min("due_at"))[
        "at"
    ]
    QUEUE_AGE_SECONDS.set((now - oldest).total_seconds() if oldest else 0.0)
