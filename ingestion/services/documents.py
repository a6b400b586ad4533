"""Accepting documents: one transaction makes or changes the Document, keeps its original and opens its task.

From the commit on nothing may lose it. Ringing for a worker comes after the commit and may fail without harm.
"""

import dataclasses
import hashlib
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import zstandard
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import F

from ingestion import doorbell, former, outbox, schema
from ingestion.exceptions import DocumentRefused, DocumentTooLarge, IngestionError, SyncedDocument
from ingestion.models import IngestionTask, StoredElements, StoredOriginal
from search.filters import PUBLIC
from search.models import Document, Edition, MetadataField, Tenant
from search.types import FieldType

Priority = IngestionTask.Priority
_HIDING_FIELDS = ("access", "visible_from", "expires_at")


@dataclass(frozen=True, slots=True)
class Content:
    """The bytes of a document and what they are."""

    data: bytes
    media_type: str
    filename: str = ""

    @property
    def content_hash(self) -> str:
        return hashlib.sha256(self.media_type.encode() + b"\x00" + self.data).hexdigest()


@dataclass(frozen=True, slots=True)
class DocumentFieldsInput:
    """What is said of a document beside its content. An empty title: the content's own."""

    title: str = ""
    url: str = ""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    access: list[str] | None = None
    language: str = ""
    published_at: datetime | None = None
    visible_from: datetime | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Incoming:
    """A pushed document. An empty id: one is made. `in_file`: its bytes go to Django's storage, not the database."""

    public_id: str
    fields: DocumentFieldsInput
    content: Content
    in_file: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    document: Document
    task: IngestionTask


def accept(tenant: Tenant, incoming: Incoming) -> Accepted:
    """A pushed document, new or changed. Raises DocumentRefused, DocumentTooLarge, SyncedDocument."""
    [outcome] = accept_all(tenant, [incoming])
    if isinstance(outcome, IngestionError):
        raise outcome
    return outcome


def accept_all(tenant: Tenant, incoming: Sequence[Incoming]) -> list[Accepted | IngestionError]:
    """Pushed documents in one transaction. Of each, in their order: that it was accepted, or why not."""
    outcomes: dict[int, Accepted | IngestionError] = {}
    with transaction.atomic():
        for part in _without_repeats(incoming):
            outcomes |= _accept_part(tenant, part)
        doorbell.ring_for_tasks(tenant.pk)
    return [outcomes[position] for position in range(len(incoming))]


def _without_repeats(incoming: Sequence[Incoming]) -> Iterator[dict[int, Incoming]]:
    """Parts by position in which no id comes twice: what comes again is a change of what came before."""
    rest = dict(enumerate(incoming))
    while rest:
        first = {entry.public_id or position: position for position, entry in reversed(rest.items())}
        yield {position: rest[position] for position in sorted(first.values())}
        rest = {position: entry for position, entry in rest.items() if position not in first.values()}


def _accept_part(tenant: Tenant, part: Mapping[int, Incoming]) -> dict[int, Accepted | IngestionError]:
    known = _locked_documents(tenant, [entry.public_id for entry in part.values()])
    metadata = _MetadataFields(tenant)
    outcomes: dict[int, Accepted | IngestionError] = {}
    documents: dict[int, Document] = {}
    for position, entry in part.items():
        document = known.get(entry.public_id)
        try:
            documents[position] = _taken(tenant, document, entry, metadata)
        except IngestionError as error:
            outcomes[position] = error
    metadata.declare()
    _save_all(documents.values())
    _store_originals([(document, part[position]) for position, document in documents.items()])
    sizes = {document.pk: len(part[position].content.data) for position, document in documents.items()}
    tasks = outbox.open_tasks(list(documents.values()), priority=Priority.CHANGE, sizes=sizes)
    accepted = zip(documents, map(Accepted, documents.values(), tasks), strict=True)
    return outcomes | dict(accepted)


def _locked_documents(tenant: Tenant, public_ids: list[str]) -> dict[str, Document]:
    rows = Document.objects.select_for_update().filter(tenant=tenant, public_id__in=public_ids)
    return {row.public_id: row for row in rows}


def _taken(
    tenant: Tenant, document: Document | None, entry: Incoming, metadata: "_MetadataFields"
) -> Document:
    check_size(len(entry.content.data))
    if document is not None:
        _refuse_synced(document)
    document = document or Document(tenant=tenant, public_id=entry.public_id or str(uuid4()))
    _put(document, entry.fields, metadata)
    document.media_type = entry.content.media_type
    return document


def _save_all(documents: Iterable[Document]) -> None:
    rows = list(documents)
    for changed in (row for row in rows if row.pk is not None):
        changed.save()
    Document.objects.bulk_create([row for row in rows if row.pk is None])


def check_size(size_bytes: int) -> None:
    """Raises DocumentTooLarge."""
    limit = settings.INGESTION_MAX_DOCUMENT_BYTES
    if size_bytes > limit:
        raise DocumentTooLarge(f"The document has {size_bytes} bytes; {limit} are taken.")


def _refuse_synced(document: Document) -> None:
    if document.source_key:
        raise SyncedDocument(
            f"{document.public_id} is kept by the source {document.source_key}; change it there."
        )


def save(document: Document, fields: DocumentFieldsInput) -> Document:
    """Put fields on a document and save it. The caller holds the transaction and opens the task."""
    metadata = _MetadataFields(document.tenant)
    _put(document, fields, metadata)
    metadata.declare()
    document.save()
    return document


