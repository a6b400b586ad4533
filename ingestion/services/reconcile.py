"""Reconciling: compare each index with the database, which is the record, and repair what drifted.

Found and repaired: chunks that belong to no live edition, live editions with missing chunks, access or ids that differ,
editions that a dead worker left half written, documents that wait without a task.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import groupby, islice

from django.db import transaction
from django.db.models import Exists, OuterRef

from ingestion import doorbell, indexes, outbox
from ingestion.models import IngestionTask
from ingestion.services import ingest
from search import index
from search.filters import PUBLIC
from search.index import IndexedChunk
from search.models import Document, Edition, SearchIndex, Tenant

DOCUMENTS_AT_ONCE = 500
State = Edition.State


@dataclass(slots=True)
class Report:
    """What was found, and repaired or given to tasks."""

    orphan_chunks: int = 0
    incomplete_editions: int = 0
    drifted_documents: int = 0
    abandoned_editions: int = 0
    waiting_documents: int = 0
    documents: int = field(default=0)


def run(tenant: Tenant) -> Report:
    """Compare and repair all versions of a tenant. Documents with an open task are left to it."""
    report = Report()
    report.abandoned_editions = _retire_abandoned(tenant)
    ingest.remove_retired(document_ids=None)
    for version in indexes.writable(tenant):
        index.refresh(version.name)
        _reconcile_version(version, report)
    report.waiting_documents = _open_missing_tasks(tenant)
    doorbell.ring(doorbell.RUN_DUE_TASKS, tenant.pk)
    return report


def _has_open_task() -> Exists:
    return Exists(
        IngestionTask.objects.filter(document=OuterRef("document_id"), state__in=IngestionTask.OPEN)
    )


def _retire_abandoned(tenant: Tenant) -> int:
    """Editions still `writing` although nobody works on their document."""
    left = Edition.objects.filter(document__tenant=tenant, state=State.WRITING).exclude(_has_open_task())
    return Edition.objects.filter(pk__in=list(left.values_list("pk", flat=True))).update(state=State.RETIRED)


def _reconcile_version(version: SearchIndex, report: Report) -> None:
    seen_up_to = 0
    chunks = groupby(index.iter_chunks(version.name), key=lambda chunk: chunk.document_id)
    for part in _parts((document_id, list(found)) for document_id, found in chunks):
        upper = part[-1][0]
        _reconcile_documents(version, dict(part), after=seen_up_to, up_to=upper, report=report)
        seen_up_to = upper
    _reconcile_documents(version, {}, after=seen_up_to, up_to=None, report=report)


def _parts(
    documents: Iterator[tuple[int, list[IndexedChunk]]],
) -> Iterator[list[tuple[int, list[IndexedChunk]]]]:
    while part := list(islice(documents, DOCUMENTS_AT_ONCE)):
        yield part


def _reconcile_documents(
    version: SearchIndex,
    found: dict[int, list[IndexedChunk]],
    *,
    after: int,
    up_to: int | None,
    report: Report,
) -> None:
    """Documents with ids in (after, up_to]: what the index has of them against their editions."""
    editions = Edition.objects.filter(index=version, document_id__gt=after).select_related("document")
    if up_to is not None:
        editions = editions.filter(document_id__lte=up_to)
    busy = set(editions.filter(_has_open_task()).values_list("document_id", flat=True))
    live = {edition.document_id: edition for edition in editions.filter(state=State.LIVE).iterator()}
    known = {(edition.document_id, edition.number) for edition in editions.iterator()}
    orphans = [
        chunk
        for document_id, chunks in found.items()
        for chunk in chunks
        if document_id not in busy and _is_orphan(chunk, live.get(document_id), known)
    ]
    _remove(version, orphans)
    report.orphan_chunks += len(orphans)
    report.documents += len(live)
    for document_id, edition in live.items():
        if document_id not in busy:
            _repair(edition, found.get(document_id, []), report)


def _is_orphan(chunk: IndexedChunk, live: Edition | None, known: set[tuple[int, int]]) -> bool:
    if live is not None and chunk.edition == live.number:
        return chunk.ordinal >= live.chunk_count
    return (chunk.document_id, chunk.edition) not in known


def _remove(version: SearchIndex, chunks: Iterable[IndexedChunk]) -> None:
    ids = [f"{chunk.document_id}:{chunk.edition}:{chunk.ordinal}" for chunk in chunks]
    if ids:
        index.bulk(version.name, index.delete_operations(ids))
        index.refresh(version.name)


def _repair(edition: Edition, chunks: list[IndexedChunk], report: Report) -> None:
    document = edition.document
    own = [chunk for chunk in chunks if chunk.edition == edition.number]
    if {chunk.ordinal for chunk in own} < set(range(edition.chunk_count)):
        report.incomplete_editions += 1
        _write_again(edition, content_hash="")
    elif any(_differs(chunk, document) for chunk in own):
        report.drifted_documents += 1
        _write_again(edition, content_hash=edition.content_hash)


def _differs(chunk: IndexedChunk, document: Document) -> bool:
    access = [PUBLIC] if document.access is None else document.access
    return chunk.public_id != document.public_id or set(chunk.access) != set(access)


def _write_again(edition: Edition, *, content_hash: str) -> None:
    """Let a task write it: an edition without a hash is cut and written anew, one with an old revision
    gets its fields."""
    with transaction.atomic():
        Edition.objects.filter(pk=edition.pk).update(content_hash=content_hash, revision=0)
        outbox.open_tasks([edition.document], priority=IngestionTask.Priority.CHANGE)


def _open_missing_tasks(tenant: Tenant) -> int:
    """Documents that wait, or whose deletion is unacknowledged, without a task that would see to it."""
    has_task = Exists(IngestionTask.objects.filter(document=OuterRef("pk"), state__in=IngestionTask.OPEN))
    ended = [Document.State.FAILED]
    waiting = Document.objects.filter(tenant=tenant).exclude(has_task).exclude(state__in=ended)
    rows = [*waiting.filter(state=Document.State.PENDING), *waiting.filter(hides_unacknowledged=True)]
    documents = list({document.pk: document for document in rows}.values())
    for start in range(0, len(documents), DOCUMENTS_AT_ONCE):
        with transaction.atomic():
            outbox.open_tasks(
                documents[start : start + DOCUMENTS_AT_ONCE], priority=IngestionTask.Priority.CHANGE
            )
    return len(documents)
