"""The measures against trec_eval: figures that pytrec_eval gave, and its formulas written down a second time."""

import math
import random

import pytest

from search.evaluation.measures import measure, measured, ranking_of

GRADES = {"a": 3, "b": 0, "c": 1, "d": 2, "e": -1, "f": 4, "g": 1}
SCORES = {"x": 9, "c": 7, "a": 7, "e": 6.5, "b": 5, "d": 5, "y": 4, "z": 4, "f": 3, "w": 2, "v": 1, "g": 0.5}
BY_PYTREC_EVAL = {
    "mrr@10": 0.5,
    "precision@5": 0.6,
    "precision@10": 0.4,
    "recall@10": 0.8,
    "recall@100": 1.0,
    "ndcg@5": 0.3767205363261388,
    "ndcg@10": 0.5328904744389455,
    "map@100": 0.5255555555555556,
    "judged@10": 0.6,  # by ir_measures
}


def test_measures_equal_those_of_pytrec_eval_and_ir_measures() -> None:
    found = measured(BY_PYTREC_EVAL, ranking_of(SCORES), GRADES)
    assert found == pytest.approx(BY_PYTREC_EVAL, abs=1e-6)


def test_of_equal_scores_the_greater_id_comes_first() -> None:
    assert ranking_of({"a": 1.0, "c": 1.0, "b": 2.0}) == ["b", "c", "a"]


def by_trec_eval(scores: dict[str, float], grades: dict[str, int]) -> dict[str, float]:
    """m_ndcg_cut.c, m_map_cut.c, m_P.c, m_recall.c and m_recip_rank.c, loop by loop."""
    order = sorted(scores, key=lambda name: (scores[name], name))[::-1]
    results = [grades.get(name, -1) for name in order]
    relevant = sum(grade >= 1 for grade in grades.values())
    found, precisions, dcg, first = 0, 0.0, 0.0, 0.0
    values: dict[str, float] = {}
    for position in range(100):
        grade = results[position] if position < len(results) else -1
        if grade >= 1:
            found += 1
            precisions += found / (position + 1)
            first = first or 1 / (position + 1)
            dcg += grade / math.log2(position + 2)
        if position == 9:
            ideal = sorted((grade for grade in grades.values() if grade > 0), reverse=True)
            best = sum(grade / math.log2(rank + 2) for rank, grade in enumerate(ideal) if rank < 10)
            values |= {"ndcg@10": dcg / best if best else 0.0, "precision@10": found / 10, "mrr@10": first}
    return values | {
        "map@100": precisions / relevant if relevant else 0.0,
        "recall@100": found / relevant if relevant else 0.0,
    }


@pytest.mark.parametrize("seed", range(200))
def test_measures_equal_trec_evals_formulas_on_random_rankings_with_ties(seed: int) -> None:
    rng = random.Random(seed)
    names = [f"d{number}" for number in range(rng.randint(1, 150))]
    grades = {
        name: rng.choice([-1, 0, 0, 1, 1, 2, 4]) for name in rng.sample(names, rng.randint(1, len(names)))
    }
    scores = {name: float(rng.randint(0, 20)) for name in rng.sample(names, rng.randint(1, len(names)))}
    expected = by_trec_eval(scores, grades)
    assert measured(expected, ranking_of(scores), grades) == pytest.approx(expected, abs=1e-9)


def test_the_judged_share_is_of_the_documents_that_there_are() -> None:
    assert measure("judged@10", ["a", "x"], GRADES) == 0.5
    assert measure("judged@10", [], GRADES) == 0.0


@pytest.mark.parametrize("name", ["ndcg", "ndcg@", "ndcg@0", "ndcg@-1", "f1@10", ""])
def test_a_measure_that_there_is_not_is_an_error(name: str) -> None:
    with pytest.raises(ValueError, match="There is no measure"):
        measure(name, [], {})
