"""The documents, batches, tasks and sources endpoints. A write is accepted (202) once its transaction is committed."""

from collections.abc import Mapping, Sequence
from typing import IO, Any, ClassVar, cast
from uuid import UUID

import orjson
from django.conf import settings
from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import exceptions, status
from rest_framework.parsers import BaseParser, MultiPartParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.serializers import ValidationError
from rest_framework.views import APIView

from ingestion import idempotency
from ingestion.exceptions import DocumentTooLarge
from ingestion.models import Batch, IngestionTask, Source
from ingestion.parsers import media_type_of
from ingestion.serializers import (
    DocumentSerializer,
    PassageSerializer,
    PatchSerializer,
    SourceSerializer,
    UploadFieldsSerializer,
    batch_json,
    document_json,
    fields_input,
    passage_json,
    source_json,
    sync_json,
    task_json,
)
from ingestion.services import batches, documents, sources, sync
from ingestion.services.batches import LineError
from ingestion.services.documents import Accepted, Content, Incoming
from search import disabling
from search.authentication import principal_of
from search.errors import api_error_of
from search.models import Document, Tenant
from search.renderers import OrjsonParser, OrjsonRenderer

HEAD_BYTES = 8192


class NdjsonParser(BaseParser):
    """JSON Lines are read from the stream, line by line."""

    media_type = "application/x-ndjson"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        return stream


class TenantView(APIView):
    """A view of the key's tenant."""

    renderer_classes: Sequence[type[BaseRenderer]] = [OrjsonRenderer]

    def tenant(self) -> Tenant:
        return Tenant.objects.get(pk=principal_of(self.request).tenant_id)

    def document(self, public_id: str) -> Document:
        live = Document.objects.exclude(state=Document.State.DELETED)
        document = live.filter(tenant_id=principal_of(self.request).tenant_id, public_id=public_id).first()
        if document is None:
            raise Http404(f"There is no document {public_id!r}.")
        return document


class DocumentsView(TenantView):
    """Push one document, as JSON or as a file."""

    scope: ClassVar[str] = "documents"
    parser_classes: Sequence[type[BaseParser]] = [OrjsonParser, MultiPartParser]

    @extend_schema(
        request=DocumentSerializer, responses={202: OpenApiResponse(description="The document and its task")}
    )
    def post(self, request: Request) -> Response:
        _refuse_large_body(request)
        raw = request.body if request.content_type.startswith("application/json") else b""
        key = request.headers.get("Idempotency-Key", "")
        if "file" in request.FILES:
            raw = b"".join(request.FILES["file"].chunks()) + str(_part(request, "metadata")).encode()
        body = idempotency.once(
            self.tenant().pk, key, raw, write=lambda: _accepted_json(self._accept(request))
        )
        return Response(body, status=status.HTTP_202_ACCEPTED)

    def _accept(self, request: Request) -> Accepted:
        if "file" in request.FILES:
            return _accept_upload(self.tenant(), request)
        return documents.accept(self.tenant(), DocumentSerializer.incoming(request.data))


def _refuse_large_body(request: Request) -> None:
    length = int(request.META.get("CONTENT_LENGTH") or 0)
    limit = settings.INGESTION_MAX_DOCUMENT_BYTES
    if length > limit * 2:
        raise DocumentTooLarge(f"The request has {length} bytes; a document has {limit} at most.")


def _accept_upload(tenant: Tenant, request: Request) -> Accepted:
    file = request.FILES["file"]
    fields = UploadFieldsSerializer.validated(_metadata_part(_part(request, "metadata")))
    file.seek(0)  # the idempotency check has read it
    data = file.read()
    content = Content(data, media_type_of(file.name, data[:HEAD_BYTES]), filename=file.name)
    incoming = Incoming(fields.get("id", file.name), fields_input(fields), content, in_file=True)
    return documents.accept(tenant, incoming)


def _part(request: Request, name: str) -> Any:
    """A part of a multipart request, "" when it is missing."""
    return request.data.get(name, "") if isinstance(request.data, Mapping) else ""


def _metadata_part(raw: Any) -> Any:
    """The part is a document's fields as JSON text, or a file of them."""
    text = raw.read() if hasattr(raw, "read") else raw
    try:
        return orjson.loads(text) if text else {}
    except orjson.JSONDecodeError as error:
        raise exceptions.ParseError(f"metadata: not JSON: {error}") from error


def _accepted_json(accepted: Accepted) -> dict[str, Any]:
    body = {"document": document_json(accepted.document), "task": task_json(accepted.task)}
    return dict(orjson.loads(orjson.dumps(body)))


