"""Pure: the page's query string → a typed search. An address that the page would not make is an InvalidRequest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.http import QueryDict

from search.exceptions import InvalidRequest
from search.filters import BUILT_IN
from search.types import AskRequest, FieldSchema, FieldType, Mode, SearchRequest

PAGE_SIZE = 10
MAX_PAGE = 1000
MAX_FACET_FIELDS = 16
FACET_PREFIX = "f."
_BUILT_IN_FACETS = ("source", "media_type", "language")
_FACET_TYPES = (FieldType.KEYWORD, FieldType.BOOLEAN, FieldType.NUMBER)


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What the address says. `selected` holds the ticked values of each facet field, as text."""

    text: str = ""
    mode: Mode = Mode.HYBRID
    page: int = 1
    asks: bool = False
    selected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_params(cls, params: QueryDict, *, max_characters: int) -> "PageQuery":
        """Raises InvalidRequest for an address that the page would not make."""
        text = params.get("q", "").strip()
        if len(text) > max_characters:
            raise InvalidRequest(
                f"A query has {max_characters} characters at most; this one has {len(text)}."
            )
        names = sorted(name for name in params if name.startswith(FACET_PREFIX))
        selected = {
            name.removeprefix(FACET_PREFIX): tuple(dict.fromkeys(params.getlist(name))) for name in names
        }
        return cls(
            text=text,
            mode=_choice(params.get("mode", Mode.HYBRID.value)),
            page=_page_number(params.get("page", "1")),
            asks=params.get("ask") == "1",
            selected=selected,
        )

    def url(self) -> str:
        """The address of this query, from `?` on; defaults are left out."""
        pairs = [("q", self.text)]
        if self.mode is not Mode.HYBRID:
            pairs.append(("mode", self.mode.value))
        pairs += [(FACET_PREFIX + name, value) for name, values in self.selected.items() for value in values]
        if self.page > 1:
            pairs.append(("page", str(self.page)))
        return f"?{urlencode(pairs)}"

    def filters(self, schema: FieldSchema, *, but: str | None = None) -> dict[str, Any] | None:
        """The ticked values as the API's filter, optionally without one field's. Raises InvalidRequest."""
        conditions = [
            {"field": name, "op": "in", "value": [_typed(name, value, schema) for value in values]}
            for name, values in self.selected.items()
            if name != but
        ]
        return {"and": conditions} if conditions else None

    def search_request(self, schema: FieldSchema) -> SearchRequest:
        facets = tuple(name for name in facet_fields(schema) if name not in self.selected)
        return SearchRequest(
            query=self.text,
            mode=self.mode,
            filters=self.filters(schema),
            top_k=PAGE_SIZE,
            page=self.page,
            facets=facets,
        )

    def facet_request(self, name: str, schema: FieldSchema) -> SearchRequest:
        """Counts a ticked field's other values: what would be found if they were ticked too."""
        filters = self.filters(schema, but=name)
        return SearchRequest(self.text, Mode.LEXICAL, filters, top_k=1, facets=(name,), highlight=False)

    def ask_request(self, schema: FieldSchema) -> AskRequest:
        return AskRequest(question=self.text, filters=self.filters(schema))


def _choice(value: str) -> Mode:
    try:
        return Mode(value)
    except ValueError as error:
        raise InvalidRequest(f"There is no way to search called {value!r}.") from error


def _page_number(value: str) -> int:
    if not (value.isascii() and value.isdigit() and len(value) <= 4 and 1 <= int(value) <= MAX_PAGE):
        raise InvalidRequest(f"There is no page {value[:20]!r}.")
    return int(value)


def _typed(name: str, value: str, schema: FieldSchema) -> str | float | bool:
    if name not in schema:
        raise InvalidRequest(f"There is no field {name!r} to filter by any more.")
    match schema[name].type:
        case FieldType.BOOLEAN:
            return value == "true"
        case FieldType.NUMBER:
            return _number(name, value)
    return value


def _number(name: str, value: str) -> float:
    try:
        return int(value) if value.lstrip("-").isdigit() else float(value)
    except ValueError as error:
        raise InvalidRequest(f"{name} takes numbers, not {value!r}.") from error


def facet_fields(schema: FieldSchema) -> list[str]:
    """Fields worth counting: the built-in ones, then the tenant's own by name."""
    own = [name for name in schema if name not in BUILT_IN and not name.startswith("metadata.")]
    counted = [*_BUILT_IN_FACETS, *(name for name in sorted(own) if schema[name].type in _FACET_TYPES)]
    return counted[:MAX_FACET_FIELDS]
