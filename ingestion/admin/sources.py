"""Admin pages of sources, their syncs and what was found there."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.db.models import Count, QuerySet
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.admin import TabularInline
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from ingestion.admin.source_form import PREFIX, kinds, source_form
from ingestion.connectors import config_fields
from ingestion.models import Source, SourceItem, SyncRun
from ingestion.services import sync
from search.managing import (
    STATE_COLOURS,
    ReadOnly,
    TenantFilter,
    TenantScopedAdmin,
    column,
    dialog_action,
    go_to,
)
from search.models import Document

COUNTS = ("seen", "added", "changed", "renamed", "unchanged", "deleted", "refused")
OPEN_STATES = (SyncRun.State.PENDING, SyncRun.State.RUNNING)


def progress_text(run: SyncRun) -> str:
    """`120 seen, 3 added`: what a sync has done so far."""
    counted = [(name, getattr(run, name)) for name in COUNTS]
    return ", ".join(f"{count} {name}" for name, count in counted if count or name == "seen")


class ItemInline(TabularInline):  # type: ignore[misc]
    """What was found at the source; read-only and paged."""

    model = SourceItem
    fk_name = "source"
    fields = ("external_id", "document_link", "state", "reason")
    readonly_fields = fields
    extra = 0
    per_page = 20
    can_delete = False
    show_change_link = False
    verbose_name_plural = "items"
    tab = True

    def get_queryset(self, request: HttpRequest) -> "QuerySet[SourceItem]":
        rows: QuerySet[SourceItem] = super().get_queryset(request)
        return rows.select_related("document").order_by("external_id")

    def has_view_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return True  # the page of its source is scoped

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        return False

    @column("document")
    def document_link(self, item: SourceItem) -> str:
        if item.document is None:
            return ""
        address = reverse("admin:search_document_change", args=[item.document.pk])
        return format_html('<a class="underline" href="{}">{}</a>', address, item.document)

    @column("state", label=STATE_COLOURS | {"refused": "danger", "gone": "warning"})
    def state(self, item: SourceItem) -> str:
        if item.is_gone:
            return "gone"
        if item.reason:
            return "refused"
        return item.document.state if item.document else "pending"


@admin.register(Source)
class SourceAdmin(TenantScopedAdmin):
    """A source is disabled rather than deleted, since its documents would stay behind without one."""

    inlines: ClassVar = [ItemInline]
    list_display = (
        "name",
        "tenant",
        "kind",
        "documents_by_state",
        "last_state",
        "last_progress",
        "is_enabled",
    )
    list_filter = (TenantFilter, "kind", "is_enabled")
    list_select_related = ("tenant",)
    list_per_page = 25
    search_fields = ("name", "slug")
    actions = ("sync_selected", "cancel_selected")
    actions_detail = ("sync_now", "cancel_sync")
    list_before_template = "ingestion/live_list.html"
    change_form_before_template = "ingestion/live_sync.html"

    def get_form(
        self, request: HttpRequest, obj: Source | None = None, change: bool = False, **kwargs: Any
    ) -> Any:
        kwargs["form"] = source_form(self._kind(request, obj))
        return super().get_form(request, obj, change, **kwargs)

    def _kind(self, request: HttpRequest, obj: Source | None) -> str:
        asked = obj.kind if obj else request.POST.get("kind") or request.GET.get("kind")
        return asked if asked in kinds() else kinds()[0]

    def get_fieldsets(self, request: HttpRequest, obj: Source | None = None) -> Any:
        settings_of_kind = [PREFIX + field.name for field in config_fields(self._kind(request, obj))]
        return (
            (None, {"fields": ("tenant", "name", "slug", "kind")}),
            ("Where", {"fields": settings_of_kind}),
            ("When", {"fields": ("sync_interval_minutes", "is_enabled")}),
            (
                "Passages",
                {
                    "fields": ("chunk_tokens", "overlap_tokens"),
                    "description": "Sizes hold for documents that are ingested from now on.",
                },
            ),
        )

    def get_readonly_fields(self, request: HttpRequest, obj: Source | None = None) -> tuple[str, ...]:
        return ("tenant", "slug", "kind") if obj else ()

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Source | None = None
    ) -> dict[str, tuple[str, ...]]:
        return {} if obj else {"slug": ("name",)}

    @column("documents")
    def documents_by_state(self, source: Source) -> str:
        rows = Document.objects.filter(tenant_id=source.tenant_id, source_key=source.slug)
        counted = rows.exclude(state=Document.State.DELETED).values_list("state").annotate(count=Count("pk"))
        address = reverse("admin:search_document_changelist")
        return format_html_join(
            ", ",
            '<a class="underline" href="{}?tenant={}&source={}&state__exact={}">{} {}</a>',
            (
                (address, source.tenant_id, source.slug, state, count, state)
                for state, count in counted.order_by("state")
            ),
        )

    @column("last sync", label=STATE_COLOURS)
    def last_state(self, source: Source) -> str:
        run = last_run(source)
        return run.state if run else ""

    @column("progress")
    def last_progress(self, source: Source) -> str:
        run = last_run(source)
        return f"{progress_text(run)}. {run.reason}".strip(". ") if run else "never synced"

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        open_runs = SyncRun.objects.filter(source__in=self.get_queryset(request), state__in=OPEN_STATES)
        return super().changelist_view(request, {"is_live": open_runs.exists()} | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        source = context.get("original")
        if source is not None:
            runs = list(SyncRun.objects.filter(source=source)[:5])
            context["sync_runs"] = [
                (run, STATE_COLOURS.get(run.state, ""), progress_text(run)) for run in runs
            ]
            context["is_live"] = any(run.state in OPEN_STATES for run in runs)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Source, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        if not change and obj.is_enabled:
            sync.start(obj)
            messages.info(request, "The first sync has been started.")

    @admin.action(description="Sync now")
    def sync_selected(self, request: HttpRequest, queryset: "QuerySet[Source]") -> None:
        runs = [sync.start(source) for source in queryset]
        messages.success(request, f"Started {len(runs)} sync{'' if len(runs) == 1 else 's'}.")

    @admin.action(description="Cancel sync")
    def cancel_selected(self, request: HttpRequest, queryset: "QuerySet[Source]") -> None:
        runs = list(SyncRun.objects.filter(source__in=queryset, state__in=OPEN_STATES))
        for run in runs:
            sync.request_cancel(run)
        messages.success(request, f"Asked {len(runs)} sync{'' if len(runs) == 1 else 's'} to stop.")

    @dialog_action("Sync now", path="sync-now", icon="sync", text="Looks for what is new, changed or gone.")
    def sync_now(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        self.sync_selected(request, self.one(request, object_id))
        return go_to(request, reverse("admin:ingestion_source_change", args=[object_id]))

    @dialog_action(
        "Cancel sync",
        path="cancel-sync",
        icon="stop_circle",
        text="What was found so far stays; nothing is deleted.",
        variant=ActionVariant.WARNING,
    )
    def cancel_sync(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        self.cancel_selected(request, self.one(request, object_id))
        return go_to(request, reverse("admin:ingestion_source_change", args=[object_id]))


def last_run(source: Source) -> SyncRun | None:
    return source.sync_runs.first()


@admin.register(SyncRun)
class SyncRunAdmin(ReadOnly, TenantScopedAdmin):
    tenant_path = "source__tenant"
    list_display = ("source", "state_label", "progress", "reason", "created_at", "started_at", "finished_at")
    list_filter = ("state",)
    list_select_related = ("source",)
    search_fields = ("source__name", "source__slug")
    list_before_template = "ingestion/live_list.html"

    @column("state", label=STATE_COLOURS)
    def state_label(self, run: SyncRun) -> str:
        return run.state

    @column("progress")
    def progress(self, run: SyncRun) -> str:
        return progress_text(run)

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        is_live = self.get_queryset(request).filter(state__in=OPEN_STATES).exists()
        return super().changelist_view(request, {"is_live": is_live} | (extra_context or {}))
