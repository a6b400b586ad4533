"""Maximal marginal relevance, against the formula by hand. Pure."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from search.diversity import diversified


def unit(*rows: tuple[float, float]) -> np.ndarray:
    vectors = np.array(rows)
    scaled: np.ndarray = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return scaled


def test_no_diversity_keeps_the_order() -> None:
    assert diversified([3.0, 2.0, 1.0], unit((1, 0), (1, 0), (0, 1)), diversity=0.0) == [0, 1, 2]


def test_a_repetition_falls_behind_what_says_something_else() -> None:
    assert diversified([3.0, 2.9, 1.0], unit((1, 0), (1, 0.01), (0, 1)), diversity=0.6) == [0, 2, 1]


def test_full_diversity_takes_the_least_similar_next() -> None:
    assert diversified([3.0, 2.0, 1.0], unit((1, 0), (1, 1), (0, 1)), diversity=1.0) == [0, 2, 1]


def test_nothing_to_order_is_nothing() -> None:
    assert diversified([], np.zeros((0, 2)), diversity=0.5) == []


@given(st.lists(st.floats(-5, 5), min_size=1, max_size=12), st.floats(0, 1), st.integers(0, 100))
def test_every_hit_stays_and_the_best_comes_first(scores: list[float], diversity: float, seed: int) -> None:
    vectors = np.random.default_rng(seed).normal(size=(len(scores), 4))
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    order = diversified(scores, vectors, diversity=diversity)
    assert sorted(order) == list(range(len(scores)))
    if diversity < 1:
        scaled = np.array(scores) - min(scores)
        assert scaled[order[0]] == max(scaled)
