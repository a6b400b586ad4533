"""Pure: the page's query string → a typed search. An address that the page would not make is an InvalidRequest."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode
from uuid import UUID

from django.http import QueryDict

from search.exceptions import InvalidRequest
from search.facets import RANGE_SEPARATOR
from search.feedback import Rating
from search.filters import BUILT_IN
from search.models import Feedback
from search.ordering import RELEVANCE
from search.types import AskRequest, FacetRequest, FieldSchema, FieldType, Mode, SearchRequest

PAGE_SIZE = 10
PASSAGES = 3  # of one document, the further ones folded
MAX_SORT_FIELDS = 5
MAX_PAGE = 100  # of PAGE_SIZE: results are paged up to the first 1,000
MAX_FACET_FIELDS = 16
FACET_PREFIX = "f."
RANGE_PREFIXES = ("from.", "to.")
_SORT_TYPES = (FieldType.DATE, FieldType.NUMBER)
_BUILT_IN_FACETS = ("source", "media_type", "language", "published_at")


@dataclass(frozen=True, slots=True)
class PageQuery:
    """What the address says. `selected` holds the ticked values of each facet field, as text."""

    text: str = ""
    mode: Mode = Mode.HYBRID
    page: int = 1
    sort: str = RELEVANCE
    asks: bool = False
    collection: str = ""
    selected: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    @classmethod
    def from_params(cls, params: QueryDict, *, max_characters: int) -> "PageQuery":
        """Raises InvalidRequest for an address that the page would not make."""
        text = params.get("q", "").strip()
        if len(text) > max_characters:
            raise InvalidRequest(
                f"A query has {max_characters} characters at most; this one has {len(text)}."
            )
        return cls(
            text=text,
            mode=_choice(params.get("mode", Mode.HYBRID.value)),
            page=_page_number(params.get("page", "1")),
            sort=params.get("sort", RELEVANCE),
            asks=params.get("ask") == "1",
            collection=params.get("in", ""),
            selected=_selected(params),
        )

    def url(self) -> str:
        """The address of this query, from `?` on; defaults are left out."""
        pairs = [("q", self.text)]
        if self.collection:
            pairs.append(("in", self.collection))
        if self.mode is not Mode.HYBRID:
            pairs.append(("mode", self.mode.value))
        pairs += [(FACET_PREFIX + name, value) for name, values in self.selected.items() for value in values]
        if self.sort != RELEVANCE:
            pairs.append(("sort", self.sort))
        if self.page > 1:
            pairs.append(("page", str(self.page)))
        return f"?{urlencode(pairs)}"

    def facet_filters(self, schema: FieldSchema) -> dict[str, list[Any]] | None:
        """The ticked values, typed. Raises InvalidRequest."""
        chosen = {
            name: [_typed(name, value, schema) for value in values] for name, values in self.selected.items()
        }
        return chosen or None

    def search_request(self, schema: FieldSchema) -> SearchRequest:
        return SearchRequest(
            query=self.text,
            mode=self.mode,
            top_k=PAGE_SIZE,
            page=self.page,
            sort=RELEVANCE if self.mode is Mode.VECTOR else self.sort,
            passages=PASSAGES,
            facets=tuple(_facet_request(name, schema) for name in facet_fields(schema) if name in schema),
            facet_filters=self.facet_filters(schema),
            collection=self.collection or None,
        )

    def ask_request(self, schema: FieldSchema) -> AskRequest:
        return AskRequest(
            question=self.text,
            facet_filters=self.facet_filters(schema),
            collection=self.collection or None,
        )


def _selected(params: QueryDict) -> dict[str, tuple[str, ...]]:
    """The ticked values of each field, and the range that was filled in for it."""
    selected: dict[str, tuple[str, ...]] = {}
    for name in sorted(name for name in params if name.startswith(FACET_PREFIX)):
        selected[name.removeprefix(FACET_PREFIX)] = tuple(dict.fromkeys(params.getlist(name)))
    for name in sorted({name.partition(".")[2] for name in params if name.startswith(RANGE_PREFIXES)}):
        start, end = (params.get(prefix + name, "").strip() for prefix in RANGE_PREFIXES)
        if start or end:
            selected[name] = (*selected.get(name, ()), f"{start}{RANGE_SEPARATOR}{end}")
    return selected


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
        case FieldType.NUMBER if RANGE_SEPARATOR not in value:
            return _number(name, value)
    return value


def _number(name: str, value: str) -> float:
    try:
        return int(value) if value.lstrip("-").isdigit() else float(value)
    except ValueError as error:
        raise InvalidRequest(f"{name} takes numbers, not {value!r}.") from error


def _facet_request(name: str, schema: FieldSchema) -> FacetRequest:
    return FacetRequest(name, interval="year" if schema[name].type is FieldType.DATE else None)


def facet_fields(schema: FieldSchema) -> list[str]:
    """Fields worth counting: the built-in ones, then the tenant's own by name."""
    return [*_BUILT_IN_FACETS, *_own_fields(schema)][:MAX_FACET_FIELDS]


def sort_fields(schema: FieldSchema) -> list[str]:
    """Fields that the page offers to sort by: dates and numbers."""
    named = [name for name in ("published_at", *_own_fields(schema)) if name in schema]
    return [name for name in named if schema[name].type in _SORT_TYPES][:MAX_SORT_FIELDS]


def _own_fields(schema: FieldSchema) -> list[str]:
    return sorted(name for name in schema if name not in BUILT_IN and not name.startswith("metadata."))


def rating(params: QueryDict) -> Rating:
    """A thumb of the page: `up` or `down` holds the document's id, or nothing for the answer; `click` that of one that
    was opened. Raises InvalidRequest.
    """
    try:
        request_id = UUID(params.get("request_id", ""))
    except ValueError as error:
        raise InvalidRequest("There is no such request.") from error
    said = [rating for rating in Feedback.Rating if rating.name.lower() in params]
    if len(said) != 1:
        raise InvalidRequest("A rating is either up or down, or a click.")
    document = params.get(said[0].name.lower(), "")
    if len(document) > 512:
        raise InvalidRequest("There is no such document.")
    return Rating(request_id, said[0], document)
