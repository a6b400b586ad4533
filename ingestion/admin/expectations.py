"""Admin pages of expectations: what must stay true, what does not, and the stage that lost it."""

from typing import Any, ClassVar
from urllib.parse import urlencode

from django import forms
from django.contrib import admin, messages
from django.db.models import F, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import URLPattern, path, reverse
from unfold.forms import BaseDialogForm

from ingestion import former
from ingestion.exceptions import IngestionError
from ingestion.services import expectations, restoring
from ingestion.services.restoring import Offer
from search.expectations import SENTENCES, forget_verdict, missing
from search.managing import (
    STATE_COLOURS,
    LinesField,
    TenantFilter,
    TenantScopedAdmin,
    column,
    dialog_action,
    go_to,
    managed_tenants,
)
from search.models import Document, Expectation

Kind = Expectation.Kind
_COLOURS = STATE_COLOURS | {"green": "success", "red": "danger", "untried": "info", "not asked": "warning"}
_SHOWN_CHANGES = 8
_ASKED = ("question", "kind", "document", "within", "text", "groups", "profile")


class ExpectationForm(forms.ModelForm):  # type: ignore[type-arg]
    groups = LinesField(
        required=False, rows=2, help_text="Access groups of whoever asks, one a line. Empty: everyone's view."
    )

    class Meta:
        model = Expectation
        fields: ClassVar = ["tenant", *_ASKED, "is_enabled"]

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        document = cleaned.get("document")
        tenant = cleaned.get("tenant") or (self.instance.tenant if self.instance.pk else None)
        if document is not None and tenant is not None and document.tenant_id != tenant.pk:
            self.add_error("document", f"{tenant} has no such document.")
        for name, message in missing(cleaned.get("kind", ""), document, cleaned.get("text", "")).items():
            if name not in self.errors:
                self.add_error(name, message)
        return cleaned


