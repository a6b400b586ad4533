"""What the page says about how a query was read. Pure."""

from search.filters import schema_of
from search.page_query import PageQuery
from search.page_reading import ReadingView, reading_view
from search.rendering import reading_json
from search.types import QueryReading
from search.understanding import parse

SCHEMA = schema_of([("year", "number"), ("draft", "boolean"), ("due", "date")])


def view(typed: str, *, corrected: str | None = None, did_you_mean: str | None = None) -> ReadingView:
    query = PageQuery(text=typed)
    return reading_view(reading_json(QueryReading(parse(typed, SCHEMA), corrected, did_you_mean)), query)


def test_operators_are_said_in_words() -> None:
    assert view('"first start" -motor year:>2020 -draft:yes due:2024').operators == (
        ("exactly", "“first start”"),
        ("without", "motor"),
        ("where", "Year is over 2020"),
        ("where", "not: Draft is Yes"),
        ("where", "Due is from 2024-01-01 and Due is under 2025-01-01"),
    )


def test_plain_words_need_no_word_about_them() -> None:
    assert view("pump start") == ReadingView((), "", "", None, None)


def test_a_corrected_query_can_be_asked_as_it_was_typed() -> None:
    read = view("pmup first start", corrected="pump first start")
    assert read.corrected == "pump first start"
    assert read.as_typed == ("pmup first start", "?q=%22pmup%22+first+start")


def test_a_suggestion_is_a_link_to_its_search() -> None:
    assert view('"frist start"', did_you_mean='"first start"').did_you_mean == (
        '"first start"',
        "?q=%22first+start%22",
    )
