"""Runs a claim: prepare each document, embed across all of them, one bulk, one refresh, one switch, then
remove what is old.

Outcomes are per task. Nothing is live before every chunk is acknowledged and searchable, and only the
lease's holder switches.
"""

import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field, replace

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import F

from ingestion import content, indexes, outbox, planning, schema
from ingestion.chunking import Chunk, ChunkingSettings
from ingestion.exceptions import IngestionError, ParseError, SourceError, SourceItemError, WorkerStopping
from ingestion.heartbeat import heartbeat
from ingestion.models import IngestionTask, Source, StoredOriginal
from ingestion.outbox import Claim
from ingestion.parsers import ParserChild
from ingestion.vectors import vectors_for
from search import index
from search.exceptions import BulkRefused, EmbeddingUnavailable, IndexMismatch, OpenSearchUnavailable
from search.metrics import CHUNKS, INGESTION_STAGE_SECONDS, StageClock
from search.models import Document, Edition, MetadataField, SearchIndex, Tenant
from search.types import ChunkRecord, DocumentFields, FieldType

logger = structlog.get_logger(__name__)
# What the work needs is down, as opposed to the work being wrong: the tasks wait and no attempt is spent.
OUTAGES = (OpenSearchUnavailable, BulkRefused, EmbeddingUnavailable, IndexMismatch)


@dataclass(frozen=True, slots=True)
class Draft:
    """Chunks that make a new edition of a document in one index, once their vectors are known."""

    version: SearchIndex
    chunks: tuple[Chunk, ...]
    content_hash: str
    edition: Edition | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A task prepared: its document as it was read, and what its indexes need of it."""

    task: IngestionTask
    document: Document
    fields: DocumentFields
    text: content.Text | None = None
    drafts: tuple[Draft, ...] = ()
    updates: tuple[Edition, ...] = ()  # live editions whose fields change in place
    refusals: tuple[str, ...] = field(default=())


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
        works = _prepare_all(claim, tenant, versions, parser=parser, go_on=go_on)
    for version in versions:  # a field may have come with the documents that were just read
        indexes.ensure_mapped(version)
    outbox.set_stage(claim.token, "embedding")
    works = _open_editions(works)
    with clock.stage("embed"):
        records = _embed(claim.tenant_id, works, go_on=go_on)
    outbox.set_stage(claim.token, "indexing")
    with clock.stage("index"):
        works = _write(works, versions, records)
    with clock.stage("switch"):
        _switch(claim, tenant, works)
    with clock.stage("remove"):
        remove_retired(document_ids=[work.document.pk for work in works])


def _prepare_all(
    claim: Claim,
    tenant: Tenant,
    versions: list[SearchIndex],
    *,
    parser: ParserChild,
    go_on: Callable[[], None],
) -> list[Work]:
    """Works of the tasks that could be prepared; the others are ended or released with their reason."""
    works: list[Work] = []
    sizes = _SourceSizes(tenant)
    for task in claim.tasks:
        go_on()
        try:
            works.append(_prepare(task, tenant, versions, parser=parser, sizes=sizes))
        except ParseError as error:
            end = outbox.fail if error.permanent else outbox.try_again
            end(task, code=error.code, reason=str(error))
        except (SourceItemError, SourceError) as error:
            outbox.try_again(task, code=error.code, reason=str(error))
        except IngestionError as error:
            outbox.fail(task, code=error.code, reason=str(error))
    return works


def _prepare(
    task: IngestionTask,
    tenant: Tenant,
    versions: list[SearchIndex],
    *,
    parser: ParserChild,
    sizes: "_SourceSizes",
) -> Work:
    document = Document.objects.get(pk=task.document_id)
    if document.state == Document.State.DELETED:
        return Work(task, document, _fields(document, tenant))
    text = content.text_of(document, parser)
    parsed = text.parsed
    if document.derives_title:
        document.title = (parsed.title or _name_of(document))[:500]
    document.language = document.language or parsed.language or ""
    work = Work(task, document, _fields(document, tenant), text=text)
    for version in versions:
        work = _plan(work, version, sizes.of(document, version))
    return work


def _name_of(document: Document) -> str:
    """A title for content without one: its file's name. An id of the sender's own tells nothing of the content."""
    if document.source_key:
        return document.public_id.rsplit("/", 1)[-1]
    return StoredOriginal.objects.filter(document=document).values_list("filename", flat=True).first() or ""


def _plan(work: Work, version: SearchIndex, sizes: ChunkingSettings) -> Work:
    """Add what one index needs of the document."""
    assert work.text is not None  # noqa: S101  a deleted document is never planned
    title, language = work.document.title, work.fields.language
    wanted = planning.edition_hash(work.text.content_hash, title=title, language=language, settings=sizes)
    live = Edition.objects.filter(document=work.document, index=version, state=Edition.State.LIVE).first()
    step = planning.action(
        wanted_hash=wanted,
        wanted_revision=work.document.revision,
        live_hash=live.content_hash if live else None,
        live_revision=live.revision if live else None,
    )
    if step is planning.Action.EDITION:
        count = indexes.embedder_of(version).count_tokens
        chunks = planning.chunks_of(work.text.parsed, title=title, settings=sizes, count_tokens=count)
        return replace(work, drafts=(*work.drafts, Draft(version, tuple(chunks), wanted)))
    if step is planning.Action.FIELDS and live is not None:
        return replace(work, updates=(*work.updates, live))
    return work


class _SourceSizes:
    """Chunk sizes per source, read once a claim."""

    def __init__(self, tenant: Tenant) -> None:
        rows = Source.objects.filter(tenant=tenant).values_list("slug", "chunk_tokens", "overlap_tokens")
        self._by_slug = {slug: (size, overlap) for slug, size, overlap in rows}

    def of(self, document: Document, version: SearchIndex) -> ChunkingSettings:
        size, overlap = self._by_slug.get(document.source_key, (None, None))
        return planning.chunking_settings(
            max_tokens=size or settings.INGESTION_CHUNK_TOKENS,
            overlap_tokens=settings.INGESTION_OVERLAP_TOKENS if overlap is None else overlap,
            window=indexes.embedder_of(version).max_tokens,
        )


def _fields(document: Document, tenant: Tenant) -> DocumentFields:
    known = MetadataField.objects.filter(tenant=tenant, name__in=list(document.metadata)).values_list(
        "name", "type"
    )
    types = {name: FieldType(kind) for name, kind in known}
    return DocumentFields(
        tenant_uuid=tenant.uuid,
        public_id=document.public_id,
        title=document.title,
        url=document.url,
        source=document.source_key,
        media_type=document.media_type,
        language=document.language or tenant.language,
        access=None if document.access is None else tuple(document.access),
        published_at=document.published_at,
        visible_from=document.visible_from,
        expires_at=document.expires_at,
        metadata=schema.indexed(document.metadata, types),
    )


def _open_editions(works: list[Work]) -> list[Work]:
    """Commit a row for every edition before its first chunk is written, so that every id ever written is known."""
    opened: list[Work] = []
    with transaction.atomic():
        for work in works:
            if work.text is not None and work.text.is_new:
                content.keep(work.document, work.text)
            drafts = tuple(
                replace(draft, edition=_new_edition(work.document, draft)) for draft in work.drafts
            )
            opened.append(replace(work, drafts=drafts))
    return opened


def _new_edition(document: Document, draft: Draft) -> Edition:
    Document.objects.filter(pk=document.pk).update(last_edition=F("last_edition") + 1)
    number = Document.objects.values_list("last_edition", flat=True).get(pk=document.pk)
    return Edition.objects.create(
        document=document,
        index=draft.version,
        number=number,
        revision=document.revision,
        content_hash=draft.content_hash,
        chunk_count=len(draft.chunks),
    )


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
            refused.setdefault(int(error.chunk_id.split(":")[0]), []).append(error.reason)
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


def _switch(claim: Claim, tenant: Tenant, works: list[Work]) -> None:
    """One transaction: the tasks still held by this claim go live, and the tenant's content version grows once."""
    if not works:
        return
    with transaction.atomic():
        held = outbox.still_held(claim)
        for work in works:
            if work.task.pk not in held:
                _abandon(work)
            elif work.refusals:
                _abandon(work)
                outbox.fail(work.task, code="refused_by_index", reason=work.refusals[0])
            else:
                _go_live(work)
        Tenant.objects.filter(pk=tenant.pk).update(content_version=F("content_version") + 1)


