"""Typed filters → OpenSearch, and the one door that every query passes: tenant, access and dates are
always added there.

Pure: the schema and the time come as arguments. A filter that does not fit the schema is an InvalidFilter
that names the field.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Any

from search.exceptions import InvalidFilter
from search.types import FieldSchema, FieldSpec, FieldType, Principal

PUBLIC = "*"  # in the index's `access`: every principal of the tenant
MAX_DEPTH = 8
MAX_CONDITIONS = 100
MAX_VALUES = 1000
_LAST_MOMENT = "9999-12-31T23:59:59.999Z"

_EQUALITY = frozenset({"eq", "ne", "in", "nin", "exists"})
_RANGE = frozenset({"gt", "gte", "lt", "lte"})
OPS: Mapping[FieldType, frozenset[str]] = {
    FieldType.KEYWORD: _EQUALITY | {"prefix"},
    FieldType.NUMBER: _EQUALITY | _RANGE,
    FieldType.BOOLEAN: _EQUALITY,
    FieldType.DATE: _EQUALITY | _RANGE,
}
BUILT_IN: Mapping[str, FieldSpec] = {
    "source": FieldSpec("source", FieldType.KEYWORD),
    "media_type": FieldSpec("media_type", FieldType.KEYWORD),
    "language": FieldSpec("language", FieldType.KEYWORD),
    "published_at": FieldSpec("published_at", FieldType.DATE),
    "document": FieldSpec("document", FieldType.KEYWORD),
}

Clause = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Comparison:
    field: FieldSpec
    op: str
    value: Any


@dataclass(frozen=True, slots=True)
class Group:
    """`and`, `or` or `not` (of one) over other filters."""

    op: str
    members: tuple["Filter", ...]


@dataclass(frozen=True, slots=True)
class Span:
    """One value of the field lies in [start, end); None is open. Two comparisons may each be met by another value."""

    field: FieldSpec
    start: Any | None
    end: Any | None


Filter = Comparison | Group | Span


def all_of(members: Iterable[Filter | None]) -> Filter | None:
    """What fits every one of them; None where there is none."""
    there = tuple(member for member in members if member is not None)
    return Group("and", there) if len(there) > 1 else next(iter(there), None)


def schema_of(metadata_fields: Iterable[tuple[str, str]]) -> FieldSchema:
    """The fields that a tenant may filter on. A metadata field that has a built-in's name is `metadata.NAME`."""
    schema = dict(BUILT_IN)
    for name, kind in metadata_fields:
        spec = FieldSpec(f"metadata.{kind}.{name}", FieldType(kind))
        schema.setdefault(name, spec)
        schema[f"metadata.{name}"] = spec
    return schema


def parse(raw: Any, schema: FieldSchema) -> Filter | None:
    """The API's JSON → a typed filter; None or {} → None. Raises InvalidFilter."""
    if raw is None or raw == {}:
        return None
    return _Parser(schema).parse(raw, depth=1)


class _Parser:
    def __init__(self, schema: FieldSchema) -> None:
        self.schema = schema
        self.conditions = 0

    def parse(self, raw: Any, *, depth: int) -> Filter:
        if not isinstance(raw, Mapping):
            raise InvalidFilter(f"A filter is an object, not {_kind(raw)}.")
        if depth > MAX_DEPTH:
            raise InvalidFilter(f"Filters may be nested {MAX_DEPTH} deep at most.")
        self._count(1)
        for op in ("and", "or", "not"):
            if op in raw:
                return self._group(op, raw, depth=depth)
        return self._comparison(raw)

    def _count(self, conditions: int) -> None:
        self.conditions += conditions
        if self.conditions > MAX_CONDITIONS:
            message = f"A filter may have {MAX_CONDITIONS} conditions at most; each date of a list is one."
            raise InvalidFilter(message)

    def _group(self, op: str, raw: Mapping[str, Any], *, depth: int) -> Group:
        if len(raw) != 1:
            raise InvalidFilter(f'"{op}" stands alone in its object.')
        members = [raw[op]] if op == "not" else raw[op]
        if not isinstance(members, list) or not members:
            raise InvalidFilter(f'"{op}" takes a list of at least one filter.')
        return Group(op, tuple(self.parse(member, depth=depth + 1) for member in members))

    def _comparison(self, raw: Mapping[str, Any]) -> Comparison:
        if unknown := set(raw) - {"field", "op", "value"}:
            raise InvalidFilter(
                f"A filter has field, op and value, not {', '.join(sorted(map(str, unknown)))}."
            )
        name, op = raw.get("field"), raw.get("op")
        if not isinstance(name, str) or name not in self.schema:
            raise InvalidFilter(f"There is no field {name!r}.", fields={str(name): ["Unknown field."]})
        spec = self.schema[name]
        if not isinstance(op, str) or op not in OPS[spec.type]:
            allowed = ", ".join(sorted(OPS[spec.type]))
            raise _refused(name, f"The op {op!r} does not fit a {spec.type} field; it takes {allowed}.")
        if "value" not in raw and op != "exists":
            raise _refused(name, f"The op {op!r} needs a value.")
        value = _value(name, spec.type, op, raw.get("value", True))
        if spec.type is FieldType.DATE and isinstance(value, tuple):
            self._count(len(value) - 1)  # the engine has a list of dates as so many clauses
        return Comparison(spec, op, value)


def _refused(name: str, message: str) -> InvalidFilter:
    return InvalidFilter(f"{name}: {message}", fields={name: [message]})


def _kind(value: Any) -> str:
    return "null" if value is None else type(value).__name__


