"""Admin pages of the durable work: tasks, which can be tried again or cancelled, and the batches of bulk requests."""

from typing import Any

from django.contrib import admin, messages
from django.db.models import Count, Q, QuerySet
from django.http import HttpRequest

from ingestion import doorbell, outbox
from ingestion.models import Batch, IngestionTask
from search.managing import STATE_COLOURS, ReadOnly, TenantFilter, TenantScopedAdmin, column

State = IngestionTask.State


@admin.register(IngestionTask)
class TaskAdmin(ReadOnly, TenantScopedAdmin):
    list_display = (
        "document",
        "tenant",
        "state_label",
        "stage",
        "attempts",
        "reason",
        "created_at",
        "finished_at",
    )
    list_filter = ("state", TenantFilter)
    list_select_related = ("document", "tenant")
    search_fields = ("document__public_id", "document__title", "uuid")
    ordering = ("-id",)
    actions = ("retry", "cancel")
    list_before_template = "ingestion/live_list.html"

    @column("state", label=STATE_COLOURS, ordering="state")
    def state_label(self, task: IngestionTask) -> str:
        return task.state

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        is_live = self.get_queryset(request).filter(state__in=IngestionTask.OPEN).exists()
        return super().changelist_view(request, {"is_live": is_live} | (extra_context or {}))

    @admin.action(description="Try again")
    def retry(self, request: HttpRequest, queryset: "QuerySet[IngestionTask]") -> None:
        tenants = set(queryset.values_list("tenant_id", flat=True))
        count = outbox.retry(queryset.order_by())
        for tenant_id in tenants:
            doorbell.ring_for_tasks(tenant_id)
        messages.success(request, f"{count} task{'' if count == 1 else 's'} will run again.")

    @admin.action(description="Cancel what waits")
    def cancel(self, request: HttpRequest, queryset: "QuerySet[IngestionTask]") -> None:
        count = outbox.cancel(queryset.order_by())
        messages.success(
            request, f"Cancelled {count} task{'' if count == 1 else 's'}; what runs already is left to end."
        )


@admin.register(Batch)
class BatchAdmin(ReadOnly, TenantScopedAdmin):
    list_display = ("uuid", "tenant", "is_received", "total", "done", "failed", "refused_lines", "created_at")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    ordering = ("-id",)

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        failed = Q(entries__task__state__in=[State.FAILED, State.DEAD])
        rows: QuerySet[Any] = (
            super()
            .get_queryset(request)
            .annotate(
                total_count=Count("entries"),
                done_count=Count("entries", filter=Q(entries__task__state=State.DONE)),
                failed_count=Count("entries", filter=failed),
            )
        )
        return rows

    @column("documents")
    def total(self, batch: Any) -> int:
        return int(batch.total_count)

    @column("done")
    def done(self, batch: Any) -> int:
        return int(batch.done_count)

    @column("failed")
    def failed(self, batch: Any) -> int:
        return int(batch.failed_count)

    @column("refused lines")
    def refused_lines(self, batch: Batch) -> int:
        return len(batch.line_errors)
