"""Fused scores computed again from the legs' windows. That they are the engine's is shown in test_explanation."""

import pytest

from search.fusion import FusedParts, fused_parts
from search.pipelines import FusionSpec
from search.types import Fusion

LEXICAL = {"a": 8.0, "b": 4.0, "c": 2.0}
VECTOR = {"b": 0.9, "d": 0.65, "a": 0.5}
FLOOR = 0.55  # the engine's score of a cosine of .1


def parts(technique: Fusion = Fusion.MIN_MAX) -> dict[str, FusedParts]:
    spec = FusionSpec(technique=technique, vector_weight=0.4, rank_constant=60, unrelated_cosine=0.1)
    return fused_parts(LEXICAL, VECTOR, spec)


def test_min_max_scales_from_unrelated_to_the_best() -> None:
    b = parts()["b"]
    assert b.lexical
    assert b.vector
    assert (b.lexical.normalised, b.vector.normalised) == (0.5, 1.0)
    assert b.score == pytest.approx(0.6 * 0.5 + 0.4 * 1.0)


def test_a_cosine_below_unrelated_counts_as_little_as_can_be() -> None:
    a = parts()["a"]
    assert a.vector
    assert a.vector.normalised == 0.001
    assert a.score == pytest.approx(0.6 + 0.4 * 0.001)


def test_a_leg_that_did_not_find_a_chunk_gives_nothing() -> None:
    d = parts()["d"]
    assert d.lexical is None
    assert d.score == pytest.approx(0.4 * (0.65 - FLOOR) / (0.9 - FLOOR))


def test_ranks_alone_count_in_reciprocal_rank_fusion() -> None:
    assert parts(Fusion.RRF)["b"].score == pytest.approx(0.6 / 62 + 0.4 / 61)


def test_z_scores_are_deviations_of_a_sample() -> None:
    a = parts(Fusion.Z_SCORE)["a"]
    assert a.lexical
    assert a.lexical.normalised == pytest.approx((8 - 14 / 3) / 3.0550504633)


def test_a_window_of_one_is_the_best() -> None:
    spec = FusionSpec(technique=Fusion.MIN_MAX, vector_weight=0.4, rank_constant=60, unrelated_cosine=0.1)
    assert fused_parts({"a": 3.0}, {}, spec)["a"].score == pytest.approx(0.6)
    assert fused_parts({}, {"a": 0.5}, spec)["a"].score == pytest.approx(0.4)
    assert fused_parts({}, {}, spec) == {}
