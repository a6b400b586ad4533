"""Which rules a query meets, and what they do together. Pure."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.curation import (
    Curation,
    Match,
    Rule,
    RuleSet,
    contradiction,
    is_contained,
    is_safe_address,
    normalised,
)
from search.types import Redirect

NOW = datetime(2026, 1, 1, tzinfo=UTC)
HOUR = timedelta(hours=1)


def rule(number: int = 1, match: Match = Match.EXACT, *queries: str, **options: Any) -> Rule:
    return Rule(number, match, queries or ("parental leave",), **options)


def curation(query: str, *rules: Rule, vector: Any = None, now: datetime = NOW) -> Curation:
    return RuleSet(rules).curation(query, vector=vector, now=now)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Parental Leave", "parental leave"),
        ("  parental   leave? ", "parental leave"),
        ("café à la carte", "Cafe a la Carte"),
        ("P-4711", "p 4711"),
        ("Straße", "STRASSE"),
        ("ｆｕｌｌ", "full"),
        ("snake_case", "snake case"),
    ],
)
def test_what_people_type_differently_is_equal(one: str, other: str) -> None:
    assert normalised(one) == normalised(other)


@pytest.mark.parametrize(
    ("one", "other"), [("C++", "C"), ("C#", "C"), ("が", "か"), ("हिंदी", "हद"), ("4711", "471")]
)
def test_what_means_another_thing_stays_apart(one: str, other: str) -> None:
    assert normalised(one) != normalised(other)


@given(st.text())
def test_normalising_twice_changes_nothing(text: str) -> None:
    assert normalised(normalised(text)) == normalised(text)


def test_an_exact_rule_is_met_by_the_whole_query_alone() -> None:
    pins = rule(pins=(7,))
    assert curation("Parental leave!", pins).pins == (7,)
    assert curation("parental leave in France", pins) == Curation()


def test_a_contained_rule_is_met_as_whole_words() -> None:
    pins = rule(1, Match.CONTAINED, "leave", pins=(7,))
    assert curation("how long is parental leave?", pins).pins == (7,)
    assert curation("cleaver and leaves", pins) == Curation()


def test_a_script_without_spaces_is_contained_anywhere() -> None:
    assert is_contained("育儿假", normalised("员工育儿假有多长"))
    assert not is_contained("育儿假", normalised("员工病假有多长"))


def test_a_near_rule_needs_the_embedding_and_its_cosine() -> None:
    pins = rule(1, Match.NEAR, pins=(7,), least_cosine=0.8, vectors=np.array([[1.0, 0.0]]))
    assert curation("time off for new mothers", pins, vector=np.array([0.9, 0.436])).pins == (7,)
    assert curation("time off for new mothers", pins, vector=np.array([0.7, 0.714])) == Curation()
    assert curation("time off for new mothers", pins) == Curation()


def test_rules_apply_in_order_of_priority_and_the_first_to_name_a_document_holds() -> None:
    first = rule(2, pins=(3, 1), priority=10)
    second = rule(1, pins=(2,), hides=(3, 4), priority=20, redirect=Redirect("/a", "A"))
    third = rule(3, pins=(4, 5), priority=30, redirect=Redirect("/b", "B"))
    met = curation("parental leave", third, second, first)
    assert met.pins == (3, 1, 2, 5)
    assert met.hides == {4}
    assert met.redirect == Redirect("/a", "A")
    assert met.rules == (2, 1, 3)


def test_dates_decide_whether_a_rule_holds() -> None:
    dated = rule(pins=(7,), starts_at=NOW, ends_at=NOW + HOUR)
    assert curation("parental leave", dated, now=NOW - HOUR) == Curation()
    assert curation("parental leave", dated, now=NOW).pins == (7,)
    assert curation("parental leave", dated, now=NOW + HOUR) == Curation()


def test_the_epoch_moves_on_whenever_a_rule_starts_or_ends() -> None:
    rules = RuleSet([rule(starts_at=NOW, ends_at=NOW + HOUR), rule(2, starts_at=NOW + HOUR)])
    moments = [NOW - HOUR, NOW, NOW + HOUR / 2, NOW + HOUR, NOW + 2 * HOUR]
    assert [rules.epoch(moment) for moment in moments] == [0, 1, 1, 2, 2]


def test_a_pin_against_a_hide_for_the_same_query_is_a_contradiction() -> None:
    pins = rule(1, pins=(7,))
    hides = rule(2, Match.CONTAINED, "leave", hides=(7,))
    assert contradiction(pins, [hides]) == (hides, 7)
    assert contradiction(hides, [pins]) == (pins, 7)


@pytest.mark.parametrize(
    "other",
    [
        rule(2, Match.EXACT, "sick leave", hides=(7,)),
        rule(2, hides=(8,)),
        rule(2, pins=(7,)),
        rule(2, hides=(7,), starts_at=NOW),
    ],
)
def test_rules_that_never_meet_or_agree_do_not_contradict(other: Rule) -> None:
    assert contradiction(rule(1, pins=(7,), ends_at=NOW), [other]) is None


@pytest.mark.parametrize("url", ["https://example.org/a?b#c", "HTTP://example.org", "/t/acme/?q=x", "/"])
def test_a_redirect_may_lead_to_the_web_or_to_a_path_here(url: str) -> None:
    assert is_safe_address(url)


@pytest.mark.parametrize(
    "url",
    ["//evil.example", "/\\evil.example", "\\\\evil", "javascript:alert(1)", "data:text/html,x", "https://",
     "http:///x", "ftp://example.org", "evil.example", " /x", "/a\nb", "https://e.org/\\x", "/\u202ex"],
)  # fmt: skip
def test_a_redirect_leads_nowhere_else(url: str) -> None:
    assert not is_safe_address(url)


_documents = st.lists(st.integers(1, 6), max_size=4, unique=True).map(tuple)
_rules = st.lists(
    st.builds(
        Rule,
        id=st.integers(1, 99),
        match=st.sampled_from([Match.EXACT, Match.CONTAINED]),
        queries=st.just(("leave",)),
        pins=_documents,
        hides=_documents,
        priority=st.integers(1, 3),
    ),
    max_size=5,
)


@given(_rules)
def test_nothing_is_pinned_twice_or_both_pinned_and_hidden(rules: list[Rule]) -> None:
    met = curation("leave", *rules)
    assert len(set(met.pins)) == len(met.pins)
    assert met.hides.isdisjoint(met.pins)
