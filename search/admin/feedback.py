"""Admin page of readers' ratings."""

from django.contrib import admin

from search.managing import ReadOnly, TenantFilter, TenantScopedAdmin, column
from search.models import Feedback


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly, TenantScopedAdmin):
    list_display = ("rating_label", "kind", "query", "document", "comment", "tenant", "created_at")
    list_filter = (TenantFilter, "rating", "kind")
    list_select_related = ("tenant",)
    search_fields = ("query", "document", "comment")
    fields = ("tenant", "request_id", "kind", "query", "document", "rating", "comment", "created_at")

    @column("rating", label={"Up": "success", "Down": "danger", "Click": "info"})
    def rating_label(self, obj: Feedback) -> str:
        return obj.get_rating_display()
