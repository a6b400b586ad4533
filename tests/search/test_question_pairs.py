"""Fitting and judging on pairs: the arithmetic, and the pairs of our own."""

from collections import Counter
from dataclasses import replace

import pytest

from search.evaluation.question_pairs import Pair, Scored, Thresholds, curve, fitted, parse, rates
from search.management.commands.evaluate_semantic_cache import OWN_PAIRS
from search.semantic_cache import asks_the_same


def scored(cosine: float, word_cosine: float, *, same: bool, kind: str = "name") -> Scored:
    return Scored(Pair("a", "b", same, kind, "fit"), cosine, word_cosine)


SCORED = [
    *(scored(0.9, 1.0, same=True) for _ in range(8)),
    scored(0.72, 1.0, same=True),
    scored(0.9, 0.71, same=True),
    *(scored(0.95, -1.0, same=False) for _ in range(9)),
    scored(0.9, 0.66, same=False),
]


def test_rates_count_hits_and_false_ones_apart() -> None:
    found = rates(SCORED, Thresholds(0.7, 0.6))
    assert (found["hits"], found["hit_rate"]) == (10, 1.0)
    assert (found["false_hits"], found["false_hit_rate"], found["false_by_kind"]) == (1, 0.1, {"name": 1})


def test_thresholds_are_fitted_without_false_hits_and_as_high_as_costs_little() -> None:
    assert fitted(SCORED) == Thresholds(0.7, 0.7)
    without_rare_ones = [each for each in SCORED if each.cosine >= 0.9 and each.word_cosine != 0.71]
    assert fitted(without_rare_ones) == Thresholds(0.9, 1.0)


def test_where_nothing_is_safe_only_equals_are_hit() -> None:
    assert fitted([replace(each, word_cosine=1.0, cosine=0.99) for each in SCORED]) == Thresholds(1.0, 1.0)


def test_the_curve_falls_and_may_leave_the_second_check_out() -> None:
    guarded, bare = curve(SCORED, word_cosine=0.7), curve(SCORED, word_cosine=-1.0)
    assert [point["hits"] for point in guarded] == sorted((p["hits"] for p in guarded), reverse=True)
    assert (guarded[0]["false_hits"], bare[0]["false_hits"]) == (0, 10)


def test_a_file_of_pairs_needs_only_both_questions_and_whether_they_are_the_same() -> None:
    assert parse(['{"first": "a", "second": "b", "same": true}', ""]) == [Pair("a", "b", True, "", "judge")]


def test_our_own_pairs_are_many_of_every_kind_and_no_half_has_those_of_the_other() -> None:
    pairs = parse(OWN_PAIRS.read_text().splitlines())
    kinds = Counter(pair.kind for pair in pairs if not pair.same)
    assert sum(pair.same for pair in pairs) >= 300
    assert sum(kinds.values()) >= 300
    assert {"number", "name", "negation", "date", "product", "antonym", "unit", "order"} <= set(kinds)
    halves = {half: {pair.first for pair in pairs if pair.half == half} for half in ("fit", "judge")}
    assert halves["fit"].isdisjoint(halves["judge"])
    assert len({(pair.first, pair.second) for pair in pairs}) == len(pairs)


@pytest.mark.parametrize("half", ["fit", "judge"])
def test_on_our_own_pairs_few_hits_are_false_and_many_paraphrases_hit(half: str) -> None:
    pairs = [pair for pair in parse(OWN_PAIRS.read_text().splitlines()) if pair.half == half]
    hits = [pair for pair in pairs if asks_the_same(pair.first, pair.second, "default")]
    false = [(pair.first, pair.second) for pair in hits if not pair.same]
    assert len(false) <= 0.01 * sum(not pair.same for pair in pairs), false
    assert len(hits) - len(false) >= 0.4 * sum(pair.same for pair in pairs)
