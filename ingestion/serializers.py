"""What the documents and sources endpoints take and give. A document's own fields are refused by name,
never dropped."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

from rest_framework import serializers

from ingestion.models import Batch, BatchEntry, IngestionTask, Source, SyncRun
from ingestion.parsers.media_types import HTML, MARKDOWN, TEXT
from ingestion.services.documents import Content, DocumentFieldsInput, Incoming, fields_of
from search.expectations import missing
from search.filters import parse_date
from search.models import DisabledPassage, Document, Expectation, Tenant
from search.serializers import StrictSerializer

_TEXT_TYPES: Mapping[str, str] = {"text": TEXT, "markdown": MARKDOWN, "html": HTML}
_FIELDS = frozenset(DocumentFieldsInput.__dataclass_fields__)


class MomentField(serializers.Field):  # type: ignore[type-arg]
    """An ISO date-time, or a date: its first instant (UTC)."""

    def to_internal_value(self, data: Any) -> datetime:
        parsed = parse_date(data) if isinstance(data, str) else None
        if parsed is None:
            raise serializers.ValidationError("Not an ISO date.")
        if isinstance(parsed, datetime):
            return parsed
        assert isinstance(parsed, date)  # noqa: S101
        return datetime(parsed.year, parsed.month, parsed.day, tzinfo=UTC)

    def to_representation(self, value: datetime) -> str:
        return value.isoformat()


class FieldsSerializer(StrictSerializer):
    """What is said of a document beside its content."""

    title = serializers.CharField(max_length=500, required=False, allow_blank=True)
    url = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    metadata = serializers.DictField(required=False)
    access = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, allow_null=True
    )
    language = serializers.RegexField(r"^[A-Za-z]{2,3}(-[A-Za-z0-9]+)?$", required=False)
    published_at = MomentField(required=False, allow_null=True)
    visible_from = MomentField(required=False, allow_null=True)
    expires_at = MomentField(required=False, allow_null=True)

    def validate_url(self, url: str) -> str:
        if url and not url.startswith(("http://", "https://", "/")):
            raise serializers.ValidationError("A url begins with http://, https:// or /.")
        return url


def fields_input(validated: Mapping[str, Any]) -> DocumentFieldsInput:
    """The validated fields of a new or replaced document."""
    return DocumentFieldsInput(**{name: value for name, value in validated.items() if name in _FIELDS})


class DocumentSerializer(FieldsSerializer):
    """A pushed document: exactly one of text, markdown and html."""

    id = serializers.CharField(max_length=512, required=False)
    text = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    markdown = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)
    html = serializers.CharField(required=False, allow_blank=True, trim_whitespace=False)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        given = [name for name in _TEXT_TYPES if name in attrs]
        if len(given) != 1:
            raise serializers.ValidationError({"text": ["Give exactly one of text, markdown and html."]})
        return attrs

    def validate_id(self, public_id: str) -> str:
        return checked_id(public_id)

    @classmethod
    def incoming(cls, data: Any) -> Incoming:
        """A document of the API's JSON. Raises ValidationError."""
        fields = cls.validated(data)
        kind = next(name for name in _TEXT_TYPES if name in fields)
        content = Content(fields[kind].encode("utf-8", "replace"), _TEXT_TYPES[kind])
        return Incoming(fields.get("id", ""), fields_input(fields), content)


class UploadFieldsSerializer(FieldsSerializer):
    """The `metadata` part of a multipart upload."""

    id = serializers.CharField(max_length=512, required=False)

    def validate_id(self, public_id: str) -> str:
        return checked_id(public_id)


class PatchSerializer(StrictSerializer):
    """A change of what is said of a document."""

    title = serializers.CharField(max_length=500, required=False)
    url = serializers.CharField(max_length=2000, required=False, allow_blank=True)
    metadata = serializers.DictField(required=False)
    access = serializers.ListField(
        child=serializers.CharField(max_length=200), required=False, allow_null=True
    )

    @classmethod
    def changed(cls, document: Document, data: Any) -> DocumentFieldsInput:
        """The document's fields with the given ones changed. Raises ValidationError."""
        return replace(fields_of(document), **cls.validated(data))


class SourceSerializer(StrictSerializer):
    kind = serializers.CharField(max_length=32)
    config = serializers.DictField()
    name = serializers.CharField(max_length=200, required=False, default="")
    slug = serializers.SlugField(max_length=64, required=False, default="")


