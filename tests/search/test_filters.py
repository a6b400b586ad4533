"""Typed filters: what they become, and how each mistake is named. Pure."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from search.exceptions import InvalidFilter
from search.filters import MAX_CONDITIONS, door, parse, schema_of, to_clause
from search.types import Principal

SCHEMA = schema_of(
    [("area", "keyword"), ("year", "number"), ("draft", "boolean"), ("due", "date"), ("source", "keyword")]
)
NOW = datetime(2026, 11, 22, tzinfo=UTC)


def clause(raw: dict[str, Any]) -> dict[str, Any]:
    node = parse(raw, SCHEMA)
    assert node is not None
    return to_clause(node)


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (("area", "eq", "hr"), {"term": {"metadata.keyword.area": {"value": "hr"}}}),
        (("area", "in", ["hr", "it"]), {"terms": {"metadata.keyword.area": ["hr", "it"]}}),
        (("area", "prefix", "h"), {"prefix": {"metadata.keyword.area": {"value": "h"}}}),
        (("area", "exists", True), {"exists": {"field": "metadata.keyword.area"}}),
        (
            ("area", "ne", "hr"),
            {"bool": {"must_not": [{"term": {"metadata.keyword.area": {"value": "hr"}}}]}},
        ),
        (("area", "nin", ["hr"]), {"bool": {"must_not": [{"terms": {"metadata.keyword.area": ["hr"]}}]}}),
        (("year", "gte", 2020), {"range": {"metadata.number.year": {"gte": 2020}}}),
        (("draft", "eq", False), {"term": {"metadata.boolean.draft": {"value": False}}}),
        (
            ("due", "eq", "2025-01-31"),
            {"range": {"metadata.date.due": {"gte": "2025-01-31", "lt": "2025-02-01"}}},
        ),
        (("due", "lte", "2025-01-31"), {"range": {"metadata.date.due": {"lt": "2025-02-01"}}}),
        (("due", "gt", "2025-01-31"), {"range": {"metadata.date.due": {"gte": "2025-02-01"}}}),
        (
            ("due", "lt", "2025-01-31T12:00:00Z"),
            {"range": {"metadata.date.due": {"lt": "2025-01-31T12:00:00+00:00"}}},
        ),
        (("source", "eq", "hb"), {"term": {"source": {"value": "hb"}}}),
        (("metadata.source", "eq", "hb"), {"term": {"metadata.keyword.source": {"value": "hb"}}}),
    ],
)
def test_a_comparison_becomes_its_clause(raw: tuple[str, str, Any], expected: dict[str, Any]) -> None:
    assert clause({"field": raw[0], "op": raw[1], "value": raw[2]}) == expected


def test_groups_nest() -> None:
    hr = {"field": "area", "op": "eq", "value": "hr"}
    term = {"term": {"metadata.keyword.area": {"value": "hr"}}}
    assert clause({"and": [hr, {"or": [hr, {"not": hr}]}]}) == {
        "bool": {
            "filter": [
                term,
                {"bool": {"should": [term, {"bool": {"must_not": [term]}}], "minimum_should_match": 1}},
            ]
        }
    }


def nested(depth: int) -> dict[str, Any]:
    node: dict[str, Any] = {"field": "area", "op": "eq", "value": "x"}
    for _ in range(depth):
        node = {"not": node}
    return node


@pytest.mark.parametrize(
    ("raw", "named"),
    [
        ({"field": "colour", "op": "eq", "value": 1}, "colour"),
        ({"field": "year", "op": "prefix", "value": "2"}, "year"),
        ({"field": "area", "op": "gt", "value": "a"}, "area"),
        ({"field": "year", "op": "eq", "value": "2025"}, "year"),
        ({"field": "year", "op": "eq", "value": True}, "year"),
        ({"field": "draft", "op": "eq", "value": 1}, "draft"),
        ({"field": "due", "op": "eq", "value": "soon"}, "due"),
        ({"field": "area", "op": "in", "value": "hr"}, "area"),
        ({"field": "area", "op": "in", "value": []}, "area"),
        ({"field": "area", "op": "exists", "value": "yes"}, "area"),
        ({"field": "area", "op": "eq"}, "area"),
        ({"field": "area", "op": ["eq"], "value": "x"}, "area"),
    ],
)
def test_a_mistake_names_its_field(raw: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidFilter) as error:
        parse(raw, SCHEMA)
    assert named in (error.value.fields or {})


@pytest.mark.parametrize(
    "raw",
    [
        [],
        "x",
        3,
        {"and": []},
        {"and": {}, "or": []},
        {"field": "area", "op": "eq", "value": "x", "boost": 2},
        nested(9),
    ],
)
def test_a_malformed_filter_is_refused(raw: Any) -> None:
    with pytest.raises(InvalidFilter):
        parse(raw, SCHEMA)


def test_no_filter_is_none() -> None:
    assert parse(None, SCHEMA) is None
    assert parse({}, SCHEMA) is None


def test_the_door_always_adds_tenant_access_and_dates() -> None:
    principal = Principal(1, UUID(int=5), ("hr", "board", "hr"))
    assert door(principal, now=NOW, hidden=[7]) == {
        "bool": {
            "filter": [
                {"term": {"tenant": {"value": str(UUID(int=5))}}},
                {"terms": {"access": ["*", "board", "hr"]}},
            ],
            "must_not": [
                {"range": {"visible_from": {"gt": NOW.isoformat()}}},
                {"range": {"expires_at": {"lte": NOW.isoformat()}}},
                {"terms": {"document_id": [7]}},
            ],
        }
    }


def test_the_callers_filter_can_only_narrow_the_door() -> None:
    principal = Principal(1, UUID(int=5))
    everything = parse({"or": [{"field": "area", "op": "exists", "value": v} for v in (True, False)]}, SCHEMA)
    clauses = door(principal, now=NOW, filters=everything)["bool"]["filter"]
    assert {"terms": {"access": ["*"]}} in clauses
    assert len(clauses) == 3


@pytest.mark.parametrize("op", ["eq", "gt", "gte", "lt", "lte"])
def test_the_last_day_there_is_may_be_filtered_by(op: str) -> None:
    schema = schema_of([("due", "date")])
    node = parse({"field": "due", "op": op, "value": "9999-12-31"}, schema)
    assert node is not None
    [bounds] = to_clause(node)["range"].values()
    assert all(bound.startswith("9999-12-31") for bound in bounds.values())


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ("2024-01-01T00:00:00+00:00:30", "2023-12-31T23:59:30+00:00"),
        ("2024-01-01T00:00:00-05:30", "2024-01-01T05:30:00+00:00"),
        ("2024-01-01 10:00", "2024-01-01T10:00:00+00:00"),
    ],
)
def test_a_moment_is_sent_as_the_engine_reads_it(written: str, sent: str) -> None:
    bounds = clause({"field": "due", "op": "gt", "value": written})["range"]["metadata.date.due"]
    assert bounds == {"gt": sent}


@pytest.mark.parametrize("moment", ["9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59"])
def test_a_moment_outside_the_years_that_there_are_is_refused(moment: str) -> None:
    with pytest.raises(InvalidFilter, match="date values are taken"):
        parse({"field": "due", "op": "eq", "value": moment}, SCHEMA)


@pytest.mark.parametrize("op", ["in", "nin"])
def test_each_date_of_a_list_is_a_condition(op: str) -> None:
    days = [f"{year}-01-31" for year in range(2000, 2000 + MAX_CONDITIONS)]
    with pytest.raises(InvalidFilter, match="each date of a list"):
        parse({"and": [{"field": "due", "op": op, "value": days}]}, SCHEMA)
    assert parse({"field": "due", "op": op, "value": days}, SCHEMA)
    assert parse({"field": "area", "op": op, "value": [*days, *map(str, range(900))]}, SCHEMA)
