"""From what each leg finds to a weight: towards the leg that finds more, and not far on thin evidence."""

import numpy as np
import pytest

from search.evaluation.weighing import LEAST_QUESTIONS, WEIGHTS, Found, gains, rank, weigh
from search.fusion import Floats

DOCUMENTS = {"a": 1, "b": 2, "c": 3, "a2": 1}


def found(lexical: dict[str, float], vector: dict[str, float], target: int = 1) -> Found:
    return Found(lexical, vector, DOCUMENTS, target)


def flat(lexical: float, vector: float, fused: float | None = None) -> Floats:
    """Gains of a leg alone at the ends, straight between them or through `fused` in the middle."""
    middle = (lexical + vector) / 2 if fused is None else fused
    return np.interp(WEIGHTS, [0.0, 0.5, 1.0], [lexical, middle, vector])


def test_a_target_that_is_first_gains_one_and_a_second_one_less() -> None:
    one = found({"a": 2.0, "b": 1.0}, {"b": 0.5, "a": 0.3})
    assert gains(one)[0] == 1.0
    assert gains(one)[-1] == pytest.approx(1 / np.log2(3))
    assert (rank(one, 0.0), rank(one, 1.0)) == (1, 2)


def test_a_document_counts_by_its_best_chunk() -> None:
    assert rank(found({"b": 3.0, "c": 2.0, "a": 1.0, "a2": 5.0}, {}), 0.0) == 1
    assert rank(found({"b": 3.0, "a": 2.0, "a2": 1.0}, {}), 0.0) == 2


def test_a_target_that_no_leg_found_gains_nothing() -> None:
    assert gains(found({"b": 1.0}, {"c": 1.0})).max() == 0.0
    assert rank(found({"b": 1.0}, {"c": 1.0}), 0.5) is None
    assert gains(found({}, {})).max() == 0.0


def test_a_cosine_below_unrelated_counts_as_not_found() -> None:
    assert rank(found({}, {"a": -0.02, "b": 0.4}), 1.0) is None


def test_both_legs_together_may_find_what_neither_has_first() -> None:
    one = found({"b": 10.0, "a": 9.0}, {"c": 0.5, "a": 0.45})
    assert (rank(one, 0.0), rank(one, 0.5), rank(one, 1.0)) == (2, 1, 2)


def test_a_useless_vector_leg_gets_next_to_no_weight() -> None:
    assert weigh([flat(0.4, 0.02)] * 400, default=0.45).vector_weight <= 0.1


def test_a_useless_lexical_leg_gets_next_to_no_weight() -> None:
    assert weigh([flat(0.02, 0.4)] * 400, default=0.45).vector_weight >= 0.9


def test_legs_that_find_as_much_weigh_as_much() -> None:
    weighed = weigh([flat(0.4, 0.4, fused=0.5)] * 400, default=0.45)
    assert weighed.vector_weight == pytest.approx(0.5, abs=0.02)
    assert weighed.lexical == pytest.approx(0.4)
    assert weighed.vector == pytest.approx(0.4)
    assert weighed.fused == pytest.approx(0.5, abs=0.01)


def test_more_evidence_moves_the_weight_further() -> None:
    weights = [weigh([flat(0.4, 0.1)] * count, default=0.45).vector_weight for count in (25, 100, 400)]
    assert weights == sorted(weights, reverse=True)
    assert weights[0] > weights[-1]


def test_few_questions_leave_the_default() -> None:
    assert weigh([flat(0.4, 0.02)] * (LEAST_QUESTIONS - 1), default=0.45).vector_weight == 0.45
    assert weigh([], default=0.45).vector_weight == 0.45


def test_a_probe_that_finds_nothing_leaves_the_default() -> None:
    assert weigh([np.zeros(len(WEIGHTS))] * 400, default=0.45).vector_weight == 0.45
