"""What a claim's documents need of each index: read, parsed, planned and cut. Nothing is written here but how
a task ended that can't be prepared."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace

from django.conf import settings

from ingestion import indexes, outbox, planning, schema
from ingestion.chunking import Chunk, ChunkingSettings
from ingestion.content import KeptContent, Text
from ingestion.exceptions import IngestionError, ParseError, SourceError, SourceItemError
from ingestion.models import IngestionTask, Source
from ingestion.outbox import Claim
from ingestion.parsers import ParserChild
from search.models import Document, Edition, MetadataField, SearchIndex, Tenant
from search.records import DocumentFields
from search.types import FieldType


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
    text: Text | None = None
    drafts: tuple[Draft, ...] = ()
    updates: tuple[Edition, ...] = ()  # live editions whose fields change in place
    refusals: tuple[str, ...] = ()

    @property
    def editions(self) -> list[Edition]:
        """Those of its drafts, once they are opened."""
        return [draft.edition for draft in self.drafts if draft.edition is not None]


def prepare_all(
    claim: Claim,
    tenant: Tenant,
    versions: list[SearchIndex],
    *,
    parser: ParserChild,
    go_on: Callable[[], None],
) -> list[Work]:
    """Works of the tasks that could be prepared; the others are ended or released with their reason."""
    preparation = _Preparation(claim, tenant, versions)
    works: list[Work] = []
    with preparation.reading(parser) as texts:
        for task in claim.tasks:
            go_on()
            try:
                works.append(preparation.work(task, texts))
            except ParseError as error:
                end = outbox.fail if error.permanent else outbox.try_again
                end(task, code=error.code, reason=str(error))
            except (SourceItemError, SourceError) as error:
                outbox.try_again(task, code=error.code, reason=str(error))
            except IngestionError as error:
                outbox.fail(task, code=error.code, reason=str(error))
    return works


class _Preparation:
    """All that the database knows of a claim's documents, read at once. The documents come first: text that is
    newer than its revision only has its task run again."""

    def __init__(self, claim: Claim, tenant: Tenant, versions: list[SearchIndex]) -> None:
        self._tenant, self._versions = tenant, versions
        found = Document.objects.in_bulk([task.document_id for task in claim.tasks])
        self._documents = {task.document_id: found[task.document_id] for task in claim.tasks}
        self._kept = KeptContent(self._documents)
        self._live = _live_editions(self._documents, versions)
        types = MetadataField.objects.filter(tenant=tenant).values_list("name", "type")
        self._types = {name: FieldType(kind) for name, kind in types}
        sizes = Source.objects.filter(tenant=tenant).values_list("slug", "chunk_tokens", "overlap_tokens")
        self._sizes = {slug: (size, overlap) for slug, size, overlap in sizes}

    @contextmanager
    def reading(self, parser: ParserChild) -> Iterator[Mapping[int, Future[Text]]]:
        """Texts by document id, read in their order by a thread, so that the parser's process works on the next
        document while this one is cut."""
        with ThreadPoolExecutor(1, thread_name_prefix="read") as reader:
            try:
                yield {
                    document.pk: reader.submit(self._kept.text_of, document, parser)
                    for document in self._documents.values()
                    if document.state != Document.State.DELETED
                }
            finally:
                reader.shutdown(cancel_futures=True)

    def work(self, task: IngestionTask, texts: Mapping[int, Future[Text]]) -> Work:
        document = self._documents[task.document_id]
        if document.state == Document.State.DELETED:
            return Work(task, document, self._fields(document))
        text = texts[document.pk].result()
        if document.derives_title:
            document.title = (text.parsed.title or self._name(document))[:500]
        document.language = document.language or text.parsed.language or ""
        work = Work(task, document, self._fields(document), text=text)
        for version in self._versions:
            work = self._planned(work, text, version)
        return work

    def _name(self, document: Document) -> str:
        """A title for content without one: its file's name. An id of the sender's own tells nothing of the content."""
        if document.source_key:
            return document.public_id.rsplit("/", 1)[-1]
        return self._kept.filename(document)

    def _planned(self, work: Work, text: Text, version: SearchIndex) -> Work:
        """With what one index needs of the document."""
        title, language = work.document.title, work.fields.language
        sizes = self._chunking(work.document, version)
        wanted = planning.edition_hash(text.content_hash, title=title, language=language, settings=sizes)
        live = self._live.get((work.document.pk, version.pk))
        step = planning.action(
            wanted_hash=wanted,
            wanted_revision=work.document.revision,
            live_hash=live.content_hash if live else None,
            live_revision=live.revision if live else None,
        )
        if step is planning.Action.EDITION:
            count = indexes.embedder_of(version).count_tokens
            chunks = planning.chunks_of(text.parsed, title=title, settings=sizes, count_tokens=count)
            return replace(work, drafts=(*work.drafts, Draft(version, tuple(chunks), wanted)))
        if step is planning.Action.FIELDS and live is not None:
            return replace(work, updates=(*work.updates, live))
        return work

    def _chunking(self, document: Document, version: SearchIndex) -> ChunkingSettings:
        size, overlap = self._sizes.get(document.source_key, (None, None))
        return planning.chunking_settings(
            max_tokens=size or settings.INGESTION_CHUNK_TOKENS,
            overlap_tokens=settings.INGESTION_OVERLAP_TOKENS if overlap is None else overlap,
            window=indexes.embedder_of(version).max_tokens,
        )

    def _fields(self, document: Document) -> DocumentFields:
        return DocumentFields(
            tenant_uuid=self._tenant.uuid,
            public_id=document.public_id,
            title=document.title,
            url=document.url,
            source=document.source_key,
            media_type=document.media_type,
            language=document.language or self._tenant.language,
            access=None if document.access is None else tuple(document.access),
            published_at=document.published_at,
            visible_from=document.visible_from,
            expires_at=document.expires_at,
            metadata=schema.indexed(document.metadata, self._types),
        )


def _live_editions(
    document_ids: Iterable[int], versions: Iterable[SearchIndex]
) -> Mapping[tuple[int, int], Edition]:
    live = Edition.objects.filter(
        document__in=document_ids, index__in=versions, state=Edition.State.LIVE
    ).defer("created_at")
    return {(edition.document_id, edition.index_id): edition for edition in live}
