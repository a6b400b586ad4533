"""How a typed query is read. Pure."""

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.filters import schema_of
from search.types import ParsedQuery
from search.understanding import MAX_OPERATORS, parse

SCHEMA = schema_of(
    [("year", "number"), ("area", "keyword"), ("draft", "boolean"), ("due", "date"), ("part no", "keyword")]
)


def read(typed: str) -> ParsedQuery:
    return parse(typed, SCHEMA)


def comparison(field: str, op: str, value: object) -> dict[str, object]:
    return {"field": field, "op": op, "value": value}


@pytest.mark.parametrize(
    "typed",
    [
        "how do I prime the pump",
        "state-of-the-art co-operation",
        "lone - minus",
        "git --force",
        "below -5 degrees",
        'a 19" rack and a 24" screen',
        'an unbalanced "quote stays',
        "error: timeout",
        "https://example.org/a?b=c:d",
        "C:\\temp\\x",
        "at 12:30",
        "colour:red",
        "year:soon",
        "year:",
        "area:>2020",
        "draft:perhaps",
        "due:2024-13",
        "()",
        "Privatpersonen und -organisationen",
        'Articles on "what you see is what you get" systems. Examples: nroff -ms, bravo.',
        ('"first start" ' + "of a pump " * 11).strip(),
        '""',
        '-""',
    ],
)
def test_what_is_no_operator_is_plain_text(typed: str) -> None:
    parsed = read(typed)
    assert parsed.text == parsed.plain == typed
    assert (parsed.phrases, parsed.excluded, parsed.filters) == ((), (), ())


def test_a_phrase_stays_in_the_text_without_its_quotes() -> None:
    parsed = read('pump "first  start" now')
    assert (parsed.text, parsed.phrases) == ("pump first start now", ("first  start",))


@pytest.mark.parametrize("typed", ["“first start”", "„first start“", "« first start »", '("first start")'])
def test_quotes_may_be_typographic_or_in_brackets(typed: str) -> None:
    assert read(typed).phrases == ("first start",)


def test_excluded_words_and_phrases_leave_the_text() -> None:
    parsed = read('pump -motor, -"first start" valve')
    assert (parsed.text, parsed.excluded) == ("pump valve", ("motor", "first start"))


@pytest.mark.parametrize(
    ("typed", "condition"),
    [
        ("year:2024", comparison("year", "eq", 2024)),
        ("year:>2020", comparison("year", "gt", 2020)),
        ("year:<=20.5", comparison("year", "lte", 20.5)),
        ("Year:-3", comparison("year", "eq", -3)),
        ("area:hr", comparison("area", "eq", "hr")),
        ('area:"human resources"', comparison("area", "eq", "human resources")),
        ("draft:yes", comparison("draft", "eq", True)),
        ("due:>=2024-02-29", comparison("due", "gte", "2024-02-29")),
        ("due:>2020", comparison("due", "gte", "2021-01-01")),
        ("due:<=2024-12", comparison("due", "lt", "2025-01-01")),
        ("due:<2024-12", comparison("due", "lt", "2024-12-01")),
        (
            "due:2024",
            {"and": [comparison("due", "gte", "2024-01-01"), comparison("due", "lt", "2025-01-01")]},
        ),
        ("published_at:>=2024", comparison("published_at", "gte", "2024-01-01")),
        ("-area:hr", {"not": comparison("area", "eq", "hr")}),
    ],
)
def test_a_fields_value_is_a_condition_by_its_type(typed: str, condition: dict[str, object]) -> None:
    parsed = read(f"pump {typed} start")
    assert parsed.filters == (condition,)
    assert parsed.text == "pump start"


def test_operators_alone_leave_no_text() -> None:
    assert read("year:2024 -draft").text == ""


def test_operators_are_blanked_where_they_stood() -> None:
    typed = 'pump year:2024 "first start" -x'
    plain = read(typed).plain
    assert len(plain) == len(typed)
    assert plain.index("first") == typed.index("first")


def test_more_operators_than_the_bound_are_text() -> None:
    parsed = read(" ".join(["-word"] * (MAX_OPERATORS + 2)))
    assert len(parsed.excluded) == MAX_OPERATORS
    assert parsed.text == "-word -word"


@pytest.mark.parametrize(
    ("typed", "codes"),
    [
        ("error E-21 on start", ("E-21",)),
        ("AB-1234/5, v2.3.1. and 0x8007!", ("AB-1234/5", "v2.3.1", "0x8007")),
        ("the iso standard ISO 9001", ("ISO9001",)),
        ("in 2024 there were 3.5 or 10 000", ()),
        ("no digits at-all", ()),
        ("第E-21号", ("E-21",)),
    ],
)
def test_codes_are_kept_whole(typed: str, codes: tuple[str, ...]) -> None:
    assert read(typed).codes == codes


operators = st.sampled_from(
    ['"', "-", ":", "year:", "area:", ">", " ", "2024", "wort", "“", "(", "日本", ".", "\x00"]
)
queries = st.one_of(st.text(max_size=200), st.lists(operators, max_size=30).map("".join))


@given(queries)
def test_any_text_can_be_read_and_keeps_its_places(typed: str) -> None:
    parsed = read(typed)
    assert len(parsed.plain) == len(typed)
    assert parsed.text == " ".join(parsed.plain.split())


@given(queries.filter(lambda typed: not set(typed) & set('"“”„‟«»')))
def test_what_was_read_as_text_is_text_when_it_is_read_again(typed: str) -> None:
    text = read(typed).text
    again = read(text)
    if len(read(typed).excluded) + len(read(typed).filters) < MAX_OPERATORS:
        assert (again.text, again.excluded, again.filters) == (text, (), ())


@given(
    st.lists(
        st.sampled_from(["-motor", "year:>2020", "pump", "area:hr", '"first start"', "valve"]),
        max_size=MAX_OPERATORS,
    )
)
def test_no_operator_is_left_in_the_text(parts: list[str]) -> None:
    text = read(" ".join(parts)).text
    assert set(text.split()) <= {"pump", "valve", "first", "start"}


def test_an_ordinary_query_is_read_in_well_under_a_tenth_of_a_millisecond() -> None:
    def took() -> float:
        before = time.perf_counter()
        for _ in range(100):
            read("how long does the pump P-4711 have to be primed before its first start")
        return (time.perf_counter() - before) / 100

    assert min(took() for _ in range(20)) < 1e-4
