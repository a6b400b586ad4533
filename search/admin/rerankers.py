"""Admin page of trained rerankers: what each gained on held-out queries, and by which features."""

from typing import Any, ClassVar

from django.contrib import admin
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join

from search.managing import ReadOnly, TenantFilter, TenantScopedAdmin, column
from search.models import TrainedReranker

_TELLING = 12


@admin.register(TrainedReranker)
class TrainedRerankerAdmin(ReadOnly, TenantScopedAdmin):
    """A version never changes. A profile that names it makes it live, past the gate."""

    list_display = ("__str__", "tenant", "query_set", "query_count", "shown_gain", "created_at")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant", "query_set")
    fields: ClassVar = (
        "tenant", "name", "version", "query_set", "query_count", "shown_gain", "shown_folds", "telling", "created_at"
    )  # fmt: skip

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("model", "features")

    @column("gain on held-out queries")
    def shown_gain(self, obj: TrainedReranker) -> str:
        chance = "could be chance" if obj.p >= 0.05 else "not by chance"
        return f"nDCG@10 {obj.before:.3f} → {obj.after:.3f} ({obj.gain:+.3f}, {chance}: p {obj.p:.3f})"

    @column("fold by fold")
    def shown_folds(self, obj: TrainedReranker) -> Any:
        rows = ((f"{fold['queries']}", f"{fold['before']:.3f}", f"{fold['after']:.3f}") for fold in obj.folds)
        return _table(("queries", "without", "with"), rows)

    @column("most telling features")
    def telling(self, obj: TrainedReranker) -> Any:
        rows = ((name, f"{lost:+.4f}") for name, lost in obj.importances[:_TELLING])
        return _table(("feature", "nDCG@10 lost when shuffled"), rows)


def _table(heads: tuple[str, ...], rows: Any) -> Any:
    cells = format_html_join(
        "", '<th class="pr-6 text-left font-medium">{}</th>', ((head,) for head in heads)
    )
    lines = format_html_join(
        "",
        "<tr>{}</tr>",
        ((format_html_join("", '<td class="pr-6">{}</td>', ((cell,) for cell in row)),) for row in rows),
    )
    return format_html("<table><thead><tr>{}</tr></thead><tbody>{}</tbody></table>", cells, lines)
