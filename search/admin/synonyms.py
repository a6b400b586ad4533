"""Admin page of synonyms: what is saved here holds for the next search."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextareaWidget

from search.exceptions import InvalidSynonyms
from search.managing import TenantFilter, TenantScopedAdmin, column
from search.mapping import ANALYZERS
from search.models import SynonymSet
from search.synonyms import parse_rules
from search.thesauri import synonyms_changed

_HELP = (
    "One rule a line. “car, automobile”: who asks for one finds the others too. “notebook => laptop”: who asks for the "
    "left also finds the right, but not the other way. Words may be phrases. A # begins a comment."
)
_MAY = frozenset({"view", "add", "change", "delete"})


class SynonymSetForm(forms.ModelForm):  # type: ignore[type-arg]
    language = forms.ChoiceField(
        choices=[("", "All languages"), *((code, code) for code in sorted(ANALYZERS))],
        required=False,
        widget=UnfoldAdminSelectWidget,
        help_text="Of the documents that are to be found.",
    )
    rules = forms.CharField(widget=UnfoldAdminTextareaWidget({"rows": 14}), help_text=_HELP)

    class Meta:
        model = SynonymSet
        fields: ClassVar = ["tenant", "language", "rules"]

    def clean_rules(self) -> str:
        rules: str = self.cleaned_data["rules"]
        try:
            parse_rules(rules)
        except InvalidSynonyms as error:
            raise forms.ValidationError(error.problems) from error
        return rules


@admin.register(SynonymSet)
class SynonymSetAdmin(TenantScopedAdmin):
    form = SynonymSetForm
    managers_may = superusers_may = _MAY
    list_display = ("language_text", "rule_count", "tenant", "updated_at")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    fields = ("tenant", "language", "rules")

    @column("language")
    def language_text(self, obj: SynonymSet) -> str:
        return obj.language or "all languages"

    @column("rules")
    def rule_count(self, obj: SynonymSet) -> int:
        return len(parse_rules(obj.rules))

    def get_readonly_fields(self, request: HttpRequest, obj: SynonymSet | None = None) -> tuple[str, ...]:
        return ("tenant",) if obj else ()

    def save_model(self, request: HttpRequest, obj: SynonymSet, form: Any, change: bool) -> None:
        super().save_model(request, obj, form, change)
        synonyms_changed(obj.tenant_id)

    def delete_model(self, request: HttpRequest, obj: SynonymSet) -> None:
        super().delete_model(request, obj)
        synonyms_changed(obj.tenant_id)

    def delete_queryset(self, request: HttpRequest, queryset: "QuerySet[SynonymSet]") -> None:
        tenants = set(queryset.values_list("tenant_id", flat=True))
        super().delete_queryset(request, queryset)
        for tenant_id in tenants:
            synonyms_changed(tenant_id)