class ExpectationSerializer(StrictSerializer):
    question = serializers.CharField(max_length=1000)
    kind = serializers.ChoiceField(choices=Expectation.Kind.values)
    document = serializers.CharField(max_length=512, required=False, allow_null=True, default=None)
    within = serializers.IntegerField(min_value=1, max_value=100, default=10)
    text = serializers.CharField(max_length=500, allow_blank=True, default="")
    groups = serializers.ListField(child=serializers.CharField(max_length=200), max_length=100, default=list)
    profile = serializers.SlugField(max_length=50, allow_blank=True, default="")
    enabled = serializers.BooleanField(default=True)

    @classmethod
    def said(cls, tenant: Tenant, data: Any) -> dict[str, Any]:
        """The record's own fields. Raises ValidationError."""
        fields = cls.validated(data)
        public_id = fields["document"]
        document = Document.objects.filter(tenant=tenant, public_id=public_id).first() if public_id else None
        if public_id and document is None:
            raise serializers.ValidationError({"document": [f"There is no document {public_id!r}."]})
        if refusals := missing(fields["kind"], document, fields["text"]):
            raise serializers.ValidationError({name: [message] for name, message in refusals.items()})
        return fields | {"tenant": tenant, "document": document, "is_enabled": fields.pop("enabled")}


def checked_id(public_id: str) -> str:
    if "\x00" in public_id or public_id != public_id.strip() or public_id in (".", ".."):
        raise serializers.ValidationError("An id has no NUL and no spaces around it.")
    return public_id


class PassageSerializer(StrictSerializer):
    """A passage of a document by its ordinal, as hits and citations give it, and whether it is to be off."""

    document = serializers.CharField(max_length=512)
    passage = serializers.IntegerField(min_value=0)
    disabled = serializers.BooleanField()


def passage_json(passage: DisabledPassage) -> dict[str, Any]:
    """`chunks` is empty when the document no longer says it."""
    return {
        "document": passage.document.public_id,
        "text": passage.text,
        "chunks": passage.chunk_ids,
        "since": passage.created_at.isoformat(),
    }


def document_json(document: Document) -> dict[str, Any]:
    return {
        "id": document.public_id,
        "title": document.title,
        "url": document.url,
        "metadata": document.metadata,
        "access": document.access,
        "language": document.language,
        "media_type": document.media_type,
        "source": document.source_key,
        "state": document.state,
        "revision": document.revision,
        "published_at": document.published_at,
        "visible_from": document.visible_from,
        "expires_at": document.expires_at,
        "created_at": document.created_at,
        "updated_at": document.updated_at,
    }


def task_json(task: IngestionTask) -> dict[str, Any]:
    return {
        "id": str(task.uuid),
        "document": task.document.public_id,
        "state": task.state,
        "stage": task.stage,
        "attempts": task.attempts,
        "chunks": task.chunks,
        "code": task.code,
        "reason": task.reason,
        "created_at": task.created_at,
        "started_at": task.started_at,
        "finished_at": task.finished_at,
    }


def batch_json(batch: Batch) -> dict[str, Any]:
    """A batch's progress: its accepted documents by the state of their tasks, and every line or document
    that failed."""
    tasks = BatchEntry.objects.filter(batch=batch).select_related("task", "document")
    failures, done = [], 0
    for entry in tasks:
        state = entry.task.state if entry.task else IngestionTask.State.DONE
        if state in (IngestionTask.State.FAILED, IngestionTask.State.DEAD, IngestionTask.State.CANCELLED):
            failures.append(_failure(entry))
        elif state == IngestionTask.State.DONE:
            done += 1
    errors = [*batch.line_errors, *failures]
    total = len(tasks) + len(batch.line_errors)
    is_done = batch.is_received and done + len(errors) == total
    state = "receiving" if not batch.is_received else "done" if is_done else "running"
    return {
        "id": str(batch.uuid),
        "state": state,
        "total": total,
        "done": done,
        "failed": len(errors),
        "errors": errors,
    }


def _failure(entry: BatchEntry) -> dict[str, Any]:
    assert entry.task is not None  # noqa: S101
    return {
        "document": entry.document.public_id,
        "code": entry.task.code or entry.task.state,
        "detail": entry.task.reason,
    }


def source_json(source: Source) -> dict[str, Any]:
    last = source.sync_runs.first()
    return {
        "id": source.slug,
        "name": source.name,
        "kind": source.kind,
        "config": source.config,
        "is_enabled": source.is_enabled,
        "sync_interval_minutes": source.sync_interval_minutes,
        "last_sync": sync_json(last) if last else None,
    }


def sync_json(run: SyncRun) -> dict[str, Any]:
    counts = ("seen", "added", "changed", "renamed", "unchanged", "deleted", "refused")
    return {
        "id": str(run.uuid),
        "state": run.state,
        "reason": run.reason,
        "counts": {name: getattr(run, name) for name in counts},
        "created_at": run.created_at,
        "finished_at": run.finished_at,
    }
