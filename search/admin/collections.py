"""Admin page of collections: what is saved here, readers may choose from the next page on."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from search import filters
from search.exceptions import InvalidFilter
from search.managing import LinesField, TenantFilter, TenantScopedAdmin, column
from search.models import Collection, MetadataField, Profile

_FIELDS = ("tenant", "name", "slug", "description", "filters", "profile", "audience")
_MAY = frozenset({"view", "add", "change", "delete"})


class CollectionForm(forms.ModelForm):  # type: ignore[type-arg]
    audience = LinesField(
        required=False,
        rows=2,
        help_text="Access groups that may choose it, one a line. Empty: everyone. Documents keep their own access.",
    )

    class Meta:
        model = Collection
        fields: ClassVar = [*_FIELDS]

    def clean_audience(self) -> list[str] | None:
        return self.cleaned_data["audience"] or None

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        tenant = cleaned.get("tenant") or (self.instance.tenant if self.instance.pk else None)
        if tenant is None:
            return cleaned
        declared = MetadataField.objects.filter(tenant=tenant).values_list("name", "type")
        try:
            filters.parse(cleaned.get("filters"), filters.schema_of(declared))
        except InvalidFilter as error:
            self.add_error("filters", error.detail)
        profile = cleaned.get("profile", "")
        live = Profile.objects.filter(tenant=tenant, name=profile, state=Profile.State.LIVE)
        if profile and not live.exists():
            self.add_error("profile", f"No profile {profile!r} is live.")
        return cleaned


@admin.register(Collection)
class CollectionAdmin(TenantScopedAdmin):
    form = CollectionForm
    managers_may = superusers_may = _MAY
    list_display = ("name", "slug", "tenant", "for_whom", "profile", "page_link")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    ordering = ("tenant", "name")
    fields = _FIELDS

    def get_readonly_fields(self, request: HttpRequest, obj: Collection | None = None) -> tuple[str, ...]:
        return ("tenant",) if obj else ()

    def get_prepopulated_fields(
        self, request: HttpRequest, obj: Collection | None = None
    ) -> dict[str, tuple[str, ...]]:
        return {} if obj else {"slug": ("name",)}

    @column("for")
    def for_whom(self, obj: Collection) -> str:
        return "everyone" if obj.audience is None else ", ".join(obj.audience)

    @column("page")
    def page_link(self, obj: Collection) -> str:
        address = reverse("page-tenant", args=[obj.tenant.slug])
        return format_html('<a class="underline" href="{}?in={}">Search in it</a>', address, obj.slug)
