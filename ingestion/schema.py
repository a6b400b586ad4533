"""Pure: a document's metadata against the tenant's field schema. A field takes the type first seen unless
it was declared."""

import re
from collections.abc import Mapping
from typing import Any

from ingestion.exceptions import DocumentRefused
from search.filters import parse_date
from search.types import FieldType

MAX_FIELDS = 100
MAX_KEYWORD_BYTES = 8000  # Lucene refuses a term over 32,766 bytes; facets of such are of no use either
MAX_LIST = 1000
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
_IS_DATE = re.compile(r"\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}.*)?")

Schema = Mapping[str, FieldType]


def new_fields(metadata: Mapping[str, Any], schema: Schema) -> dict[str, FieldType]:
    """The fields of `metadata` that the schema lacks, with their types.

    Raises DocumentRefused, naming each field: a bad name, a value of another type, or more than MAX_FIELDS.
    """
    added: dict[str, FieldType] = {}
    problems: dict[str, list[str]] = {}
    for name, value in metadata.items():
        if problem := _problem(name, value, schema.get(name)):
            problems[f"metadata.{name}"] = [problem]
        elif name not in schema and (kind := infer(value)) is not None:
            added[name] = kind
    if problems:
        first = next(iter(problems.items()))
        raise DocumentRefused(f"{first[0]}: {first[1][0]}", fields=problems)
    if len(schema) + len(added) > MAX_FIELDS:
        names = ", ".join(sorted(added)[:5])
        message = f"A tenant has {MAX_FIELDS} metadata fields at most; {names} would be more."
        raise DocumentRefused(message, fields={"metadata": [message]})
    return added


def _problem(name: str, value: Any, declared: FieldType | None) -> str | None:
    if not _NAME.fullmatch(name):
        return "A name has letters, digits, _ and -, begins with a letter or _, and is 64 long at most."
    if value is None or value == []:
        return None
    values = value if isinstance(value, list) else [value]
    if len(values) > MAX_LIST:
        return f"A list holds {MAX_LIST} values at most."
    kinds = {_kind(item) for item in values}
    if None in kinds:
        return "A value is a string, number, boolean, ISO date, or a list of one of them."
    if declared is None:
        return None if _common(kinds) else "A list holds values of one type."
    wrong = [item for item in values if not _fits(item, declared)]
    return f"This field is of type {declared}; {str(wrong[0])[:80]!r} is not." if wrong else None


def infer(value: Any) -> FieldType | None:
    """The type that a value gives its field; None for a value that says nothing (null, an empty list)."""
    values = value if isinstance(value, list) else [value]
    return _common({_kind(item) for item in values if item is not None})


def _common(kinds: set[FieldType | None]) -> FieldType | None:
    if kinds == {FieldType.DATE, FieldType.KEYWORD}:
        return FieldType.KEYWORD
    return next(iter(kinds)) if len(kinds) == 1 else None


def _kind(value: Any) -> FieldType | None:
    match value:
        case bool():
            return FieldType.BOOLEAN
        case int() | float() if abs(value) < 1e300:
            return FieldType.NUMBER
        case str() if len(value.encode()) > MAX_KEYWORD_BYTES:
            return None
        case str():
            return FieldType.DATE if _is_date(value) else FieldType.KEYWORD
    return None


def _fits(value: Any, declared: FieldType) -> bool:
    kind = _kind(value)
    return kind is declared or (declared is FieldType.KEYWORD and kind is FieldType.DATE)


def _is_date(value: str) -> bool:
    return bool(_IS_DATE.fullmatch(value)) and parse_date(value) is not None


def indexed(metadata: Mapping[str, Any], schema: Schema) -> dict[str, dict[str, Any]]:
    """Metadata as it lies in the index: by type, then by name; nulls and empty lists are left out."""
    by_type: dict[str, dict[str, Any]] = {}
    for name, value in metadata.items():
        if value is not None and value != [] and name in schema:
            kind = schema[name]
            by_type.setdefault(kind.value, {})[name] = _written(value) if kind is FieldType.DATE else value
    return by_type


def _written(dates: Any) -> Any:
    """Dates as the engine reads them: "2024-01-31 10:00" and an offset with seconds it does not."""
    if isinstance(dates, list):
        return [_written(one) for one in dates if one is not None]
    parsed = parse_date(dates)
    return parsed.isoformat() if parsed else dates
