"""Paired tests against cases counted by hand and against scipy's own."""

import itertools

import numpy as np
import pytest
from scipy import stats

from search.evaluation.significance import (
    bootstrap_interval,
    compare,
    effect_size,
    paired_t_p,
    sign_flip_p,
)


def by_enumeration(differences: list[float]) -> float:
    observed = abs(sum(differences))
    flipped = [
        abs(sum(sign * value for sign, value in zip(signs, differences, strict=True)))
        for signs in itertools.product((1, -1), repeat=len(differences))
    ]
    return sum(value >= observed - 1e-12 for value in flipped) / len(flipped)


def test_few_queries_are_flipped_in_every_way() -> None:
    for differences in ([0.2, 0.1, 0.3, -0.05], [0.5], [0.1, -0.1], [0.0, 0.0, 0.0]):
        assert sign_flip_p(np.array(differences)) == pytest.approx(by_enumeration(differences))


def test_many_queries_give_nearly_the_p_of_the_t_test() -> None:
    differences = np.random.default_rng(3).normal(0.02, 0.15, 300)
    assert sign_flip_p(differences) == pytest.approx(stats.ttest_1samp(differences, 0.0).pvalue, abs=0.01)


def test_the_paired_t_test_is_scipys() -> None:
    rng = np.random.default_rng(1)
    for count in (2, 5, 50, 400):
        first, second = rng.random(count), rng.random(count)
        assert paired_t_p(second - first) == pytest.approx(stats.ttest_rel(second, first).pvalue)


def test_equal_runs_are_not_told_apart() -> None:
    found = compare({"a": 0.5, "b": 0.1}, {"a": 0.5, "b": 0.1})
    assert (found.difference, found.p, found.p_t, found.effect) == (0.0, 1.0, 1.0, 0.0)
    assert (found.ties, found.gains, found.losses) == (2, {}, {})
    assert not found.is_significantly_worse()
    assert not found.is_significantly_better()


def test_equal_runs_are_called_different_as_seldom_as_the_level_says() -> None:
    rng = np.random.default_rng(5)
    worse = 0
    for _ in range(300):
        second = {str(number): float(value) for number, value in enumerate(rng.normal(0.0, 0.1, 40))}
        worse += compare(dict.fromkeys(second, 0.0), second).is_significantly_worse()
    assert 3 <= worse <= 30


def test_a_run_that_loses_on_most_queries_is_significantly_worse() -> None:
    rng = np.random.default_rng(2)
    first = {f"q{number}": float(value) for number, value in enumerate(rng.random(60))}
    second = {query: value - 0.05 + float(rng.normal(0, 0.03)) for query, value in first.items()}
    found = compare(first, second)
    assert found.is_significantly_worse()
    assert not found.is_significantly_better()
    assert compare(second, first).is_significantly_better()
    assert found.low < found.difference < found.high < 0
    assert found.difference == pytest.approx(-0.05, abs=0.02)


def test_gains_and_losses_come_the_greatest_first() -> None:
    found = compare({"a": 0.0, "b": 0.5, "c": 1.0, "d": 0.2}, {"a": 0.1, "b": 0.9, "c": 0.4, "d": 0.2})
    assert list(found.gains) == ["b", "a"]
    assert list(found.losses) == ["c"]
    assert found.ties == 1


def test_only_queries_of_both_runs_count() -> None:
    found = compare({"a": 0.0, "only first": 1.0}, {"a": 0.5, "only second": 0.0})
    assert (found.first, found.second) == (0.0, 0.5)
    with pytest.raises(ValueError, match="no query in common"):
        compare({"a": 1.0}, {"b": 1.0})


def test_the_interval_and_the_effect_are_those_of_the_differences() -> None:
    differences = np.random.default_rng(9).normal(0.1, 0.2, 200)
    low, high = bootstrap_interval(differences)
    margin = 1.96 * differences.std(ddof=1) / np.sqrt(200)
    assert (low, high) == pytest.approx((differences.mean() - margin, differences.mean() + margin), abs=0.004)
    assert effect_size(differences) == pytest.approx(differences.mean() / differences.std(ddof=1))
    assert bootstrap_interval(differences) == (low, high)  # the same queries, the same figures
