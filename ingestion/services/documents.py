"""Accepting documents: one transaction makes or changes the Document, keeps its original and opens its task.

From the commit on nothing may lose it. Ringing for a worker comes after the commit and may fail without harm.
"""

import hashlib
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from uuid import uuid4

import zstandard
from django.conf import settings
from django.core.files.base import ContentFile
from django.db import transaction
from django.db.models import F

from ingestion import doorbell, outbox, schema
from ingestion.exceptions import DocumentRefused, DocumentTooLarge, SyncedDocument
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
class Accepted:
    document: Document
    task: IngestionTask


def accept(
    tenant: Tenant, public_id: str, fields: DocumentFieldsInput, *, content: Content, in_file: bool
) -> Accepted:
    """A pushed document, new or changed. `in_file` keeps its bytes in Django's storage instead of the database.

    Raises DocumentRefused, DocumentTooLarge, SyncedDocument.
    """
    check_size(len(content.data))
    with transaction.atomic():
        document = _locked_document(tenant, public_id)
        if document is not None:
            _refuse_synced(document)
        document = save(document or Document(tenant=tenant, public_id=public_id or str(uuid4())), fields)
        document.media_type = content.media_type
        document.save()
        _store_original(document, content, in_file=in_file)
        task = outbox.open_task(document, priority=Priority.CHANGE, size=len(content.data))
        doorbell.ring_for_tasks(tenant.pk)
        return Accepted(document, task)


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


def _locked_document(tenant: Tenant, public_id: str) -> Document | None:
    return Document.objects.select_for_update().filter(tenant=tenant, public_id=public_id).first()


def save(document: Document, fields: DocumentFieldsInput) -> Document:
    """Put fields on a document as its next revision. The caller holds the transaction and opens the task."""
    check_access(fields.access)
    declare_fields(document.tenant, fields.metadata)
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
    document.save()
    return document


def change(document: Document, fields: DocumentFieldsInput) -> Accepted:
    """New metadata, access, url or title for a pushed document; its content stays. Raises DocumentRefused,
    SyncedDocument."""
    with transaction.atomic():
        document = Document.objects.select_for_update().get(pk=document.pk)
        _refuse_synced(document)
        save(document, fields)
        task = outbox.open_task(document, priority=Priority.CHANGE, size=0)
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
        task = outbox.open_task(document, priority=Priority.DELETE, size=0)
        doorbell.ring_for_tasks(document.tenant_id)
        return task


def _forget_content(document: Document) -> None:
    StoredElements.objects.filter(document=document).delete()
    original = StoredOriginal.objects.filter(document=document).first()
    if original is not None:
        _remove_file_after_commit(original)
        original.delete()


def _store_original(document: Document, content: Content, *, in_file: bool) -> None:
    """Keep the bytes. A file is written and synced before the commit; the one it replaces goes after it."""
    original = StoredOriginal.objects.filter(document=document).first() or StoredOriginal(document=document)
    if original.content_hash == content.content_hash:
        return
    _remove_file_after_commit(original)
    original.media_type, original.filename = content.media_type, content.filename
    original.content_hash = content.content_hash
    if in_file:
        original.data = None
        original.file.save(content.filename or "upload", ContentFile(content.data), save=False)
        _sync_to_disk(original)
    else:
        original.data, original.file = zstandard.compress(content.data), ""
    original.save()


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


def declare_fields(tenant: Tenant, metadata: Mapping[str, Any]) -> None:
    """Record metadata fields at their first sight. Raises DocumentRefused for what the schema does not take."""
    known = dict(MetadataField.objects.filter(tenant=tenant).values_list("name", "type"))
    added = schema.new_fields(metadata, {name: FieldType(kind) for name, kind in known.items()})
    MetadataField.objects.bulk_create(
        [
            MetadataField(tenant=tenant, name=name, type=kind, is_declared=False)
            for name, kind in added.items()
        ]
    )
