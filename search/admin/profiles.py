"""Admin page of profiles."""

from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextInputWidget,
)

from search.managing import TenantFilter, TenantScopedAdmin, column
from search.models import Profile
from search.profile_settings import DEFAULTS, GROUPS, SETTINGS, Kind, Setting


def form_field(name: str, setting: Setting) -> forms.Field:
    """A setting as a field of the form, with its bounds and help. Empty is the default."""
    shown: dict[str, Any] = {"label": setting.label, "help_text": setting.help, "initial": DEFAULTS[name]}
    least, most = setting.bounds
    if setting.choices is not None:
        choices = [(choice.value, choice.value) for choice in setting.choices]
        return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget, **shown)
    if setting.kind is Kind.TEXT:
        return forms.CharField(
            max_length=int(most), required=least > 0, widget=UnfoldAdminTextInputWidget, **shown
        )
    shown |= {"required": DEFAULTS[name] is not None, "min_value": least, "max_value": most}
    if setting.kind is Kind.WHOLE:
        return forms.IntegerField(widget=UnfoldAdminIntegerFieldWidget, **shown)
    return forms.FloatField(widget=UnfoldAdminDecimalFieldWidget, **shown)


SettingsForm = type(
    "SettingsForm",
    (forms.ModelForm,),
    {name: form_field(name, setting) for name, setting in SETTINGS.items()},
)


class ProfileForm(SettingsForm):  # type: ignore[misc,valid-type]
    """The fields of the schema beside the row's own."""

    class Meta:
        model = Profile
        fields: ClassVar = ["tenant", "name"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SETTINGS:
            self.fields[name].initial = self.instance.settings.get(name, DEFAULTS[name])

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        self.instance.settings = {name: cleaned[name] for name in SETTINGS if name in cleaned}
        return cleaned


@admin.register(Profile)
class ProfileAdmin(TenantScopedAdmin):
    """Saving makes the next version, so that what was measured with one stays what it was."""

    form = ProfileForm
    list_display = ("name", "version", "tenant", "settings_shown")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    ordering = ("tenant", "name", "-version")
    fieldsets = (
        (None, {"fields": ("tenant", "name")}),
        *((title, {"fields": tuple(group)}) for title, group in GROUPS.items()),
    )

    def get_readonly_fields(self, request: HttpRequest, obj: Profile | None = None) -> tuple[str, ...]:
        return ("tenant", "name") if obj else ()

    @column("settings that differ from the platform's")
    def settings_shown(self, obj: Profile) -> str:
        differing = {name: value for name, value in obj.settings.items() if value != DEFAULTS.get(name)}
        return ", ".join(f"{name} {value}" for name, value in differing.items())

    def save_model(self, request: HttpRequest, obj: Profile, form: Any, change: bool) -> None:
        versions = Profile.objects.filter(tenant=obj.tenant, name=obj.name).aggregate(last=Max("version"))
        obj.pk, obj.version = None, (versions["last"] or 0) + 1
        obj._state.adding = True  # noqa: SLF001  Django's own way to save a copy
        obj.save()

    def response_change(self, request: HttpRequest, obj: Profile) -> HttpResponse:
        messages.info(request, f"Requests that name {obj.name} now use version {obj.version}.")
        response: HttpResponse = super().response_change(request, obj)
        return response
