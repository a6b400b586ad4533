"""Admin page of index versions."""

from django.contrib import admin

from search.managing import STATE_COLOURS, ReadOnly, TenantFilter, TenantScopedAdmin, column
from search.models import SearchIndex


@admin.register(SearchIndex)
class SearchIndexAdmin(ReadOnly, TenantScopedAdmin):
    list_display = ("name", "tenant", "number", "state_label", "variant", "created_at", "live_at")
    list_filter = (TenantFilter, "state")
    list_select_related = ("tenant",)
    ordering = ("-id",)

    @column("state", label=STATE_COLOURS)
    def state_label(self, obj: SearchIndex) -> str:
        return obj.state
