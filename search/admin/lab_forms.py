"""Forms of the relevance lab: how a query set is asked, and what is imported into it."""

from typing import Any

from django import forms
from unfold.widgets import UnfoldAdminFileFieldWidget, UnfoldAdminSelectWidget

from search.evaluation.asking import MODES
from search.evaluation.datasets import DatasetError
from search.evaluation.imports import Imported, TextFile, read_beir, read_csv, read_trec
from search.models import Profile, QuerySet

MAX_BYTES = 50 * 1024 * 1024
_FORMATS = {
    "beir": "BEIR: queries.jsonl and qrels (test.tsv)",
    "trec": "TREC: topics and qrels",
    "csv": "CSV: query, document, grade",
}


class RunForm(forms.Form):
    """In which mode, with which profile."""

    mode = forms.ChoiceField(
        choices=[(mode, mode) for mode in MODES], initial="hybrid", widget=UnfoldAdminSelectWidget
    )
    profile = forms.ModelChoiceField(
        Profile.objects.none(),
        required=False,
        empty_label="what readers get now",
        widget=UnfoldAdminSelectWidget,
    )

    def __init__(self, query_set: QuerySet, *args: Any) -> None:
        super().__init__(*args)
        profiles = Profile.objects.filter(tenant_id=query_set.tenant_id).order_by("name", "-version")
        self.fields["profile"].queryset = profiles  # type: ignore[attr-defined]


class ImportForm(forms.Form):
    """Files in one of the field's formats; a wrong line is an error of the form that names it."""

    format = forms.ChoiceField(choices=list(_FORMATS.items()), initial="csv", widget=UnfoldAdminSelectWidget)
    queries = forms.FileField(
        widget=UnfoldAdminFileFieldWidget, label="queries, topics or table", help_text="At most 50 MB."
    )
    qrels = forms.FileField(
        required=False, widget=UnfoldAdminFileFieldWidget, help_text="For BEIR and TREC alone."
    )
    imported: Imported

    def clean(self) -> dict[str, Any]:
        cleaned: dict[str, Any] = super().clean() or {}
        if self.errors:
            return cleaned
        kind, qrels = cleaned["format"], cleaned.get("qrels")
        if kind != "csv" and qrels is None:
            self.add_error("qrels", "This format has its judgements in a file of their own.")
            return cleaned
        try:
            queries = _text(cleaned["queries"])
            if kind == "csv":
                self.imported = read_csv(queries)
            else:
                self.imported = (read_beir if kind == "beir" else read_trec)(queries, _text(qrels))
        except DatasetError as error:
            raise forms.ValidationError(str(error)) from error
        return cleaned


def _text(upload: Any) -> TextFile:
    if upload.size > MAX_BYTES:
        raise DatasetError(f"{upload.name} is larger than {MAX_BYTES // 1024 // 1024} MB.")
    try:
        return TextFile(upload.name, upload.read().decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise DatasetError(f"{upload.name} is not UTF-8.") from error