class BulkView(TenantView):
    """Push many documents as JSON Lines."""

    scope: ClassVar[str] = "documents"
    parser_classes: Sequence[type[BaseParser]] = [NdjsonParser]

    @extend_schema(request=None, responses={202: OpenApiResponse(description="The batch's id")})
    def post(self, request: Request) -> Response:
        batch = batches.start(self.tenant())
        batches.receive(batch, cast(IO[bytes], request.data), read=_incoming_line)
        return Response({"batch": str(batch.uuid)}, status=status.HTTP_202_ACCEPTED)


def _incoming_line(value: Any) -> Incoming:
    try:
        return DocumentSerializer.incoming(value)
    except ValidationError as error:
        api_error = api_error_of(error)
        assert api_error is not None  # noqa: S101
        raise LineError(api_error.body["code"], api_error.body["detail"]) from error


class BatchView(TenantView):
    scope: ClassVar[str] = "documents"

    @extend_schema(responses={200: OpenApiResponse(description="State, counts and errors")})
    def get(self, request: Request, batch_id: UUID) -> Response:
        batch = Batch.objects.filter(tenant_id=principal_of(request).tenant_id, uuid=batch_id).first()
        if batch is None:
            raise Http404(f"There is no batch {batch_id}.")
        return Response(batch_json(batch))


class DocumentView(TenantView):
    """One document, by its id (which may hold slashes)."""

    scope: ClassVar[str] = "documents"

    @extend_schema(responses={200: OpenApiResponse(description="The document with its state")})
    def get(self, request: Request, public_id: str) -> Response:
        document = self.document(public_id)
        task = document.tasks.order_by("-pk").first()
        return Response(document_json(document) | {"task": task_json(task) if task else None})

    @extend_schema(
        request=PatchSerializer, responses={202: OpenApiResponse(description="The document and its task")}
    )
    def patch(self, request: Request, public_id: str) -> Response:
        document = self.document(public_id)
        accepted = documents.change(document, PatchSerializer.changed(document, request.data))
        return Response(_accepted_json(accepted), status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses={204: OpenApiResponse(description="Gone from the next search")})
    def delete(self, request: Request, public_id: str) -> Response:
        documents.delete(self.document(public_id))
        return Response(status=status.HTTP_204_NO_CONTENT)


class PassagesView(TenantView):
    """Passages that are switched off, and switching one off or on."""

    scope: ClassVar[str] = "documents"

    @extend_schema(responses={200: OpenApiResponse(description="The passages that are switched off")})
    def get(self, request: Request) -> Response:
        rows = self.tenant().disabled_passages.select_related("document").order_by("pk")
        return Response({"passages": [passage_json(row) for row in rows]})

    @extend_schema(request=PassageSerializer, responses={204: OpenApiResponse(description="Done")})
    def post(self, request: Request) -> Response:
        said = PassageSerializer.validated(request.data)
        document = self.document(said["document"])
        if said["disabled"]:
            disabling.disable(document, said["passage"])
        else:
            disabling.enable_at(document, said["passage"])
        return Response(status=status.HTTP_204_NO_CONTENT)


class TaskView(TenantView):
    scope: ClassVar[str] = "documents"

    @extend_schema(responses={200: OpenApiResponse(description="State, stage, attempts, reason")})
    def get(self, request: Request, task_id: UUID) -> Response:
        tasks = IngestionTask.objects.select_related("document")
        task = tasks.filter(tenant_id=principal_of(request).tenant_id, uuid=task_id).first()
        if task is None:
            raise Http404(f"There is no task {task_id}.")
        return Response(task_json(task))


class SourcesView(TenantView):
    scope: ClassVar[str] = "sources"

    @extend_schema(responses={200: OpenApiResponse(description="The tenant's sources")})
    def get(self, request: Request) -> Response:
        return Response({"sources": [source_json(source) for source in self._sources()]})

    def _sources(self) -> Any:
        return Source.objects.filter(tenant_id=principal_of(self.request).tenant_id)

    @extend_schema(request=SourceSerializer, responses={201: OpenApiResponse(description="The source")})
    def post(self, request: Request) -> Response:
        source = sources.create(self.tenant(), **SourceSerializer.validated(request.data))
        return Response(source_json(source), status=status.HTTP_201_CREATED)


class SourceSyncView(TenantView):
    scope: ClassVar[str] = "sources"

    @extend_schema(request=None, responses={202: OpenApiResponse(description="The sync")})
    def post(self, request: Request, slug: str) -> Response:
        source = Source.objects.filter(tenant_id=principal_of(request).tenant_id, slug=slug).first()
        if source is None:
            raise Http404(f"There is no source {slug!r}.")
        return Response({"sync": sync_json(sync.start(source))}, status=status.HTTP_202_ACCEPTED)
