"""The form of a source: its settings are asked by the connector's own config fields, and checked by opening it."""

from typing import Any, ClassVar

from django import forms
from django.conf import settings
from unfold.widgets import UnfoldAdminSelectWidget, UnfoldAdminTextInputWidget, UnfoldBooleanSwitchWidget

from ingestion.connectors import ConfigField, config_fields, open_connector
from ingestion.exceptions import SourceError
from ingestion.models import Source
from search.embeddings import get_embedder
from search.exceptions import EmbeddingUnavailable
from search.managing import LinesField
from search.models import Tenant

PREFIX = "config_"


def kinds() -> list[str]:
    return sorted(settings.INGESTION_CONNECTORS)


class SourceForm(forms.ModelForm):  # type: ignore[type-arg]
    """The fields that every kind has. `source_form` adds those of one kind."""

    config_kind: ClassVar[str] = ""
    kind = forms.ChoiceField(
        choices=lambda: [(kind, kind.replace("_", " ").capitalize()) for kind in kinds()],
        widget=UnfoldAdminSelectWidget,
    )

    class Meta:
        model = Source
        fields: ClassVar = [
            "tenant",
            "name",
            "slug",
            "kind",
            "chunk_tokens",
            "overlap_tokens",
            "sync_interval_minutes",
            "is_enabled",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in config_fields(self.config_kind):
            self.fields[PREFIX + field.name].initial = self.instance.config.get(field.name)

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        self._clean_config(cleaned)
        self._clean_sizes(cleaned)
        return cleaned

    def _clean_config(self, cleaned: dict[str, Any]) -> None:
        """What the connector refuses is said at the field that it names."""
        asked = config_fields(self.config_kind)
        config = {field.name: value for field in asked if (value := cleaned.get(PREFIX + field.name))}
        if any(PREFIX + field.name in self.errors for field in asked):
            return
        try:
            open_connector(self.config_kind, config)
        except SourceError as error:
            name, _, detail = str(error).partition(": ")
            known = PREFIX + name in self.fields
            self.add_error(PREFIX + name if known else None, detail if known else str(error))
        self.instance.config = config

    def _clean_sizes(self, cleaned: dict[str, Any]) -> None:
        size = cleaned.get("chunk_tokens") or settings.INGESTION_CHUNK_TOKENS
        overlap = cleaned.get("overlap_tokens")
        if cleaned.get("chunk_tokens"):
            self._check_window(cleaned.get("tenant") or getattr(self.instance, "tenant", None), size)
        if overlap is not None and overlap > size // 3:
            self.add_error(
                "overlap_tokens", f"At most a third of a passage may overlap: {size // 3} tokens here."
            )

    def _check_window(self, tenant: Tenant | None, size: int) -> None:
        live = tenant.live_index if tenant else None
        try:
            embedder = get_embedder(live.embedder if live else "default")
        except EmbeddingUnavailable as error:
            self.add_error(
                "chunk_tokens", f"The embedder's window can't be read now ({error}); leave this empty."
            )
            return
        if size > embedder.max_tokens:
            message = f"{embedder.variant} reads {embedder.max_tokens} tokens at once; a larger passage would be cut."
            self.add_error("chunk_tokens", message)


def source_form(kind: str) -> type[SourceForm]:
    """The form class for a kind, with the kind's own fields."""
    declared = {PREFIX + field.name: _form_field(field) for field in config_fields(kind)}
    return type("SourceFormOfKind", (SourceForm,), {"config_kind": kind, **declared})


def _form_field(field: ConfigField) -> forms.Field:
    options: dict[str, Any] = {"label": field.label, "help_text": field.help, "required": field.required}
    match field.kind:
        case "lines":
            return LinesField(**options)
        case "flag":
            return forms.BooleanField(widget=UnfoldBooleanSwitchWidget, **options)
    return forms.CharField(widget=UnfoldAdminTextInputWidget, max_length=2000, **options)
