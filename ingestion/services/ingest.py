"""Runs a claim, top to bottom: prepare each document, embed across all of them, one bulk, one refresh, one switch,
then remove what is old.

Outcomes are per task. Nothing is live before every chunk is acknowledged and searchable, and only the
lease's holder switches.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from ingestion import indexes, outbox
from ingestion.chunking import Chunk
from ingestion.exceptions import WorkerStopping
from ingestion.heartbeat import heartbeat
from ingestion.outbox import Claim
from ingestion.parsers import ParserChild
from ingestion.services.preparation import Draft, Work, prepare_all
from ingestion.services.switching import open_editions, switch
from ingestion.vectors import vectors_for
from search import index
from search.exceptions import BulkRefused, EmbeddingUnavailable, IndexMismatch, OpenSearchUnavailable
from search.metrics import CHUNKS, INGESTION_STAGE_SECONDS, StageClock
from search.models import Document, Edition, SearchIndex, Tenant
from search.records import ChunkRecord
from search.types import parse_chunk_id

logger = structlog.get_logger(__name__)
# What the work needs is down, as opposed to the work being wrong: the tasks wait and no attempt is spent.
OUTAGES = (OpenSearchUnavailable, BulkRefused, EmbeddingUnavailable, IndexMismatch)


def run(claim: Claim, parser: ParserChild, *, stopping: threading.Event) -> None:
    """Do a claim's work. An outage postpones it whole; any other error is a task's own. Never raises those.

    Once `stopping` is set the claim is given back, unless it is so far that it goes live.
    """
    clock = StageClock(INGESTION_STAGE_SECONDS)
    with heartbeat(lambda: outbox.renew(claim.token)):
        try:
            _run(claim, parser, clock=clock, stopping=stopping)
        except WorkerStopping as error:
            outbox.give_back(claim, code=error.code, reason=str(error))
        except OUTAGES as error:
            outbox.postpone(claim, code=error.code, reason=error.detail)
            logger.warning("claim_postponed", tasks=len(claim.tasks), code=error.code)
    logger.info("claim_ended", tenant=claim.tenant_id, tasks=len(claim.tasks), timings=clock.total())


def _run(claim: Claim, parser: ParserChild, *, clock: StageClock, stopping: threading.Event) -> None:
    def go_on() -> None:
        if stopping.is_set():
            raise WorkerStopping("Its worker was stopped; another one goes on.")

    index.require_engine()
    tenant = Tenant.objects.get(pk=claim.tenant_id)
    versions = indexes.writable(tenant)
    with clock.stage("prepare"):
        works = prepare_all(claim, tenant, versions, parser=parser, go_on=go_on)
    for version in versions:  # a field may have come with the documents that were just read
        indexes.ensure_mapped(version)
    outbox.set_stage(claim.token, "embedding")
    works = open_editions(works)
    with clock.stage("embed"):
        records = _embed(claim.tenant_id, works, go_on=go_on)
    outbox.set_stage(claim.token, "indexing")
    with clock.stage("index"):
        works = _write(works, versions, records)
    with clock.stage("switch"):
        switch(claim, tenant, works)
    with clock.stage("remove"):
        remove_retired(document_ids=[work.document.pk for work in works])


def _embed(tenant_id: int, works: list[Work], *, go_on: Callable[[], None]) -> dict[int, list[ChunkRecord]]:
    """Records by index id, their texts embedded together across documents."""
    records: dict[int, list[ChunkRecord]] = {}
    versions = {draft.version.pk: draft.version for work in works for draft in work.drafts}
    for version in versions.values():
        drafts = [(work, draft) for work in works for draft in work.drafts if draft.version.pk == version.pk]
        pairs = [(work.document.pk, draft, chunk) for work, draft in drafts for chunk in draft.chunks]
        texts = [chunk.embedding_text for _, _, chunk in pairs]
        vectors = vectors_for(tenant_id, texts, indexes.embedder_of(version), before_part=go_on)
        records[version.pk] = [
            _record(document_id, draft, chunk, vector)
            for (document_id, draft, chunk), vector in zip(pairs, vectors, strict=True)
        ]
    return records


def _record(document_id: int, draft: Draft, chunk: Chunk, vector: object) -> ChunkRecord:
    assert draft.edition is not None  # noqa: S101  drafts are opened before they are embedded
    return ChunkRecord(
        document_id, draft.edition.number, chunk.ordinal, chunk.text, chunk.headings, chunk.page, vector
    )


def _write(
    works: list[Work], versions: Iterable[SearchIndex], records: dict[int, list[ChunkRecord]]
) -> list[Work]:
    """Write every index and refresh it; a document with a refused chunk is marked and switches nothing."""
    fields = {work.document.pk: work.fields for work in works}
    refused: dict[int, list[str]] = {}
    for version in versions:
        chunks = records.get(version.pk, [])
        operations = [*index.index_operations(chunks, fields), *_updates(works, version)]
        if not operations:
            continue
        for error in index.bulk(version.name, operations):
            refused.setdefault(parse_chunk_id(error.chunk_id)[0], []).append(error.reason)
        index.add_language(version, {fields[chunk.document_id].language for chunk in chunks})
        index.refresh(version.name)
        CHUNKS.inc(len(chunks))
    return [replace(work, refusals=tuple(refused.get(work.document.pk, ()))) for work in works]


def _updates(works: list[Work], version: SearchIndex) -> Iterable[index.Operation]:
    for work in works:
        for edition in work.updates:
            if edition.index_id == version.pk:
                ids = index.chunk_ids(work.document.pk, edition.number, edition.chunk_count)
                yield from index.update_operations(ids, work.fields)


def remove_retired(*, document_ids: Iterable[int] | None = None, limit: int = 1000) -> int:
    """Remove the chunks of retired editions from their indexes, then the rows. Returns how many editions went."""
    retired = Edition.objects.filter(state=Edition.State.RETIRED).select_related("index", "document")
    wanted = None if document_ids is None else set(document_ids)
    if wanted is not None:
        retired = retired.filter(document_id__in=wanted)
    editions = list(retired.order_by("document")[:limit])
    by_index: dict[str, list[Edition]] = {}
    for edition in editions:
        by_index.setdefault(edition.index.name, []).append(edition)
    for name, old in by_index.items():
        _remove_chunks(name, old)
    _acknowledge_deletions(wanted or {edition.document_id for edition in editions})
    return len(editions)


def _remove_chunks(name: str, editions: list[Edition]) -> None:
    ids = [
        chunk_id
        for edition in editions
        for chunk_id in index.chunk_ids(edition.document_id, edition.number, edition.chunk_count)
    ]
    index.bulk(name, index.delete_operations(ids))
    if any(edition.document.state == Document.State.DELETED for edition in editions):
        index.refresh(name)  # only then may the deletion count as acknowledged
    Edition.objects.filter(pk__in=[edition.pk for edition in editions]).delete()


def _acknowledge_deletions(document_ids: set[int]) -> None:
    gone = Document.objects.filter(
        pk__in=document_ids, state=Document.State.DELETED, hides_unacknowledged=True, editions__isnull=True
    )
    Document.objects.filter(pk__in=list(gone.values_list("pk", flat=True))).update(hides_unacknowledged=False)
