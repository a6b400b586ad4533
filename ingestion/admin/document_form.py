"""The forms of a document: an upload, and a pushed document's fields. They refuse what a service would refuse."""

import re
from typing import Any, ClassVar

from django import forms
from unfold.widgets import (
    UnfoldAdminFileFieldWidget,
    UnfoldAdminRadioSelectWidget,
    UnfoldAdminTextareaWidget,
    UnfoldAdminTextInputWidget,
)

from ingestion import schema
from ingestion.exceptions import IngestionError
from ingestion.parsers import media_type_of
from ingestion.services import documents
from ingestion.services.documents import Content, DocumentFieldsInput
from search.managing import LinesField
from search.models import Document, MetadataField, Tenant
from search.types import FieldType

HEAD_BYTES = 1024
EVERYONE, GROUPS, NOBODY = "everyone", "groups", "nobody"
_NUMBER = re.compile(r"-?\d+(\.\d+)?")


class MetadataTextField(forms.CharField):
    """`name = value`, one a line; a name that comes several times is a list."""

    def __init__(self, **options: Any) -> None:
        super().__init__(widget=UnfoldAdminTextareaWidget({"rows": 4}), **options)

    def prepare_value(self, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        pairs = [
            (name, part)
            for name, held in value.items()
            for part in (held if isinstance(held, list) else [held])
        ]
        return "\n".join(f"{name} = {_as_text(part)}" for name, part in pairs)

    def clean(self, value: Any) -> list[tuple[str, str]]:
        """(name, text) pairs; types are the tenant's, so they are given later."""
        text = super().clean(value)
        lines = [line for line in text.splitlines() if line.strip()]
        if wrong := [line for line in lines if "=" not in line]:
            raise forms.ValidationError(f"Write name = value; {wrong[0]!r} has no =.")
        pairs = [line.split("=", 1) for line in lines]
        return [(name.strip(), value.strip()) for name, value in pairs]


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def typed_metadata(pairs: list[tuple[str, str]], kinds: dict[str, FieldType]) -> dict[str, Any]:
    """Values of a field's declared type; of a new field, the type that the text looks like."""
    collected: dict[str, list[Any]] = {}
    for name, text in pairs:
        collected.setdefault(name, []).append(_typed(text, kinds.get(name)))
    return {name: values if len(values) > 1 else values[0] for name, values in collected.items()}


def _typed(text: str, kind: FieldType | None) -> Any:
    if kind in (None, FieldType.BOOLEAN) and text.lower() in ("true", "false"):
        return text.lower() == "true"
    if kind in (None, FieldType.NUMBER) and _NUMBER.fullmatch(text):
        return float(text) if "." in text else int(text)
    return text


class DocumentForm(forms.ModelForm):  # type: ignore[type-arg]
    """What is said of a document beside its content."""

    title = forms.CharField(
        required=False,
        max_length=500,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: the content's own.",
    )
    metadata = MetadataTextField(
        required=False, help_text="name = value, one a line; repeat a name for a list."
    )
    access_kind = forms.ChoiceField(
        label="Who may find it",
        choices=[(EVERYONE, "Everyone of the tenant"), (GROUPS, "Only these groups"), (NOBODY, "Nobody")],
        initial=EVERYONE,
        widget=UnfoldAdminRadioSelectWidget,
    )
    groups = LinesField(required=False, help_text="Access groups, one a line.")

    class Meta:
        model = Document
        fields: ClassVar = [
            "title",
            "url",
            "language",
            "metadata",
            "published_at",
            "visible_from",
            "expires_at",
        ]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        access = self.instance.access
        self.fields["access_kind"].initial = EVERYONE if access is None else GROUPS if access else NOBODY
        self.fields["groups"].initial = access or []
        if self.instance.derives_title:
            self.initial["title"] = ""

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        tenant = cleaned.get("tenant") or getattr(self.instance, "tenant", None)
        if tenant is not None and "metadata" in cleaned:
            self._clean_metadata(cleaned, tenant)
        self._clean_access(cleaned)
        return cleaned

    def _clean_metadata(self, cleaned: dict[str, Any], tenant: Tenant) -> None:
        rows = MetadataField.objects.filter(tenant=tenant).values_list("name", "type")
        kinds = {name: FieldType(kind) for name, kind in rows}
        cleaned["metadata"] = typed_metadata(cleaned["metadata"], kinds)
        self._check("metadata", lambda: schema.new_fields(cleaned["metadata"], kinds))

    def _clean_access(self, cleaned: dict[str, Any]) -> None:
        kind, groups = cleaned.get("access_kind"), cleaned.get("groups") or []
        if kind == GROUPS and not groups:
            self.add_error("groups", "Name at least one group, or choose nobody.")
        cleaned["access"] = None if kind == EVERYONE else groups if kind == GROUPS else []
        self._check("groups", lambda: documents.check_access(cleaned["access"]))

    def _check(self, field: str, work: Any) -> Any:
        """What a service says against a field, at that field."""
        try:
            return work()
        except IngestionError as error:
            self.add_error(field, str(error))

    def _post_clean(self) -> None:
        """The service writes the row, so the instance is left as it is."""

    def fields_input(self) -> DocumentFieldsInput:
        names = (
            "title",
            "url",
            "language",
            "metadata",
            "access",
            "published_at",
            "visible_from",
            "expires_at",
        )
        return DocumentFieldsInput(**{name: self.cleaned_data[name] for name in names})


class UploadForm(DocumentForm):
    file = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, help_text="PDF, Word (docx), HTML, Markdown or text."
    )
    public_id = forms.CharField(
        label="Id",
        required=False,
        max_length=512,
        widget=UnfoldAdminTextInputWidget,
        help_text="Empty: the file's name. An id that is there already is replaced by this upload.",
    )

    class Meta(DocumentForm.Meta):
        fields: ClassVar = ["tenant", *DocumentForm.Meta.fields]

    def clean(self) -> dict[str, Any]:
        cleaned = super().clean()
        if file := cleaned.get("file"):
            cleaned["content"] = self._check("file", lambda: _content(file))
            cleaned["public_id"] = cleaned.get("public_id") or file.name
            self._clean_id(cleaned)
        return cleaned

    def _clean_id(self, cleaned: dict[str, Any]) -> None:
        same = Document.objects.filter(tenant=cleaned.get("tenant"), public_id=cleaned["public_id"])
        if same.exclude(source_key="").exists():
            self.add_error("public_id", "A source keeps the document of this id; choose another.")


def _content(file: Any) -> Content:
    """Raises UnsupportedType, CorruptFile, DocumentTooLarge."""
    documents.check_size(file.size)
    data = file.read()
    return Content(data, media_type_of(file.name, data[:HEAD_BYTES]), filename=file.name)
