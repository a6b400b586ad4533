"""Which words are looked up, and what is put in their place. Pure."""

import pytest

from search.filters import schema_of
from search.spelling import corrected, is_sure, spelled_words, suggest_body, suggestions
from search.understanding import parse

SCHEMA = schema_of([("area", "keyword")])


def test_words_of_letters_are_looked_up_and_codes_and_operators_are_not() -> None:
    parsed = parse('Pmup E-21 v2start 2024 the "frist start" -motro area:hrr pmup don\'t 東京都庁舎', SCHEMA)
    assert spelled_words(parsed) == ("pmup", "frist", "start", "東京都庁舎")


def test_short_words_are_looked_up_within_one_edit_and_long_ones_within_two() -> None:
    body = suggest_body(("pmup", "maintainance"))
    assert {name: (part["text"], part["term"]["max_edits"]) for name, part in body.items()} == {
        "short": ("pmup", 1),
        "long": ("maintainance", 2),
    }
    assert {part["term"]["suggest_mode"] for part in body.values()} == {"missing"}


def test_words_without_options_are_no_suggestions() -> None:
    entries = [
        {"text": "pmup", "options": [{"text": "pump"}, {"text": "pomp"}]},
        {"text": "start", "options": []},
    ]
    assert suggestions({"suggest": {"short": entries}}) == {"pmup": ("pump", "pomp")}
    assert suggestions({}) == {}


@pytest.mark.parametrize(
    ("word", "better", "is_it"),
    [
        ("pmup", "pump", True),
        ("valev", "valve", True),
        ("vallve", "valve", True),
        ("ajacency", "adjacency", True),
        ("parentel", "parental", True),
        ("hope", "home", False),
        ("trust", "thrust", False),
        ("percentage", "parentage", False),
        ("unnecessarily", "unnecessary", False),
    ],
)
def test_only_what_is_likely_a_typing_error_is_put_right_unasked(word: str, better: str, is_it: bool) -> None:
    assert is_sure(word, better, parse(word, SCHEMA)) is is_it


def test_what_is_in_quotes_was_meant_so() -> None:
    assert not is_sure("pmup", "pump", parse('"the pmup"', SCHEMA))


def test_a_correction_leaves_operators_and_other_words_as_they_were_typed() -> None:
    parsed = parse('Pmup "of the pmup" -pmup area:pmup, Start', SCHEMA)
    assert corrected(parsed, {"pmup": "pump"}) == 'pump "of the pump" -pmup area:pmup, Start'
