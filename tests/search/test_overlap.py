"""Answers beside references, as SQuAD measures them."""

import pytest

from search.evaluation.overlap import f1, holds


def test_f1_is_that_of_squad() -> None:
    assert f1("The cat sat [1].", ["a cat sat!"]) == 1.0
    assert f1("a red cat", ["the blue cat"]) == 0.5
    assert f1("dog", ["cat"]) == 0.0
    assert f1("", ["cat"]) == 0.0


def test_the_best_reference_counts() -> None:
    assert f1("the red cat", ["dog", "red cat"]) == 1.0
    assert f1("anything", []) == 0.0


@pytest.mark.parametrize(
    ("answer", "is_held"),
    [
        ("He was born in Linz, in 1862 [2].", True),
        ("Born 1862 in Linz.", False),
        ("He was born in Linz in 18620.", False),
    ],
)
def test_a_reference_is_held_in_a_row(answer: str, is_held: bool) -> None:
    assert holds(answer, ["in Linz in 1862", "Vienna"]) is is_held


def test_chinese_is_compared_by_character() -> None:
    assert f1("三百零八分", ["三百分"]) == pytest.approx(2 * 3 / (5 + 3))
    assert holds("他们丢了308分。", ["308"])
