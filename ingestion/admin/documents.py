"""Admin pages of documents and metadata fields. Documents are uploaded, changed and deleted by the services alone."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import OuterRef, QuerySet, Subquery
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from unfold.decorators import action
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from ingestion import doorbell, outbox, schema
from ingestion.admin.document_form import DocumentForm, UploadForm
from ingestion.admin.passages_page import passages_page
from ingestion.exceptions import DocumentRefused
from ingestion.models import IngestionTask, Source
from ingestion.parsers.media_types import EXTENSIONS, SUPPORTED_MEDIA_TYPES
from ingestion.services import documents
from ingestion.services.documents import Incoming
from search.managing import (
    STATE_COLOURS,
    TenantFilter,
    TenantScopedAdmin,
    column,
    dialog_action,
    go_to,
    managed_tenants,
)
from search.models import Document, MetadataField

_SAID = (
    "title",
    "url",
    "language",
    "metadata",
    "access_kind",
    "groups",
    "published_at",
    "visible_from",
    "expires_at",
)
_SHOWN = ("title", "url", "language", "metadata", "access", "published_at", "visible_from", "expires_at")
_FACTS = ("public_id", "tenant", "source_key", "state_label", "reason", "media_type", "updated_at")


class SourceFilter(admin.SimpleListFilter):
    title = "source"
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        sources = Source.objects.filter(tenant__in=managed_tenants(request.user))
        names = dict(sources.values_list("slug", "name")[:200])
        return [("-", "Uploads and API"), *names.items()]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Document]") -> "QuerySet[Document]":
        value = self.value()
        return queryset if value is None else queryset.filter(source_key="" if value == "-" else value)


class TypeFilter(admin.SimpleListFilter):
    title = "file type"
    parameter_name = "type"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(media_type, short_type(media_type)) for media_type in sorted(SUPPORTED_MEDIA_TYPES)]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[Document]") -> "QuerySet[Document]":
        return queryset.filter(media_type=self.value()) if self.value() else queryset


def short_type(media_type: str) -> str:
    """A media type as people know it: `docx`."""
    return next((suffix[1:] for suffix, known in EXTENSIONS.items() if known == media_type), media_type)


@admin.register(Document)
class DocumentAdmin(TenantScopedAdmin):
    list_display = ("title_or_id", "tenant", "source_key", "state_label", "reason", "file_type", "updated")
    list_filter = (TenantFilter, "state", SourceFilter, TypeFilter)
    list_select_related = ("tenant",)
    search_fields = ("title", "public_id")
    ordering = ("-id",)
    actions = ("delete_documents", "rerun")
    actions_detail = ("passages", "rerun_one", "delete_one")
    list_before_template = "ingestion/live_list.html"
    add_fieldsets = (
        (None, {"fields": ("tenant", "file", "public_id")}),
        ("Details", {"fields": _SAID}),
    )

    def get_form(
        self, request: HttpRequest, obj: Document | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = DocumentForm if obj else UploadForm
        return super().get_form(request, obj, change, **kwargs)

    def get_fieldsets(self, request: HttpRequest, obj: Document | None = None) -> Any:
        if obj is None:
            return self.add_fieldsets
        said = _SAID if self.has_change_permission(request, obj) else _SHOWN
        return ((None, {"fields": _FACTS}), ("Details", {"fields": said}))

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        newest = IngestionTask.objects.filter(document=OuterRef("pk")).order_by("-id")
        rows: QuerySet[Any] = (
            super().get_queryset(request).annotate(last_reason=Subquery(newest.values("reason")[:1]))
        )
        return rows

    def get_readonly_fields(self, request: HttpRequest, obj: Document | None = None) -> tuple[str, ...]:
        return _FACTS if obj else ()

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A source's document is changed at its source, and a deleted one not at all."""
        is_kept_here = not isinstance(obj, Document) or (
            obj.source_key == "" and obj.state != Document.State.DELETED
        )
        return is_kept_here and super().has_change_permission(request)

    @column("document", ordering="title")
    def title_or_id(self, document: Document) -> str:
        return str(document)

    @column("state", label=STATE_COLOURS, ordering="state")
    def state_label(self, document: Document) -> str:
        return document.state

    @column("type")
    def file_type(self, document: Document) -> str:
        return short_type(document.media_type)

    @column("updated", ordering="updated_at")
    def updated(self, document: Document) -> str:
        return f"{document.updated_at:%Y-%m-%d %H:%M}"

    @column("what went wrong")
    def reason(self, document: Any) -> str:
        return document.last_reason or ""

    def save_model(self, request: HttpRequest, obj: Document, form: Any, change: bool) -> None:
        if change:
            documents.change(obj, form.fields_input())
            return
        cleaned = form.cleaned_data
        incoming = Incoming(
            cleaned["public_id"], form.fields_input(), content=cleaned["content"], in_file=True
        )
        accepted = documents.accept(cleaned["tenant"], incoming)
        obj.pk = accepted.document.pk
        obj.refresh_from_db()

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        tasks = IngestionTask.objects.filter(
            tenant__in=managed_tenants(request.user), state__in=IngestionTask.OPEN
        )
        return super().changelist_view(request, {"is_live": tasks.exists()} | (extra_context or {}))

    @admin.action(description="Delete the documents")
    def delete_documents(self, request: HttpRequest, queryset: "QuerySet[Document]") -> None:
        kept_by_source = queryset.exclude(source_key="").exclude(state=Document.State.DELETED).exists()
        rows = list(queryset.exclude(state=Document.State.DELETED))
        for document in rows:
            documents.delete(document)
        messages.success(
            request,
            f"Deleted {len(rows)} document{'' if len(rows) == 1 else 's'}; no search finds them any more.",
        )
        if kept_by_source:
            messages.warning(request, "What is still at its source comes back when it changes there.")

    @admin.action(description="Ingest again")
    def rerun(self, request: HttpRequest, queryset: "QuerySet[Document]") -> None:
        count = outbox.retry(IngestionTask.objects.filter(document__in=queryset))
        for tenant_id in set(queryset.values_list("tenant_id", flat=True)):
            doorbell.ring_for_tasks(tenant_id)
        messages.success(request, f"{count} task{'' if count == 1 else 's'} will run again.")

    @action(description="Passages", url_path="passages", icon="segment")  # type: ignore[untyped-decorator]
    def passages(self, request: HttpRequest, object_id: str) -> HttpResponse:
        document = self.one(request, object_id).select_related("tenant").get()
        return passages_page(request, document, context=self.admin_site.each_context(request))

    @dialog_action("Ingest again", path="ingest-again", icon="replay", text="Tries what failed once more.")
    def rerun_one(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        self.rerun(request, self.one(request, object_id))
        return go_to(request, reverse("admin:search_document_change", args=[object_id]))

    @dialog_action(
        "Delete",
        path="delete-document",
        icon="delete",
        text="No search finds this document from now on. Its text is removed for good.",
        variant=ActionVariant.DANGER,
    )
    def delete_one(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        self.delete_documents(request, self.one(request, object_id))
        return go_to(request, reverse("admin:search_document_changelist"))


class MetadataFieldForm(forms.ModelForm):  # type: ignore[type-arg]
    class Meta:
        model = MetadataField
        fields: ClassVar = ["tenant", "name", "type"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if tenant := cleaned.get("tenant"):
            self._check(tenant.metadata_fields.count(), cleaned.get("name", ""))
        return cleaned

    def _check(self, declared: int, name: str) -> None:
        try:
            schema.new_fields({name: None}, {})
        except DocumentRefused as error:
            self.add_error("name", str(error).partition(": ")[2])
        if declared >= schema.MAX_FIELDS:
            self.add_error(None, f"A tenant has {schema.MAX_FIELDS} metadata fields at most.")


@admin.register(MetadataField)
class MetadataFieldAdmin(TenantScopedAdmin):
    """A field's type is in the index, so that it is declared once and never changed."""

    form = MetadataFieldForm
    managers_may = frozenset({"view", "add"})
    superusers_may = frozenset({"view", "add"})
    list_display = ("name", "type", "tenant", "origin")
    list_filter = (TenantFilter, "type")
    list_select_related = ("tenant",)
    search_fields = ("name",)

    @column("origin", label={"declared": "success", "first seen": "info"})
    def origin(self, field: MetadataField) -> str:
        return "declared" if field.is_declared else "first seen"
