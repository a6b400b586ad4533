"""Pure: a search's facets → what the page's filters show. Values are plain text, escaped by the templates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from search.facets import RANGE_SEPARATOR
from search.page_query import PageQuery, facet_fields
from search.types import FieldSchema, FieldType

MAX_FACET_VALUES = 30
_MEDIA_TYPES = {
    "text/html": "Web page",
    "text/markdown": "Markdown",
    "text/plain": "Text",
    "application/pdf": "PDF",
    "application/vnd.openxmlformats-officedocument.wordprocessingml.document": "Word",
}


@dataclass(frozen=True, slots=True)
class FacetValueView:
    value: str
    label: str
    count: int
    is_selected: bool


@dataclass(frozen=True, slots=True)
class FacetView:
    """A field's values to tick; or, of a number with more values than one ticks, a range to fill in."""

    name: str
    label: str
    values: tuple[FacetValueView, ...]
    is_range: bool = False
    start: str = ""
    end: str = ""

    @property
    def first(self) -> tuple[FacetValueView, ...]:
        """Shown at once: the ticked ones and the most frequent."""
        return tuple(value for at, value in enumerate(self.values) if at < 6 or value.is_selected)

    @property
    def more(self) -> tuple[FacetValueView, ...]:
        return tuple(value for value in self.values if value not in self.first)


def facet_views(facets: Mapping[str, Any], query: PageQuery, schema: FieldSchema) -> list[FacetView]:
    """Facets that divide the results: between 2 and MAX_FACET_VALUES values, or one that is ticked."""
    views = [
        _facet_view(name, facets[name], query.selected.get(name, ()), schema[name].type)
        for name in facet_fields(schema)
        if name in facets
    ]
    return [view for view in views if view.name in query.selected or view.is_range or _divides(view)]


def _divides(view: FacetView) -> bool:
    return 2 <= len(view.values) <= MAX_FACET_VALUES and max(value.count for value in view.values) > 1


def _facet_view(
    name: str, counted: Sequence[Mapping[str, Any]], selected: Sequence[str], kind: FieldType
) -> FacetView:
    ranges = [value for value in selected if kind is FieldType.NUMBER and RANGE_SEPARATOR in value]
    if ranges or (kind is FieldType.NUMBER and len(counted) > MAX_FACET_VALUES):
        start, _, end = ranges[-1].partition(RANGE_SEPARATOR) if ranges else ("", "", "")
        return FacetView(name, field_label(name), (), is_range=True, start=start, end=end)
    values = [_facet_value(name, entry["value"], int(entry["count"]), selected) for entry in counted]
    known = {value.value for value in values}
    if kind is not FieldType.DATE:  # those stay from the newest
        values.sort(key=lambda value: (-value.count, value.label))
    values += [_facet_value(name, value, 0, selected) for value in selected if value not in known]
    return FacetView(name, field_label(name), tuple(values[: MAX_FACET_VALUES + len(selected) + 1]))


def _facet_value(name: str, value: Any, count: int, selected: Sequence[str]) -> FacetValueView:
    text = value_text(value)
    return FacetValueView(text, value_label(name, text), count, text in selected)


def field_label(name: str) -> str:
    return {"media_type": "File type", "published_at": "Published"}.get(name) or name.replace(
        "_", " "
    ).replace("-", " ").capitalize()


def value_text(value: Any) -> str:
    """A value as an address and a chip say it: 2025 rather than 2025.0."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def value_label(name: str, text: str) -> str:
    if name == "media_type":
        return _MEDIA_TYPES.get(text, text)
    return {"true": "Yes", "false": "No", "": "(none)"}.get(text, text)