@admin.register(Expectation)
class ExpectationAdmin(TenantScopedAdmin):
    """A changed expectation is asked anew, and what was known of it is forgotten."""

    form = ExpectationForm
    managers_may = superusers_may = frozenset({"view", "add", "change", "delete"})
    list_display = ("question", "must_hold", "state_label", "why", "red_for", "asked", "tenant")
    list_filter = (TenantFilter, "state", "kind")
    list_select_related = ("tenant", "document")
    search_fields = ("question",)
    ordering = ("tenant", F("red_since").asc(nulls_last=True), "pk")
    autocomplete_fields: ClassVar = ["document"]
    actions = ("ask_selected",)
    actions_detail = ("ask_now",)
    list_before_template = "ingestion/live_list.html"
    change_form_outer_before_template = "ingestion/expectation.html"
    fieldsets = (
        (None, {"fields": ("tenant", "question", "kind", "document", "within", "text")}),
        ("Asked", {"fields": ("groups", "profile", "is_enabled")}),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Expectation | None = None) -> tuple[str, ...]:
        return ("tenant",) if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.related_model is Document:
            kwargs["queryset"] = Document.objects.filter(tenant__in=managed_tenants(request.user))
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @column("must hold: it")
    def must_hold(self, obj: Expectation) -> str:
        return told(obj)

    @column("state", label=_COLOURS, ordering="state")
    def state_label(self, obj: Expectation) -> str:
        return obj.state if obj.is_enabled else "not asked"

    @column("lost at")
    def why(self, obj: Expectation) -> str:
        return SENTENCES.get(obj.stage, "")

    @column("red since", ordering="red_since")
    def red_for(self, obj: Expectation) -> str:
        return f"{obj.red_since:%Y-%m-%d %H:%M}" if obj.red_since else ""

    @column("asked", ordering="asked_at")
    def asked(self, obj: Expectation) -> str:
        return f"{obj.asked_at:%Y-%m-%d %H:%M}" if obj.asked_at else ""

    def changelist_view(self, request: HttpRequest, extra_context: dict[str, Any] | None = None) -> Any:
        is_live = expectations.unasked(self.get_queryset(request)).exists()
        return super().changelist_view(request, {"is_live": is_live} | (extra_context or {}))

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        expectation = context.get("original")
        if expectation is not None:
            context |= _verdict(expectation)
        return super().render_change_form(request, context, *args, **kwargs)

    def save_model(self, request: HttpRequest, obj: Expectation, form: Any, change: bool) -> None:
        if not change or set(form.changed_data) & {*_ASKED}:
            forget_verdict(obj)
        super().save_model(request, obj, form, change)
        if obj.is_enabled and not obj.marks:
            expectations.ask_again(Expectation.objects.filter(pk=obj.pk))
            messages.info(request, "It is asked within seconds, once nothing is being ingested.")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.put_back_view)
        page = path("<int:pk>/put-back/<int:content>/", view, name="search_expectation_put_back")
        return [page, *super().get_urls()]

    def put_back_view(self, request: HttpRequest, pk: int, content: int) -> HttpResponse:
        """Puts back what this expectation is offered, and nothing else."""
        expectation = get_object_or_404(self.get_queryset(request), pk=pk)
        offered = [offer.content for offer in restoring.offers(expectation) if offer.content]
        chosen = next((one for one in offered if one.pk == content), None)
        if request.method != "POST" or chosen is None:
            raise Http404
        try:
            restoring.put_back(chosen)
        except IngestionError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "The former edition is being put back; then this is asked again.")
        return redirect("admin:search_expectation_change", pk)

    @admin.action(description="Ask now")
    def ask_selected(self, request: HttpRequest, queryset: "QuerySet[Expectation]") -> None:
        count = expectations.ask_again(queryset.filter(is_enabled=True))
        messages.success(
            request, f"{count} will be asked within seconds, once nothing is being ingested." if count else ""
        )

    @dialog_action("Ask now", path="ask-now", icon="replay", text="Asks the question again, as it is.")
    def ask_now(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        self.ask_selected(request, self.one(request, object_id))
        return go_to(request, reverse("admin:search_expectation_change", args=[object_id]))


def told(expectation: Expectation) -> str:
    """`is answered with these words: 30 days`: what must hold, for people."""
    said = expectation.get_kind_display()
    match expectation.kind:
        case Kind.FINDS:
            return f"{said} {expectation.document} among the first {expectation.within}"
        case Kind.CITES:
            return f"{said} {expectation.document}"
        case Kind.CONTAINS:
            return f"{said}: {expectation.text}"
    return said


def _verdict(expectation: Expectation) -> dict[str, Any]:
    """For the template: what is known of it, and where to look further."""
    return {
        "colour": _COLOURS.get(expectation.state, ""),
        "must_hold": told(expectation),
        "sentence": SENTENCES.get(expectation.stage, ""),
        "is_live": expectations.unasked(Expectation.objects.filter(pk=expectation.pk)).exists()
        or not expectations.is_quiet(expectation.tenant_id),
        "lost": [_lost(expectation, offer) for offer in restoring.offers(expectation)],
    }


def _lost(expectation: Expectation, offer: Offer) -> dict[str, Any]:
    """A document that may have turned it red: where to look further, what was changed, and the way back."""
    shown: dict[str, Any] = {"document": offer.document, "why": _whereabouts(expectation, offer.document)}
    if offer.content is None:
        return shown
    address = reverse("admin:search_expectation_put_back", args=[expectation.pk, offer.content.pk])
    changes = former.differences(offer.content)
    return shown | {
        "content": offer.content,
        "put_back": address,
        "changes": changes[:_SHOWN_CHANGES],
        "more": max(0, len(changes) - _SHOWN_CHANGES),
    }


def _whereabouts(expectation: Expectation, document: Document) -> str:
    """The address that says more of the stage."""
    asked: dict[str, Any] = {"q": expectation.question, "document": document.public_id, "chosen": document.pk}
    return f"{reverse('whereabouts')}?{urlencode(asked | {'group': expectation.groups}, doseq=True)}"
