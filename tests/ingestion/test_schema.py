"""Metadata against the tenant's field schema. Pure."""

from typing import Any

import pytest

from ingestion.exceptions import DocumentRefused
from ingestion.schema import indexed, new_fields
from search.types import FieldType

KEYWORD, NUMBER, BOOLEAN, DATE = FieldType.KEYWORD, FieldType.NUMBER, FieldType.BOOLEAN, FieldType.DATE


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("text", KEYWORD),
        (3, NUMBER),
        (2.5, NUMBER),
        (True, BOOLEAN),
        ("2025-01-31", DATE),
        ("2025-01-31T10:00:00Z", DATE),
        ("2025-13-31", KEYWORD),
        (["a", "b"], KEYWORD),
        (["2025-01-31", "later"], KEYWORD),
    ],
)
def test_a_field_takes_the_type_first_seen(value: Any, kind: FieldType) -> None:
    assert new_fields({"f": value}, {}) == {"f": kind}


@pytest.mark.parametrize("value", [None, []])
def test_a_value_that_says_nothing_declares_nothing(value: Any) -> None:
    assert new_fields({"f": value}, {}) == {}


@pytest.mark.parametrize(
    ("name", "value", "schema"),
    [
        ("f", "soon", {"f": NUMBER}),
        ("f", True, {"f": NUMBER}),
        ("f", 1, {"f": BOOLEAN}),
        ("f", "soon", {"f": DATE}),
        ("f", {"deep": 1}, {}),
        ("f", [1, "a"], {}),
        ("f", [[1]], {}),
        ("f", float("inf"), {}),
        ("f", "x" * 9000, {}),
        ("a b", 1, {}),
        ("1a", 1, {}),
        ("", 1, {}),
    ],
)
def test_a_value_that_does_not_fit_is_refused_by_name(
    name: str, value: Any, schema: dict[str, FieldType]
) -> None:
    with pytest.raises(DocumentRefused) as error:
        new_fields({name: value}, schema)
    assert f"metadata.{name}" in (error.value.fields or {})


def test_a_keyword_field_takes_text_that_looks_like_a_date() -> None:
    assert new_fields({"f": "2025-01-31"}, {"f": KEYWORD}) == {}


def test_a_hundred_fields_are_the_most() -> None:
    schema = {f"f{n}": NUMBER for n in range(99)}
    assert new_fields({"g": 1}, schema) == {"g": NUMBER}
    with pytest.raises(DocumentRefused):
        new_fields({"g": 1, "h": 2}, schema)


def test_metadata_lies_in_the_index_by_type() -> None:
    schema = {"year": NUMBER, "area": KEYWORD}
    assert indexed({"year": 2025, "area": None, "unknown": 1}, schema) == {"number": {"year": 2025}}


def test_dates_lie_in_the_index_as_the_engine_reads_them() -> None:
    written = ["2024-01-31", "2024-01-31 10:00", "2024-01-31T10:00:00+00:00:30", None]
    read = ["2024-01-31", "2024-01-31T10:00:00+00:00", "2024-01-31T09:59:30+00:00"]
    assert indexed({"due": written, "start": written[1]}, {"due": DATE, "start": DATE}) == {
        "date": {"due": read, "start": read[1]}
    }
