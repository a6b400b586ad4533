"""Admin pages of curation rules: what a rule is for, its states, and the way to its preview."""

from dataclasses import replace
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.urls import reverse
from unfold.decorators import action
from unfold.forms import BaseDialogForm
from unfold.widgets import UnfoldAdminTextInputWidget

from search import curating
from search.admin.curation_preview import preview_page
from search.curation import Match, is_safe_address, normalised
from search.exceptions import SearchError
from search.managing import (
    STATE_COLOURS,
    LinesField,
    TenantFilter,
    TenantScopedAdmin,
    column,
    dialog_action,
    go_to,
)
from search.models import CurationRule
from search.rule_sets import as_rules

MAX_QUERIES = 50
_FIELDS = ("tenant", "queries", "match", "least_cosine", "priority", "starts_at", "ends_at")
_MAY = frozenset({"view", "add", "change", "delete"})
_OF_STATE = {"publish": CurationRule.State.DRAFT, "withdraw": CurationRule.State.PUBLISHED}
_OF_STATE["edit"] = CurationRule.State.PUBLISHED


class CurationRuleForm(forms.ModelForm):  # type: ignore[type-arg]
    queries = LinesField(
        max_length=300, help_text="What people ask, one a line. Case, accents and punctuation do not count."
    )
    redirect_url = forms.CharField(
        label="Leads to",
        required=False,
        max_length=2000,
        widget=UnfoldAdminTextInputWidget,
        help_text="An http(s) address, or a path on this site as /t/acme/. Shown as a link above the results.",
    )

    class Meta:
        model = CurationRule
        fields: ClassVar = [*_FIELDS, "redirect_url", "redirect_label"]

    def clean_queries(self) -> list[str]:
        queries: list[str] = self.cleaned_data["queries"]
        if len(queries) > MAX_QUERIES:
            raise forms.ValidationError(f"A rule has {MAX_QUERIES} queries at most.")
        if blank := [query for query in queries if not normalised(query)]:
            raise forms.ValidationError(f"{blank[0]!r} holds no word.")
        return queries

    def clean_least_cosine(self) -> float:
        cosine: float = self.cleaned_data["least_cosine"]
        if not 0.3 <= cosine <= 1:
            raise forms.ValidationError("Between 0.3, which is hardly related, and 1, the same.")
        return cosine

    def clean_redirect_url(self) -> str:
        url: str = self.cleaned_data["redirect_url"]
        if url and not is_safe_address(url):
            raise forms.ValidationError(
                "Give an http(s) address, or a path on this site that begins with one /."
            )
        return url

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        starts_at, ends_at = cleaned.get("starts_at"), cleaned.get("ends_at")
        if starts_at and ends_at and ends_at <= starts_at:
            self.add_error("ends_at", "This is before it begins.")
        if cleaned.get("redirect_url") and not cleaned.get("redirect_label"):
            self.add_error("redirect_label", "Say where the link leads.")
        if self.instance.pk and not self.errors:
            self._refuse_contradiction(cleaned)
        return cleaned

    def _refuse_contradiction(self, cleaned: dict[str, Any]) -> None:
        [rule] = as_rules([self.instance])
        said = replace(
            rule,
            match=Match(cleaned["match"]),
            queries=tuple(cleaned["queries"]),
            starts_at=cleaned["starts_at"],
            ends_at=cleaned["ends_at"],
        )
        try:
            curating.refuse_contradiction(self.instance, said)
        except SearchError as error:
            self.add_error("queries", error.detail)


