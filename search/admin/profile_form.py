"""The form of a profile's settings, made from their schema."""

from typing import Any, ClassVar

from django import forms
from django.utils.text import capfirst
from unfold.widgets import (
    UnfoldAdminDecimalFieldWidget,
    UnfoldAdminIntegerFieldWidget,
    UnfoldAdminSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from search.models import Profile
from search.profile_settings import DEFAULTS, SETTINGS, Kind, Setting
from search.reranking.choice import rerank_model_problem

_LINE_CHARACTERS = 200


def form_field(name: str, setting: Setting) -> forms.Field:
    """A setting as a field of the form, with its bounds and help. An empty one is automatic."""
    shown: dict[str, Any] = {
        "label": capfirst(setting.label),
        "help_text": setting.help,
        "initial": DEFAULTS[name],
    }
    least, most = setting.bounds
    if setting.choices is not None:
        choices = [(choice.value, choice.value) for choice in setting.choices]
        return forms.ChoiceField(choices=choices, widget=UnfoldAdminSelectWidget, **shown)
    if setting.kind is Kind.TEXT:
        shown |= {"min_length": int(least), "max_length": int(most), "required": least > 0}
        widget = UnfoldAdminTextareaWidget if most > _LINE_CHARACTERS else UnfoldAdminTextInputWidget
        return forms.CharField(widget=widget, **shown)
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
        fields: ClassVar = ["tenant", "name", "note"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in SETTINGS:
            self.initial[name] = self.initial.get(name, self.instance.settings.get(name, DEFAULTS[name]))

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        tenant = cleaned.get("tenant") or (self.instance.tenant if self.instance.pk else None)
        problem = tenant and rerank_model_problem(tenant.pk, cleaned.get("rerank_model", ""))
        if problem:
            self.add_error("rerank_model", problem)
        return cleaned

    def settings(self) -> dict[str, Any]:
        """What was filled in, as JSON."""
        return {name: self.cleaned_data[name] for name in SETTINGS}
