"""Facets and selections, typed against the schema. Pure."""

from datetime import date
from typing import Any

import pytest

from search import facets
from search.exceptions import InvalidFilter, InvalidRequest
from search.filters import schema_of, to_clause
from search.types import FacetRequest

SCHEMA = schema_of([("team", "keyword"), ("year", "number"), ("draft", "boolean"), ("due", "date")])


def clause_of(field: str, *values: Any) -> Any:
    return to_clause(facets.selections({field: list(values)}, SCHEMA)[field])


def test_a_facet_counts_what_its_field_is_made_of() -> None:
    wanted = [
        FacetRequest("team"),
        FacetRequest("due"),
        FacetRequest("published_at", interval="year"),
        FacetRequest("year", ranges=((None, 2000), (2000, None))),
        FacetRequest("metadata.due", ranges=(("2024-01-01", "2025-01-01"),)),
    ]
    kinds = [(facet.name, facet.kind) for facet in facets.resolve(wanted, SCHEMA)]
    assert kinds == [
        ("team", "values"),
        ("due", "day"),
        ("published_at", "year"),
        ("year", "ranges"),
        ("metadata.due", "ranges"),
    ]


@pytest.mark.parametrize(
    "wanted",
    [
        FacetRequest("colour"),
        FacetRequest("team", interval="year"),
        FacetRequest("team", ranges=((1, 2),)),
        FacetRequest("year", ranges=(("a", None),)),
        FacetRequest("year", ranges=((True, None),)),
        FacetRequest("year", ranges=((None, None),)),
        FacetRequest("due", ranges=(("2024-13-01", None),)),
        FacetRequest("due", interval="year", ranges=(("2024-01-01", None),)),
    ],
    ids=str,
)
def test_a_facet_that_does_not_fit_its_field_is_refused(wanted: FacetRequest) -> None:
    with pytest.raises(InvalidRequest) as error:
        facets.resolve([wanted], SCHEMA)
    assert "facets" in (error.value.fields or {})


def test_a_field_is_counted_once() -> None:
    with pytest.raises(InvalidRequest):
        facets.resolve([FacetRequest("team"), FacetRequest("team", size=2)], SCHEMA)


def test_a_range_is_named_by_its_ends() -> None:
    assert [facets.range_name(ends) for ends in ((None, 10), (10, 20.5), (date(2024, 5, 1), None))] == [
        "..10",
        "10..20.5",
        "2024-05-01..",
    ]


def test_selected_values_are_any_of_them() -> None:
    assert clause_of("team", "hr", "it")["bool"]["should"] == [
        {"terms": {"metadata.keyword.team": ["hr", "it"]}}
    ]


@pytest.mark.parametrize(
    ("period", "start", "end"),
    [
        ("2024", "2024-01-01", "2025-01-01"),
        ("2024-02", "2024-02-01", "2024-03-01"),
        ("2024-12", "2024-12-01", "2025-01-01"),
        ("2024-02-29", "2024-02-29", "2024-03-01"),
        ("2024-01-05..2024-02-01", "2024-01-05", "2024-02-01"),
    ],
)
def test_a_selected_period_is_its_days(period: str, start: str, end: str) -> None:
    assert clause_of("due", period)["bool"]["should"] == [
        {"range": {"metadata.date.due": {"gte": start, "lt": end}}}
    ]


def test_a_selected_range_of_numbers_may_be_open() -> None:
    assert clause_of("year", "2000..")["bool"]["should"] == [
        {"range": {"metadata.number.year": {"gte": 2000.0}}}
    ]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("colour", "red"),
        ("year", "x"),
        ("year", ".."),
        ("year", "1..2..3"),
        ("year", "a..b"),
        ("year", "nan..2"),
        ("year", "..inf"),
        ("due", "9999"),
        ("due", "2024-13"),
        ("due", "soon"),
        ("due", "..x"),
        ("draft", "yes"),
        ("team", {"a": 1}),
    ],
)
def test_a_selection_that_does_not_fit_its_field_is_refused(field: str, value: Any) -> None:
    with pytest.raises(InvalidRequest):
        facets.selections({field: [value]}, SCHEMA)


def test_a_hundred_values_may_be_selected_of_all_facets_together() -> None:
    chosen: dict[str, list[Any]] = {
        "team": ["hr"] * 30,
        "year": [2024] * 30,
        "due": ["2024"] * 30,
        "metadata.team": ["it"] * 10,
    }
    assert facets.selections(chosen, SCHEMA).keys() == chosen.keys()
    with pytest.raises(InvalidFilter, match="100 values"):
        facets.selections(chosen | {"draft": [True]}, SCHEMA)