@admin.register(CurationRule)
class CurationRuleAdmin(TenantScopedAdmin):
    """A draft is changed freely; a published rule is edited in a draft that replaces it."""

    form = CurationRuleForm
    managers_may = superusers_may = _MAY
    list_display = ("queries_text", "match", "does", "priority", "state_label", "period", "tenant")
    list_filter = (TenantFilter, "state", "match")
    list_select_related = ("tenant",)
    ordering = ("tenant", "priority", "pk")
    fieldsets = (
        (None, {"fields": _FIELDS}),
        ("Redirect", {"fields": ("redirect_url", "redirect_label")}),
    )
    actions_detail = ("preview", "publish", "edit", "withdraw")

    def get_queryset(self, request: HttpRequest) -> "QuerySet[Any]":
        return super().get_queryset(request).prefetch_related("curated")

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        is_published = isinstance(obj, CurationRule) and obj.state == CurationRule.State.PUBLISHED
        return not is_published and super().has_change_permission(request)

    def get_readonly_fields(self, request: HttpRequest, obj: CurationRule | None = None) -> tuple[str, ...]:
        return ("tenant", "all_queries") if obj else ()

    def get_fieldsets(self, request: HttpRequest, obj: CurationRule | None = None) -> Any:
        """A published rule's queries are shown as people wrote them rather than as they are stored."""
        if obj is None or self.has_change_permission(request, obj):
            return self.fieldsets
        shown = tuple("all_queries" if name == "queries" else name for name in _FIELDS)
        return ((None, {"fields": shown}), self.fieldsets[1])

    @column("queries")
    def all_queries(self, rule: CurationRule) -> str:
        return " · ".join(rule.queries)

    def get_actions_detail(self, request: HttpRequest, object_id: Any) -> list[Any]:
        """Only what fits the rule's state."""
        state = self.one(request, object_id).get().state
        shown: list[Any] = super().get_actions_detail(request, object_id)
        return [one for one in shown if _OF_STATE.get(one.method.__name__, state) == state]

    @column("for")
    def queries_text(self, rule: CurationRule) -> str:
        return str(rule)

    @column("does")
    def does(self, rule: CurationRule) -> str:
        pins = sum(one.action == "pin" for one in rule.curated.all())
        hides = len(rule.curated.all()) - pins
        parts = [f"pins {pins}"] * bool(pins) + [f"hides {hides}"] * bool(hides)
        return ", ".join([*parts, *["leads elsewhere"] * bool(rule.redirect_url)]) or "nothing yet"

    @column("state", label=STATE_COLOURS | {"published": "success", "draft": "info"})
    def state_label(self, rule: CurationRule) -> str:
        return rule.state

    @column("when")
    def period(self, rule: CurationRule) -> str:
        starts = f"from {rule.starts_at:%Y-%m-%d %H:%M} " if rule.starts_at else ""
        return starts + (f"until {rule.ends_at:%Y-%m-%d %H:%M}" if rule.ends_at else "") or "always"

    def response_add(
        self, request: HttpRequest, obj: CurationRule, post_url_continue: Any = None
    ) -> HttpResponse:
        messages.success(request, "The draft is saved. Now pin or hide what it gives, then publish it.")
        return HttpResponseRedirect(reverse("admin:search_curationrule_preview", args=[obj.pk]))

    def delete_model(self, request: HttpRequest, obj: CurationRule) -> None:
        curating.delete(obj)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[CurationRule]") -> None:
        for rule in queryset:
            curating.delete(rule)

    @action(description="Preview and pin", url_path="preview", icon="visibility")  # type: ignore[untyped-decorator]
    def preview(self, request: HttpRequest, object_id: str) -> HttpResponse:
        rule = self.one(request, object_id).get()
        if request.method == "POST" and not self.has_change_permission(request, rule):
            raise PermissionDenied
        return preview_page(
            request, rule, context=self.admin_site.each_context(request) | {"opts": self.opts}
        )

    @dialog_action(
        "Publish",
        path="publish",
        icon="publish",
        text="From the next search on, everyone's results follow this rule.",
    )
    def publish(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        rule = self.one(request, object_id).get()
        try:
            curating.publish(rule)
            messages.success(request, "Published: results follow this rule from now on.")
        except SearchError as error:
            messages.error(request, error.detail)
        return _to(request, "change", rule)

    @dialog_action(
        "Withdraw",
        path="withdraw",
        icon="unpublished",
        text="The rule becomes a draft again; results go back at once.",
    )
    def withdraw(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        rule = self.one(request, object_id).get()
        curating.withdraw(rule)
        messages.success(request, "Withdrawn: results no longer follow this rule.")
        return _to(request, "change", rule)

    @dialog_action(
        "Edit in a draft",
        path="edit",
        icon="edit",
        text="This rule stays as it is until the draft is published.",
    )
    def edit(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return _to(request, "preview", curating.draft_of(self.one(request, object_id).get()))


def _to(request: HttpRequest, page: str, rule: CurationRule) -> HttpResponse:
    return go_to(request, reverse(f"admin:search_curationrule_{page}", args=[rule.pk]))
