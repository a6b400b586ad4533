"""Pure: which facets a search asks for and which of their values are selected, typed against the tenant's schema.

A value that a facet gives back, "2024-05" or "10..20" too, may be sent again as a selection.
"""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any

from search import filters
from search.exceptions import InvalidFilter, InvalidRequest
from search.filters import Filter, Group, Span
from search.types import FacetRequest, FieldSchema, FieldSpec, FieldType

VALUES, RANGES = "values", "ranges"
INTERVALS = ("year", "month", "day")
MAX_SELECTED = 30  # values of a facet
MAX_SELECTIONS = 100  # of all facets: the engine has each as a clause
_PERIOD = re.compile(r"(\d{4})(?:-(\d\d)(?:-(\d\d))?)?", re.ASCII)
RANGE_SEPARATOR = ".."

Range = tuple[float | date | None, float | date | None]


@dataclass(frozen=True, slots=True)
class Facet:
    """A field to count by: each of its values, the periods its dates fall into, or given ranges [from, to)."""

    name: str
    spec: FieldSpec
    kind: str
    size: int
    ranges: tuple[Range, ...] = ()


def resolve(requests: Sequence[FacetRequest], schema: FieldSchema) -> tuple[Facet, ...]:
    """What is to be counted. Raises InvalidRequest that names the field."""
    if unknown := [request.field for request in requests if request.field not in schema]:
        raise InvalidRequest(
            f"There is no field {unknown[0]!r}.", fields={"facets": [f"Unknown: {', '.join(unknown)}."]}
        )
    facets = tuple(_facet(request, schema[request.field]) for request in requests)
    if len({facet.name for facet in facets}) < len(facets):
        raise _refused("A field may be counted once.")
    return facets


def _facet(request: FacetRequest, spec: FieldSpec) -> Facet:
    if request.interval and spec.type is not FieldType.DATE:
        raise _refused(f"{request.field} is no date, so it has no intervals.")
    if request.ranges and spec.type not in (FieldType.DATE, FieldType.NUMBER):
        raise _refused(f"{request.field} is neither a number nor a date, so it has no ranges.")
    if request.interval and request.ranges:
        raise _refused(f"{request.field} takes an interval or ranges, not both.")
    if request.ranges:
        ranges = tuple(_range(request.field, spec.type, bounds) for bounds in request.ranges)
        return Facet(request.field, spec, RANGES, len(ranges), ranges)
    kind = (request.interval or "day") if spec.type is FieldType.DATE else VALUES
    return Facet(request.field, spec, kind, request.size)


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, fields={"facets": [message]})


def _range(name: str, kind: FieldType, bounds: tuple[Any, Any]) -> Range:
    start, end = (None if bound is None else _bound(name, kind, bound) for bound in bounds)
    if start is None and end is None:
        raise _refused(f"A range of {name} has from, to or both.")
    return start, end


def _bound(name: str, kind: FieldType, bound: Any) -> float | date:
    if kind is FieldType.NUMBER and isinstance(bound, int | float) and not isinstance(bound, bool):
        return bound
    if kind is FieldType.DATE and isinstance(bound, str) and (day := _day(bound)):
        return day
    raise _refused(f"A range of {name} runs between {kind}s, not {bound!r}."[:300])


def _day(text: str) -> date | None:
    try:
        return date.fromisoformat(text) if len(text) == 10 else None
    except ValueError:
        return None


def range_name(bounds: Range) -> str:
    """A range as a facet's value: "10..20", "..10", "20.."."""
    return RANGE_SEPARATOR.join("" if bound is None else _bound_text(bound) for bound in bounds)


def _bound_text(bound: float | date) -> str:
    return bound.isoformat() if isinstance(bound, date) else f"{bound:.12g}"


def selections(chosen: Mapping[str, Sequence[Any]], schema: FieldSchema) -> dict[str, Filter]:
    """The selected values of each facet as a filter by field: any of them. Raises InvalidFilter."""
    if sum(map(len, chosen.values())) > MAX_SELECTIONS:
        raise InvalidFilter(f"{MAX_SELECTIONS} values may be selected at most, of all facets together.")
    return {name: _selection(name, values, schema) for name, values in chosen.items() if values}


def _selection(name: str, values: Sequence[Any], schema: FieldSchema) -> Filter:
    if len(values) > MAX_SELECTED:
        raise InvalidFilter(f"{name}: {MAX_SELECTED} values may be selected at most.")
    members: list[Filter] = []
    plain: list[Any] = []
    for value in values:
        if (span := _span(schema.get(name), name, value)) is None:
            plain.append(value)
        else:
            members.append(span)
    if plain and (chosen := filters.parse({"field": name, "op": "in", "value": plain}, schema)) is not None:
        members.append(chosen)
    return Group("or", tuple(members))


def _span(spec: FieldSpec | None, name: str, value: Any) -> Span | None:
    """A period of dates, or a range; None for a plain value."""
    if spec is None or spec.type not in (FieldType.DATE, FieldType.NUMBER) or not isinstance(value, str):
        return None
    if spec.type is FieldType.DATE and (period := _period(value)) is not None:
        return Span(spec, *period)
    if RANGE_SEPARATOR not in value:
        return None
    try:
        start, end = (_end(spec.type, part) for part in value.split(RANGE_SEPARATOR))
    except ValueError:
        start = end = None
    if start is None and end is None:
        raise InvalidFilter(f"{name}: a range runs from..to between {spec.type}s, not {value!r}."[:300])
    return Span(spec, start, end)


def _end(kind: FieldType, part: str) -> float | date | None:
    """Raises ValueError."""
    if not part:
        return None
    if kind is FieldType.DATE:
        return date.fromisoformat(part)
    number = float(part)
    if not math.isfinite(number):
        raise ValueError(part)
    return number


def _period(value: str) -> tuple[date, date] | None:
    """The first day of a year, month or day, and the day after it; None when it is none of them."""
    match = _PERIOD.fullmatch(value)
    if match is None:
        return None
    year, month, day = (int(part) if part else None for part in match.groups())
    try:
        start = date(year or 0, month or 1, day or 1)
        return start, _following(start, has_month=bool(month), has_day=bool(day))
    except (ValueError, OverflowError):
        return None


def _following(start: date, *, has_month: bool, has_day: bool) -> date:
    if has_day:
        return start + timedelta(days=1)
    if has_month and start.month < 12:
        return start.replace(month=start.month + 1)
    return start.replace(year=start.year + 1, month=1)
