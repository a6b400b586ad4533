"""Admin page of profiles."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from unfold.widgets import UnfoldAdminDecimalFieldWidget, UnfoldAdminIntegerFieldWidget

from search.managing import TenantFilter, TenantScopedAdmin, column
from search.models import Profile
from search.types import RetrievalSettings


class ProfileForm(forms.ModelForm):  # type: ignore[type-arg]
    vector_weight = forms.FloatField(
        min_value=0,
        max_value=1,
        widget=UnfoldAdminDecimalFieldWidget,
        help_text="0: only the words count; 1: only the meaning.",
    )
    depth = forms.IntegerField(
        min_value=10,
        max_value=1000,
        widget=UnfoldAdminIntegerFieldWidget,
        help_text="How many passages each way of matching looks at.",
    )

    class Meta:
        model = Profile
        fields: ClassVar = ["tenant", "name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        default = RetrievalSettings()
        for name in ("vector_weight", "depth"):
            self.fields[name].initial = self.instance.settings.get(name, getattr(default, name))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        names = ("vector_weight", "depth")
        self.instance.settings = {name: cleaned[name] for name in names if name in cleaned}
        return cleaned


@admin.register(Profile)
class ProfileAdmin(TenantScopedAdmin):
    """Saving makes the next version, so that what was measured with one stays what it was."""

    form = ProfileForm
    list_display = ("name", "version", "tenant", "weight", "depth")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    ordering = ("tenant", "name", "-version")
    fields = ("tenant", "name", "vector_weight", "depth")

    def get_readonly_fields(self, request: HttpRequest, obj: Profile | None = None) -> tuple[str, ...]:
        return ("tenant", "name") if obj else ()

    @column("weight of meaning")
    def weight(self, obj: Profile) -> Any:
        return obj.settings.get("vector_weight", "")

    @column("depth")
    def depth(self, obj: Profile) -> Any:
        return obj.settings.get("depth", "")

    def save_model(self, request: HttpRequest, obj: Profile, form: Any, change: bool) -> None:
        versions = Profile.objects.filter(tenant=obj.tenant, name=obj.name).aggregate(last=Max("version"))
        obj.pk, obj.version = None, (versions["last"] or 0) + 1
        obj._state.adding = True  # noqa: SLF001  Django's own way to save a copy
        obj.save()

    def response_change(self, request: HttpRequest, obj: Profile) -> HttpResponse:
        messages.info(request, f"Requests that name {obj.name} now use version {obj.version}.")
        response: HttpResponse = super().response_change(request, obj)
        return response