def _put(document: Document, fields: DocumentFieldsInput, metadata: "_MetadataFields") -> None:
    """Put fields on a document as its next revision. Raises DocumentRefused before anything is changed."""
    check_access(fields.access)
    metadata.take(fields.metadata)
    is_new = document.pk is None
    was_deleted = document.state == Document.State.DELETED
    hides = not is_new and any(getattr(document, name) != getattr(fields, name) for name in _HIDING_FIELDS)
    document.derives_title = not fields.title
    document.title = fields.title or ("" if was_deleted else document.title)
    document.url, document.metadata, document.access = fields.url, dict(fields.metadata), fields.access
    document.language = fields.language
    document.published_at = fields.published_at
    document.visible_from, document.expires_at = fields.visible_from, fields.expires_at
    document.hides_unacknowledged = document.hides_unacknowledged or hides or was_deleted
    if document.state != Document.State.LIVE:
        document.state = Document.State.PENDING
    document.revision += 0 if is_new else 1


def fields_of(document: Document) -> DocumentFieldsInput:
    """What is said of a document now; a title that is the content's own is not said."""
    said = {field.name: getattr(document, field.name) for field in dataclasses.fields(DocumentFieldsInput)}
    return DocumentFieldsInput(**said | ({"title": ""} if document.derives_title else {}))


def change(document: Document, fields: DocumentFieldsInput) -> Accepted:
    """New metadata, access, url or title for a pushed document; its content stays. Raises DocumentRefused,
    SyncedDocument."""
    with transaction.atomic():
        document = Document.objects.select_for_update().get(pk=document.pk)
        _refuse_synced(document)
        save(document, fields)
        [task] = outbox.open_tasks([document], priority=Priority.CHANGE)
        doorbell.ring_for_tasks(document.tenant_id)
        return Accepted(document, task)


def delete(document: Document) -> IngestionTask:
    """Gone from the next request on; a task then removes its chunks. The row stays, so that no edition
    number comes twice."""
    with transaction.atomic():
        document = Document.objects.select_for_update().get(pk=document.pk)
        document.state = Document.State.DELETED
        document.hides_unacknowledged = True
        document.revision += 1
        document.save()
        Edition.objects.filter(document=document, state=Edition.State.LIVE).update(
            state=Edition.State.RETIRED
        )
        Tenant.objects.filter(pk=document.tenant_id).update(content_version=F("content_version") + 1)
        _forget_content(document)
        [task] = outbox.open_tasks([document], priority=Priority.DELETE)
        doorbell.ring_for_tasks(document.tenant_id)
        return task


def _forget_content(document: Document) -> None:
    StoredElements.objects.filter(document=document).delete()
    former.forget([document])
    document.disabled_passages.all().delete()
    original = StoredOriginal.objects.filter(document=document).first()
    if original is not None:
        _remove_file_after_commit(original)
        original.delete()


def _store_originals(entries: Sequence[tuple[Document, Incoming]]) -> None:
    """Keep the bytes. A file is written and synced before the commit. What they replace is kept for a while."""
    kept = StoredOriginal.objects.filter(document__in=[document for document, _ in entries]).defer("data")
    before = {original.document_id: original for original in kept}
    changed: list[StoredOriginal] = []
    replaced: list[int] = []
    for document, entry in entries:
        old, content_hash = before.get(document.pk), entry.content.content_hash
        if old is None or old.content_hash != content_hash:
            changed.append(_original(document, entry, content_hash))
            replaced += [document.pk] if old is not None else []
    former.keep_originals(replaced)
    fields = ["media_type", "filename", "content_hash", "data", "file"]
    StoredOriginal.objects.bulk_create(
        changed, update_conflicts=True, unique_fields=["document"], update_fields=fields
    )


def _original(document: Document, entry: Incoming, content_hash: str) -> StoredOriginal:
    content = entry.content
    original = StoredOriginal(
        document=document,
        media_type=content.media_type,
        filename=content.filename,
        content_hash=content_hash,
    )
    if entry.in_file:
        original.file.save(content.filename or "upload", ContentFile(content.data), save=False)
        _sync_to_disk(original)
    else:
        original.data = zstandard.compress(content.data)
    return original


def _remove_file_after_commit(original: StoredOriginal) -> None:
    if name := original.file.name:
        transaction.on_commit(lambda: original.file.storage.delete(name))


def _sync_to_disk(original: StoredOriginal) -> None:
    descriptor = os.open(original.file.path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def check_access(access: list[str] | None) -> None:
    """Raises DocumentRefused for what can't be an access group; `*` means everyone in the index."""
    for group in access or []:
        if not isinstance(group, str) or not group.strip() or group == PUBLIC or len(group) > 200:
            message = (
                f"{group!r} can't be an access group: a name of 1 to 200 characters that is not {PUBLIC!r}."
            )
            raise DocumentRefused(message, fields={"access": [message]})


class _MetadataFields:
    """The tenant's metadata fields, read once; those seen for the first time are recorded together."""

    def __init__(self, tenant: Tenant) -> None:
        rows = MetadataField.objects.filter(tenant=tenant).values_list("name", "type")
        self._tenant = tenant
        self._types = {name: FieldType(kind) for name, kind in rows}
        self._added: dict[str, FieldType] = {}

    def take(self, metadata: Mapping[str, Any]) -> None:
        """Raises DocumentRefused for what the schema does not take."""
        self._added |= (added := schema.new_fields(metadata, self._types))
        self._types |= added

    def declare(self) -> None:
        MetadataField.objects.bulk_create(
            [
                MetadataField(tenant=self._tenant, name=name, type=kind, is_declared=False)
                for name, kind in self._added.items()
            ]
        )
