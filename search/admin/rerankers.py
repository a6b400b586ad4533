"""Admin page of trained rerankers: what each gained on held-out queries, by which features; the way to a profile."""

from typing import Any, ClassVar

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from unfold.forms import BaseDialogForm

from search import promotion
from search.managing import ReadOnly, TenantFilter, TenantScopedAdmin, column, dialog_action, go_to
from search.models import TrainedReranker
from search.reranking.learning import OWN_LIVE

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

    actions_detail = ("draft",)

    def get_queryset(self, request: HttpRequest) -> Any:
        return super().get_queryset(request).defer("model", "features")

    @dialog_action(
        "Make a draft with it",
        path="draft",
        icon="edit_note",
        text="A draft of the default profile: as it is live, but with this reranker. Evaluated, it may go live.",
    )
    def draft(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        reranker = self.one(request, object_id).select_related("tenant").get()
        made = promotion.draft_with(reranker.tenant, _settings(reranker), note=f"with {reranker}")
        messages.success(request, f"{made} is a draft: evaluate it, then it may go live.")
        return go_to(request, reverse("admin:search_profile_change", args=[made.pk]))

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


def _settings(reranker: TrainedReranker) -> dict[str, Any]:
    """Those that it was trained for."""
    return {
        "rerank_model": str(reranker),
        "rerank_window": OWN_LIVE.window,
        "rerank_blend": OWN_LIVE.blend,
    }


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
