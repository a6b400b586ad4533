"""Admin page of the query log: what was asked, what was answered with, and what readers said of it."""

from collections.abc import Sequence
from typing import Any, ClassVar

from django.contrib import admin
from django.db.models import Exists, OuterRef, QuerySet, Subquery
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from search.managing import ReadOnly, TenantFilter, TenantScopedAdmin, column
from search.models import Document, Feedback, QueryLog

_RATINGS = Feedback.objects.filter(tenant=OuterRef("tenant"), request_id=OuterRef("request_id"))
_COLOURS = {
    "answered": "success",
    "found": "success",
    "refused": "warning",
    "nothing": "warning",
    "failed": "danger",
}


class OutcomeFilter(admin.SimpleListFilter):
    """What is worth a look: what readers did not get, and what they rated."""

    title = "outcome"
    parameter_name = "outcome"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        return [(value, value) for value in ("refused", "nothing", "degraded", "rated")]

    def queryset(self, request: HttpRequest, queryset: "QuerySet[QueryLog]") -> "QuerySet[QueryLog]":
        match self.value():
            case "refused":
                return queryset.filter(refused=True)
            case "nothing":
                return queryset.filter(hits=[])
            case "degraded":
                return queryset.exclude(degraded=[])
            case "rated":
                return queryset.filter(Exists(_RATINGS))
        return queryset


@admin.register(QueryLog)
class QueryLogAdmin(ReadOnly, TenantScopedAdmin):
    list_display = ("query", "kind", "outcome", "profile", "cache", "rating", "tenant", "asked_at")
    list_filter = (TenantFilter, "kind", OutcomeFilter)
    list_select_related = ("tenant",)
    search_fields = ("query", "answer", "=request_id")
    fields: ClassVar = [
        *("tenant", "api_key", "asked_at", "request_id", "kind", "query", "standalone_question"),
        *("outcome", "answer", "citations_shown", "hits_shown", "ratings"),
        *("generator", "profile", "prompt", "embedder", "cache", "degraded"),
    ]
    readonly_fields = ("outcome", "citations_shown", "hits_shown", "ratings")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        of_the_whole = _RATINGS.filter(document="").values("rating")[:1]
        rows: QuerySet[Any] = super().get_queryset(request).annotate(rated=Subquery(of_the_whole))
        return rows

    @column("rating", label={"Up": "success", "Down": "danger"})
    def rating(self, obj: Any) -> str:
        return "" if obj.rated is None else Feedback.Rating(obj.rated).label

    @column("outcome", label=_COLOURS)
    def outcome(self, obj: QueryLog) -> str:
        if obj.refused:
            return "refused"
        if obj.kind == QueryLog.Kind.ASK:
            return "answered" if obj.answer else "failed"
        return "found" if obj.hits else "nothing"

    @column("ratings")
    def ratings(self, obj: QueryLog) -> str | SafeString:
        found = Feedback.objects.filter(tenant_id=obj.tenant_id, request_id=obj.request_id)
        link = reverse("admin:search_feedback_changelist")
        return format_html_join(
            ", ",
            '<a class="underline" href="{}?q={}">{}{}</a>',
            ((link, obj.request_id, row.get_rating_display(), f" {row.document}".rstrip()) for row in found),
        )

    @column("cited passages")
    def citations_shown(self, obj: QueryLog) -> SafeString:
        return _passages(obj, obj.citations)

    @column("passages found")
    def hits_shown(self, obj: QueryLog) -> SafeString:
        return _passages(obj, obj.hits)


def _passages(obj: QueryLog, found: Sequence[dict[str, str]]) -> SafeString:
    """Each with its edition, and a link to the document if that is still there."""
    ids = dict(
        Document.objects.filter(
            tenant_id=obj.tenant_id, public_id__in={one["document"] for one in found}
        ).values_list("public_id", "pk")
    )
    return format_html_join(
        "", "<div>{} <code>{}</code></div>", ((_named(one, ids), one["chunk"]) for one in found)
    )


def _named(passage: dict[str, str], ids: dict[str, int]) -> str | SafeString:
    public_id = passage["document"]
    if public_id not in ids:
        return public_id
    link = reverse("admin:search_document_change", args=[ids[public_id]])
    return format_html('<a class="underline" href="{}">{}</a>', link, public_id)
