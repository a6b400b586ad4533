"""Lines of synonyms, and what they add to a query. Pure."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.exceptions import InvalidSynonyms
from search.synonyms import Expansion, parse_rules, thesaurus


def also(rules: str, text: str) -> dict[str, tuple[str, ...]]:
    found = thesaurus(parse_rules(rules)).expansions(text)
    return {text[one.start : one.end]: one.also for one in found}


def test_equivalents_find_one_another() -> None:
    assert also("car, automobile, motor car", "my Automobile") == {"Automobile": ("car", "motor car")}
    assert also("car, automobile, motor car", "a motor car") == {"motor car": ("car", "automobile")}


def test_one_way_rules_go_one_way() -> None:
    rules = "notebook, netbook => laptop"
    assert also(rules, "netbook") == {"netbook": ("laptop",)}
    assert also(rules, "laptop") == {}


def test_the_longest_term_counts_and_terms_do_not_overlap() -> None:
    rules = "heat pump, hp\nheat, warmth\npump station, plant"
    assert also(rules, "heat pump station") == {"heat pump": ("hp",)}


def test_lines_about_the_same_word_add_up() -> None:
    assert also("car, auto\ncar => vehicle", "car") == {"car": ("auto", "vehicle")}


def test_case_and_an_s_at_the_end_do_not_count() -> None:
    assert also("Invoice, bill", "INVOICES") == {"INVOICES": ("bill",)}
    assert also("glass, pane", "glas") == {}


def test_scripts_without_spaces_are_found_inside_a_text() -> None:
    assert also("水泵, 抽水机", "如何维护水泵") == {"水泵": ("抽水机",)}


def test_comments_and_empty_lines_say_nothing() -> None:
    assert parse_rules("# all of it\n\ncar, auto # why\n") == parse_rules("car, auto")


@pytest.mark.parametrize(
    ("rules", "problem"),
    [
        ("car, auto\njust one", "Line 2: synonyms are at least two"),
        ("car, Cars", "Line 1: synonyms are at least two"),
        ("a => b => c", "Line 1: => may stand there once"),
        ("car,, auto", "Line 1: a word is missing"),
        ("=> auto", "Line 1: a word is missing"),
        ("\n\ncar =>", "Line 3: a word is missing"),
        ("one two three four five six seven, x", "Line 1: 'one two three four five six seven' has more"),
        (",".join("abcdefghijklmnopqrstuvw"), "Line 1: a side has 20"),
    ],
)
def test_a_bad_line_is_named_by_its_number(rules: str, problem: str) -> None:
    with pytest.raises(InvalidSynonyms) as refused:
        parse_rules(rules)
    assert refused.value.problems[0].startswith(problem)


def test_every_bad_line_is_named() -> None:
    with pytest.raises(InvalidSynonyms) as refused:
        parse_rules("one\ncar, auto\ntwo")
    assert [problem[:6] for problem in refused.value.problems] == ["Line 1", "Line 3"]


@given(st.text(max_size=100))
def test_expansions_are_parts_of_any_text_in_order(text: str) -> None:
    found = thesaurus(parse_rules("a, b\nc d => e\nß, ss t")).expansions(text)
    assert all(one.start < one.end <= len(text) for one in found)
    assert [one.start for one in found] == sorted(one.start for one in found)
    assert all(before.end <= after.start for before, after in pairwise(found))


def test_without_rules_nothing_is_added() -> None:
    assert thesaurus(()).expansions("car") == ()
    assert Expansion(0, 1, ("x",)) in thesaurus(parse_rules("a, x")).expansions("a")