def _value(name: str, kind: FieldType, op: str, value: Any) -> Any:
    if op == "exists":
        if not isinstance(value, bool):
            raise _refused(name, "exists takes true or false.")
        return value
    if op in ("in", "nin"):
        if not isinstance(value, list) or not 0 < len(value) <= MAX_VALUES:
            raise _refused(name, f"{op} takes a list of 1 to {MAX_VALUES} values.")
        return tuple(_scalar(name, kind, item) for item in value)
    return _scalar(name, kind, value)


def _scalar(name: str, kind: FieldType, value: Any) -> Any:
    match kind, value:
        case FieldType.BOOLEAN, bool():
            return value
        case FieldType.NUMBER, int() | float() if not isinstance(value, bool) and abs(value) < 1e300:
            return value
        case FieldType.KEYWORD, str() if "\x00" not in value:
            return value
        case FieldType.DATE, str() if (parsed := parse_date(value)) is not None:
            return parsed
    raise _refused(name, f"{kind} values are taken here, not {value!r}."[:300])


def parse_date(value: str) -> date | datetime | None:
    """An ISO date, or a date-time in UTC (taken as such when it names no zone); None when it is neither."""
    try:
        if len(value) == 10:
            return date.fromisoformat(value)
        parsed = datetime.fromisoformat(value)
        return parsed.astimezone(UTC) if parsed.tzinfo else parsed.replace(tzinfo=UTC)
    except (ValueError, OverflowError):  # in UTC, the year may be 0 or 10000
        return None


def to_clause(node: Filter) -> Clause:
    """A typed filter as one OpenSearch query clause, to be used in filter context."""
    match node:
        case Group("and", members):
            return {"bool": {"filter": [to_clause(member) for member in members]}}
        case Group("or", members):
            return {"bool": {"should": [to_clause(member) for member in members], "minimum_should_match": 1}}
        case Group(_, members):
            return _not(to_clause(members[0]))
        case Span(spec, start, end):
            return _span_clause(spec, start, end)
        case Comparison(spec, op, value):
            return _comparison_clause(spec, op, value)
    raise AssertionError(node)


def _span_clause(spec: FieldSpec, start: Any | None, end: Any | None) -> Clause:
    ends = {"gte": start, "lt": end}
    texts = {op: end.isoformat() if isinstance(end, date) else end for op, end in ends.items()}
    return {"range": {spec.path: {op: end for op, end in texts.items() if end is not None}}}


def _comparison_clause(spec: FieldSpec, op: str, value: Any) -> Clause:
    match op:
        case "exists":
            present = {"exists": {"field": spec.path}}
            return present if value else _not(present)
        case "ne":
            return _not(_value_clause(spec, "eq", value))
        case "nin":
            return _not(_any_of(spec, value))
        case "in":
            return _any_of(spec, value)
    return _value_clause(spec, op, value)


def _any_of(spec: FieldSpec, values: tuple[Any, ...]) -> Clause:
    if spec.type is not FieldType.DATE:
        return {"terms": {spec.path: list(values)}}
    days = [_value_clause(spec, "eq", value) for value in values]
    return {"bool": {"should": days, "minimum_should_match": 1}}


def _value_clause(spec: FieldSpec, op: str, value: Any) -> Clause:
    if spec.type is FieldType.DATE:
        return {"range": {spec.path: _date_range(op, value)}}
    if op == "eq":
        return {"term": {spec.path: {"value": value}}}
    return (
        {"prefix": {spec.path: {"value": value}}} if op == "prefix" else {"range": {spec.path: {op: value}}}
    )


def _date_range(op: str, value: date | datetime) -> Clause:
    """A date without a time means its whole day (UTC)."""
    if isinstance(value, datetime):
        return {"gte": value.isoformat(), "lte": value.isoformat()} if op == "eq" else {op: value.isoformat()}
    day, following = value.isoformat(), _following(value)
    ranges = {
        "eq": {"gte": day, "lt": following},
        "gt": {"gte": following},
        "gte": {"gte": day},
        "lt": {"lt": day},
        "lte": {"lt": following},
    }
    return ranges[op]


def _following(day: date) -> str:
    """The day after; of the last one that there is, its last moment."""
    return _LAST_MOMENT if day == date.max else (day + timedelta(days=1)).isoformat()


def _not(clause: Clause) -> Clause:
    return {"bool": {"must_not": [clause]}}


def door(
    principal: Principal,
    *,
    now: datetime,
    hidden: Iterable[int] = (),
    disabled: Iterable[str] = (),
    filters: Filter | None = None,
) -> Clause:
    """The filter of every query: tenant, access, dates, `hidden` documents and `disabled` chunks out, and the caller's
    filter.

    `hidden` are the ids of documents whose deletion, expiry or access change the index has not acknowledged.
    """
    must_not: list[Clause] = [
        {"range": {"visible_from": {"gt": now.isoformat()}}},
        {"range": {"expires_at": {"lte": now.isoformat()}}},
    ]
    if hidden_ids := list(hidden):
        must_not.append({"terms": {"document_id": hidden_ids}})
    if chunk_ids := list(disabled):
        must_not.append({"ids": {"values": chunk_ids}})
    required: list[Clause] = [
        {"term": {"tenant": {"value": str(principal.tenant_uuid)}}},
        {"terms": {"access": [PUBLIC, *sorted(set(principal.groups))]}},
    ]
    if filters is not None:
        required.append(to_clause(filters))
    return {"bool": {"filter": required, "must_not": must_not}}


def narrowed(door: Clause, more: Iterable[Filter]) -> Clause:
    """The door with more filters behind it; the same where there are none."""
    clauses = [to_clause(node) for node in more]
    return {"bool": {"filter": [door, *clauses]}} if clauses else door
