"""Pure: in which order a search lists the lexical leg's matches, and the places in it that a cursor names.

Documents without the sorted field come last; equal ones stand by their internal id, so that no order changes by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search import query
from search.exceptions import InvalidRequest
from search.types import FieldSchema, FieldSpec, FieldType, SearchRequest

Body = dict[str, Any]
Place = tuple[Any, ...]  # a chunk's sort values
RELEVANCE = "relevance"
_UNMAPPED = {FieldType.NUMBER: "double"}  # for the engine, of a field that no document has had yet
_BY_ID: tuple[Body, ...] = ({"document_id": "asc"},)
_BEST_FIRST: Body = {"_score": "desc"}


@dataclass(frozen=True, slots=True)
class Order:
    """By relevance where `field` is None."""

    field: FieldSpec | None = None
    descends: bool = False

    def clauses(self) -> list[Body]:
        """Sort clauses. Of one document's chunks the best match comes first."""
        if self.field is None:
            return [_BEST_FIRST, *_BY_ID, {"ordinal": "asc"}]
        options = {
            "order": "desc" if self.descends else "asc",
            "missing": "_last",
            "unmapped_type": _UNMAPPED.get(self.field.type, self.field.type.value),
        }
        return [{self.field.path: options}, *_BY_ID, _BEST_FIRST, {"ordinal": "asc"}]


def is_listed(request: SearchRequest) -> bool:
    """Whether the words' matches are listed in a fixed order, in place of the best of both legs."""
    return request.sort != RELEVANCE or request.cursor is not None


def parse_sort(sort: str, schema: FieldSchema) -> Order:
    """`relevance`, `field` or `-field`. Raises InvalidRequest."""
    if sort == RELEVANCE:
        return Order()
    name = sort.removeprefix("-")
    if name not in schema:
        message = f"There is no field {name!r} to sort by."
        raise InvalidRequest(message, fields={"sort": [message]})
    return Order(schema[name], sort.startswith("-"))


def listing_body(
    legs: query.Legs, order: Order, *, door: Body, size: int, after: Place = (), one_a_document: bool
) -> Body:
    """The lexical leg's matches in an order, ids and sort values alone. `one_a_document` excludes `after`."""
    matching = {"bool": {"must": [query.ranking_query(legs)], "filter": [door]}}
    body = query.ids_alone(size) | {"query": matching, "sort": order.clauses(), "track_scores": True}
    if after:
        body["search_after"] = list(after)
    if one_a_document:
        body["collapse"] = {"field": "document_id"}
    return body


def of_documents(door: Body, document_ids: Sequence[int]) -> Body:
    """The door, for these documents only."""
    return {"bool": {"filter": [door, {"terms": {"document_id": list(document_ids)}}]}}
