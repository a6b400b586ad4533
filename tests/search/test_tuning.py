"""The optimiser finds what was planted, and never shows a query that it tuned on; thresholds likewise."""

import numpy as np
import pytest

from search.evaluation.fusing import LegScores, ranking
from search.evaluation.refusing import Question, auroc, fit
from search.evaluation.tuning import TunedQuery, fusions, halves, tune
from search.pipelines import FusionSpec
from search.types import Fusion

EQUAL = FusionSpec(Fusion.MIN_MAX, vector_weight=0.5, rank_constant=60, unrelated_cosine=0.1)


def planted(number: int, *, best: float, rng: np.random.Generator) -> TunedQuery:
    """A query whose relevant document leads at one weight of meaning alone: at lower ones a document that the words
    overrate stands before it, at higher ones a document that the meaning overrates; their scores cross at `best`.
    """
    level = 1.0 - best * (1.0 - best) + float(rng.uniform(0.009, 0.011))
    noise = {f"noise{n}": 0.01 * n for n in range(1, 9)}
    lexical = {"right": level, "words": 1.0, "meaning": 1.0 - best} | noise
    scaled_cosine = {"right": level, "words": best, "meaning": 1.0} | noise
    vector = {name: (1.1 + 0.9 * value) / 2.0 for name, value in scaled_cosine.items()}
    legs = LegScores.of(
        {name: 10.0 * value for name, value in lexical.items()},
        vector,
        documents={name: name for name in lexical},
    )
    return TunedQuery(f"q{number}", legs, {"right": 1}, EQUAL)


@pytest.mark.parametrize("best", [0.2, 0.35, 0.7])
def test_the_optimiser_finds_a_planted_best_weight(best: float) -> None:
    rng = np.random.default_rng(4)
    tuned = tune([planted(number, best=best, rng=rng) for number in range(40)], name="ndcg@10")
    assert tuned.best.technique is Fusion.MIN_MAX
    assert tuned.best.vector_weight == pytest.approx(best, abs=0.051)
    assert tuned.held_out.second == pytest.approx(1.0)
    assert tuned.held_out.second > tuned.held_out.first
    assert tuned.held_out.is_significantly_better()


def lucky(number: int, rng: np.random.Generator) -> TunedQuery:
    """Scores that have nothing to do with what is relevant."""
    names = [f"d{position}" for position in range(12)]
    lexical = dict(zip(names, rng.random(12).tolist(), strict=True))
    vector = {name: 0.5 + value / 2 for name, value in zip(names, rng.random(12).tolist(), strict=True)}
    legs = LegScores.of(lexical, vector, documents={name: name for name in names})
    return TunedQuery(f"q{number}", legs, {str(rng.choice(names)): 1}, EQUAL)


def test_by_chance_the_tuned_figure_looks_good_and_the_held_out_one_does_not() -> None:
    looks, holds = [], []
    for seed in range(12):
        rng = np.random.default_rng(seed)
        tuned = tune([lucky(number, rng) for number in range(30)], name="mrr@10")
        looks.append(max(tuned.curve.values()) - tuned.held_out.first)
        holds.append(tuned.held_out.difference)
    assert np.mean(looks) > 0.03
    assert abs(np.mean(holds)) < np.mean(looks) / 2


def test_each_query_is_shown_by_the_choice_of_the_other_half() -> None:
    rng = np.random.default_rng(1)
    queries = [lucky(number, rng) for number in range(20)]
    tuned = tune(queries, name="mrr@10")
    first, second = halves([query.public_id for query in queries])
    assert set(first) | set(second) == set(range(20))
    assert not set(first) & set(second)
    for half, spec in ((first, tuned.halves[1]), (second, tuned.halves[0])):
        for position in half:
            query = queries[position]
            (relevant,) = query.judgements
            expected = 1 / (ranking(query.legs, spec).index(relevant) + 1)
            before = 1 / (ranking(query.legs, EQUAL).index(relevant) + 1)
            rank_cut = expected if expected >= 0.1 else 0.0
            before_cut = before if before >= 0.1 else 0.0
            assert tuned.held_out.differences[query.public_id] == pytest.approx(rank_cut - before_cut)


def test_where_nothing_is_better_what_there_is_stays() -> None:
    legs = LegScores.of({"a": 1.0}, {"a": 0.9}, documents={"a": "a"})
    tuned = tune([TunedQuery(f"q{number}", legs, {"a": 1}, EQUAL) for number in range(10)], name="ndcg@10")
    assert tuned.best == EQUAL
    assert tuned.held_out.difference == 0.0


def test_too_few_queries_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        tune([], name="ndcg@10")


def test_what_there_is_now_is_always_tried() -> None:
    odd = FusionSpec(Fusion.RRF, vector_weight=0.33, rank_constant=42, unrelated_cosine=0.1)
    assert odd in fusions(odd)
    assert len(fusions(EQUAL)) == len(set(fusions(EQUAL)))


def by_pairs(positives: list[float], negatives: list[float]) -> float:
    wins = sum((p > n) + 0.5 * (p == n) for p in positives for n in negatives)
    return wins / (len(positives) * len(negatives))


def test_the_auroc_is_the_share_of_pairs_in_the_right_order() -> None:
    rng = np.random.default_rng(0)
    positives, negatives = rng.integers(0, 9, 40) / 8, rng.integers(0, 7, 30) / 8
    assert auroc(positives, negatives) == pytest.approx(by_pairs(positives.tolist(), negatives.tolist()))
    assert auroc(np.array([1.0]), np.array([0.0])) == 1.0
    assert auroc(np.array([0.5]), np.array([0.5])) == 0.5


def questions(separation: float, *, count: int = 200) -> list[Question]:
    rng = np.random.default_rng(7)
    with_answer = [Question(f"a{n}", True, float(rng.normal(0.5 + separation, 0.1))) for n in range(count)]
    return with_answer + [Question(f"u{n}", False, float(rng.normal(0.5, 0.1))) for n in range(count)]


def test_the_threshold_refuses_at_most_a_tenth_of_what_has_an_answer() -> None:
    fitted = fit(questions(0.3))
    assert fitted.fitted.answerable <= 0.1
    assert fitted.fitted.unanswerable > 0.9
    assert fitted.held_out.answerable == pytest.approx(0.1, abs=0.05)
    assert fitted.auroc > 0.95


def test_without_any_separation_refusing_is_chance() -> None:
    fitted = fit(questions(0.0))
    assert fitted.auroc == pytest.approx(0.5, abs=0.06)
    assert fitted.held_out.unanswerable == pytest.approx(0.1, abs=0.06)


def test_the_curve_rises_from_nothing_to_everything() -> None:
    curve = fit(questions(0.2)).curve
    assert curve[0].answerable == curve[0].unanswerable == 0.0
    shares = [point.unanswerable for point in curve]
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_too_few_questions_of_a_kind_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        fit([one for one in questions(0.2) if one.is_answerable])
