"""Admin page of index versions, with what the last probe found of the one that serves."""

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.urls import reverse
from unfold.forms import BaseDialogForm

from ingestion.services import probe
from search.managing import (
    STATE_COLOURS,
    ReadOnly,
    TenantFilter,
    TenantScopedAdmin,
    column,
    dialog_action,
    go_to,
)
from search.models import SearchIndex


@admin.register(SearchIndex)
class SearchIndexAdmin(ReadOnly, TenantScopedAdmin):
    list_display = ("name", "tenant", "number", "state_label", "variant", "weights", "created_at", "live_at")
    list_filter = (TenantFilter, "state")
    list_select_related = ("tenant",)
    ordering = ("-id",)
    actions_detail = ("probe_again",)
    fields = (
        "tenant",
        "number",
        "name",
        "state",
        "embedder",
        "variant",
        "dimension",
        "chunking_version",
        "languages",
        "created_at",
        "live_at",
        "last_probe",
    )
    readonly_fields = ("created_at", "last_probe")

    @column("state", label=STATE_COLOURS)
    def state_label(self, obj: SearchIndex) -> str:
        return obj.state

    @column("weight of meaning")
    def weights(self, obj: SearchIndex) -> str:
        """`en 0.45, zh 0.15`: what a hybrid search by a profile that leaves it open weighs the vector leg by."""
        return ", ".join(f"{language} {weight:.2f}" for language, weight, _ in obj.vector_weights)

    @column("last probe")
    def last_probe(self, obj: SearchIndex) -> str:
        return render_to_string("ingestion/probe.html", {"probe": obj.probe})

    @dialog_action(
        "Probe again",
        path="probe-again",
        icon="balance",
        text="Finds anew how far words and meaning can be trusted with these texts. "
        "A worker does it within the next minute, once nothing is being ingested.",
    )
    def probe_again(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        if probe.ask_again(self.one(request, object_id)):
            messages.success(request, "A worker will probe the index.")
        else:
            messages.error(request, "Only the version that serves is probed.")
        return go_to(request, reverse("admin:search_searchindex_change", args=[object_id]))