def _abandon(work: Work) -> None:
    """Its editions never go live; their chunks are removed."""
    for draft in work.drafts:
        assert draft.edition is not None  # noqa: S101
        draft.edition.state = Edition.State.RETIRED
        draft.edition.save()  # makes the row again if who took over has removed it with the chunks known then


def _go_live(work: Work) -> None:
    document = Document.objects.select_for_update().get(pk=work.document.pk)
    is_deleted = document.state == Document.State.DELETED
    if is_deleted:
        Edition.objects.filter(document=document).update(state=Edition.State.RETIRED)
    else:
        _switch_editions(work)
        document.state = Document.State.LIVE
    is_current = document.revision == work.document.revision
    if is_current and not is_deleted:
        document.title, document.language = work.document.title, work.document.language
    # A deletion is acknowledged once its chunks are gone: see remove_retired.
    document.hides_unacknowledged = is_deleted or (document.hides_unacknowledged and not is_current)
    document.save(update_fields=["state", "title", "language", "hides_unacknowledged"])
    outbox.finish(
        work.task, revision=work.document.revision, chunks=sum(len(draft.chunks) for draft in work.drafts)
    )


def _switch_editions(work: Work) -> None:
    for draft in work.drafts:
        assert draft.edition is not None  # noqa: S101
        others = Edition.objects.filter(document=work.document, index=draft.version).exclude(
            pk=draft.edition.pk
        )
        others.filter(number__lt=draft.edition.number).update(state=Edition.State.RETIRED)
        Edition.objects.filter(pk=draft.edition.pk).update(state=Edition.State.LIVE)
    for edition in work.updates:
        Edition.objects.filter(pk=edition.pk).update(revision=work.document.revision)


def remove_retired(*, document_ids: Iterable[int] | None = None, limit: int = 1000) -> int:
    """Remove the chunks of retired editions from their indexes, then the rows. Returns how many editions went."""
    retired = Edition.objects.filter(state=Edition.State.RETIRED).select_related("index", "document")
    wanted = None if document_ids is None else set(document_ids)
    if wanted is not None:
        retired = retired.filter(document_id__in=wanted)
    editions = list(retired.order_by("pk")[:limit])
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
