"""Rebuilding: fill the next index version from stored text while the live one serves, check it, swap, keep the old one.

Every task writes to all of a tenant's versions, so that nothing is lost on either side; a rebuild only
opens a task for each
document that the new version lacks. The swap is one database transaction.
"""

from dataclasses import dataclass

import structlog
from django.db import transaction
from django.db.models import Exists, OuterRef, QuerySet, Sum

from ingestion import doorbell, indexes, outbox
from ingestion.exceptions import IngestionError
from ingestion.models import IngestionTask
from search import index
from search.models import Document, Edition, SearchIndex, Tenant

logger = structlog.get_logger(__name__)
DOCUMENTS_AT_ONCE = 500
State = SearchIndex.State


class RebuildError(IngestionError):
    """A rebuild that can't go on or back as asked."""

    code = "rebuild_error"
    status = 409


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a building version is."""

    version: SearchIndex
    documents: int
    missing: int


def start(tenant: Tenant, *, embedder: str = "default") -> Progress:
    """Make the next version, or go on with the one that is being built, and open what it needs."""
    version = indexes.new_version(tenant, embedder=embedder)
    if version.embedder != embedder:
        raise RebuildError(f"{version.name} is already being built with the embedder {version.embedder!r}.")
    indexes.ensure_mapped(version)
    missing = _missing(version).order_by("pk")
    last = 0
    while part := list(missing.filter(pk__gt=last)[:DOCUMENTS_AT_ONCE]):
        last = part[-1].pk
        with transaction.atomic():
            outbox.open_tasks(part, priority=IngestionTask.Priority.REBUILD)
    doorbell.ring(doorbell.RUN_DUE_TASKS, tenant.pk)
    return progress(version)


def progress(version: SearchIndex) -> Progress:
    live = Document.objects.filter(tenant_id=version.tenant_id, state=Document.State.LIVE)
    return Progress(version, live.count(), _missing(version).count())


def _missing(version: SearchIndex) -> "QuerySet[Document]":
    """Live documents that the version does not have."""
    there = Edition.objects.filter(document=OuterRef("pk"), index=version, state=Edition.State.LIVE)
    live = Document.objects.filter(tenant_id=version.tenant_id, state=Document.State.LIVE)
    return live.filter(~Exists(there))


def finish(version: SearchIndex) -> bool:
    """Swap to a version that is complete and checked. False while documents are missing."""
    if _missing(version).exists():
        return False
    _check(version)
    with transaction.atomic():
        tenant = Tenant.objects.select_for_update().get(pk=version.tenant_id)
        if _missing(version).exists():
            return False
        index.mark_live(tenant, version)
    index.point_alias(tenant, version)
    doorbell.ring(doorbell.RUN_WARMING, tenant.pk)
    logger.info("index_swapped", tenant=tenant.pk, index=version.name)
    return True


def _check(version: SearchIndex) -> None:
    """The engine holds as many chunks as the editions say. Raises RebuildError."""
    index.refresh(version.name)
    editions = Edition.objects.filter(index=version, state=Edition.State.LIVE)
    expected = editions.aggregate(chunks=Sum("chunk_count"))["chunks"] or 0
    found = index.count_chunks(version.name)
    if found < expected:
        raise RebuildError(
            f"{version.name} holds {found} chunks of {expected}: run reconcile, then try again."
        )


def roll_back(tenant: Tenant) -> SearchIndex:
    """Let the version before the live one serve again. It was written to all along. Raises RebuildError."""
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        live = locked.live_index
        older = SearchIndex.objects.filter(tenant=tenant, state=State.RETIRED).order_by("-number").first()
        if live is None or older is None:
            raise RebuildError("There is no older version to go back to.")
        index.mark_live(locked, older)
    index.point_alias(tenant, older)
    return older


def drop_retired(tenant: Tenant) -> list[str]:
    """Remove the versions that no longer serve. There is no rolling back to them after this."""
    dropped = []
    for version in SearchIndex.objects.filter(tenant=tenant, state=State.RETIRED):
        index.drop_index(version.name)
        version.delete()
        dropped.append(version.name)
    return dropped


def finish_complete() -> None:
    """Swap every building version that is complete; what the scheduler does each round."""
    for version in SearchIndex.objects.filter(state=State.BUILDING).exclude(number=1):
        if SearchIndex.objects.filter(tenant=version.tenant_id, state=State.LIVE).exists():
            finish(version)
