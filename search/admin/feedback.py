"""Admin page of readers' ratings."""

from django.contrib import admin
from django.urls import reverse
from django.utils.html import format_html
from django.utils.safestring import SafeString

from search.managing import ReadOnly, TenantFilter, TenantScopedAdmin, column
from search.models import Feedback, QueryLog


@admin.register(Feedback)
class FeedbackAdmin(ReadOnly, TenantScopedAdmin):
    list_display = ("rating_label", "kind", "query", "document", "comment", "tenant", "created_at")
    list_filter = (TenantFilter, "rating", "kind")
    list_select_related = ("tenant",)
    search_fields = ("query", "document", "comment", "=request_id")
    fields = ("tenant", "asked", "kind", "query", "document", "rating", "comment", "created_at")
    readonly_fields = ("asked",)

    @column("request")
    def asked(self, obj: Feedback) -> str | SafeString:
        """With a link to what was answered, where the tenant keeps that."""
        logged = QueryLog.objects.filter(tenant_id=obj.tenant_id, request_id=obj.request_id).first()
        if logged is None:
            return str(obj.request_id)
        link = reverse("admin:search_querylog_change", args=[logged.pk])
        return format_html('<a class="underline" href="{}">{}</a>', link, obj.request_id)

    @column("rating", label={"Up": "success", "Down": "danger", "Click": "info"})
    def rating_label(self, obj: Feedback) -> str:
        return obj.get_rating_display()
