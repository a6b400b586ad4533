"""The learned reranker: what it knows of a hit, how trees grow and are asked, and what training promises."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from search.evaluation import measures
from search.exceptions import RerankUnavailable
from search.reranking import learning, matches
from search.reranking.blending import blended
from search.reranking.boosting import Growth, JudgedHits, grow
from search.reranking.features import NAMES, feature_rows
from search.reranking.learned import LearnedReranker, general_model, general_reranker
from search.reranking.learning import Example, Live
from search.reranking.matches import Passage
from search.reranking.ranking_models import RankingModel
from search.reranking.terms import terms
from search.reranking.trees import LEAF, Node, Trees, side_by_side
from search.types import Hit, Scores
from tests.search.passages import make_hit

TEXTS = (
    "The pump P-4711 must be primed before its first start, or the pump runs dry.",
    "Before the first start of the season, prime the pump.",
    "Train tickets of second class are refunded within ten days.",
    "泵在第一次启动前必须注水。",
    "",
)


def hits(texts: tuple[str, ...] = TEXTS) -> list[Hit]:
    made = [make_hit(number, text, title=f"Title {number}") for number, text in enumerate(texts, 1)]
    return [
        replace(
            hit, scores=Scores(lexical=None if number == 3 else 9.0 - number, vector=0.7, fused=hit.score)
        )
        for number, hit in enumerate(made)
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Pumps, pumping!", ("pumps", "pumpin")),
        ("Straßenbahnhaltestellen", ("strasse",)),
        ("K-200 and 2024", ("k", "200", "and", "2024")),
        ("第一次启动", ("第一", "一次", "次启", "启动")),
        ("泵", ("泵",)),
        ("…", ()),
    ],
)
def test_terms_are_beginnings_numbers_and_pairs(text: str, expected: tuple[str, ...]) -> None:
    assert terms(text) == expected


def matched(query: str, text: str, title: str = "") -> dict[str, float]:
    passage = Passage.of(terms(text), terms(title), ())
    rarity = dict.fromkeys([*terms(text), *terms(title), "other"], 1.0)
    found = matches.matched(matches.asked(terms(query), rarity), passage, typical=10.0)
    return dict(zip(matches.NAMES, found, strict=True))


def test_matches_say_what_is_covered_in_order_and_near() -> None:
    near = matched("prime the pump", "before you start prime the pump", title="pump")
    far = matched("prime the pump", "pump " + "x y z " * 20 + "the prime")
    assert near["coverage"] == far["coverage"] == 1.0
    assert near["longest phrase"] == 1.0
    assert near["ordered pairs"] == pytest.approx(2 / 3)
    assert near["coverage by title"] == pytest.approx(1 / 3)
    assert near["title asked for"] == 1.0
    assert (near["tightest span"], far["tightest span"]) == (1.0, 3 / 63)
    assert far["coverage nearby"] == pytest.approx(2 / 3)
    assert far["ordered pairs"] == 0.0
    assert matched("prime the pump", "nothing of it")["words found"] == 0.0


def test_every_hit_has_a_finite_row_whatever_it_lacks() -> None:
    for query in ("prime the pump", "", "泵 启动", "!!"):
        for some in (hits(), hits()[:1], hits(("", ""))):
            rows = feature_rows(query, some)
            assert rows.shape == (len(some), len(NAMES))
            assert np.isfinite(rows).all()


def test_a_row_does_not_depend_on_the_order_of_the_hits() -> None:
    rows = feature_rows("prime the pump", hits())
    assert feature_rows("prime the pump", hits()[::-1])[::-1] == pytest.approx(rows)


def test_the_scale_of_bm25_does_not_matter() -> None:
    louder = [
        replace(hit, scores=replace(hit.scores, lexical=hit.scores.lexical and hit.scores.lexical * 7))
        for hit in hits()
    ]
    assert feature_rows("prime the pump", louder) == pytest.approx(feature_rows("prime the pump", hits()))


def walked(trees: Trees, row: Any) -> float:
    """The plain way down each tree, for comparison."""
    total = 0.0
    for tree in range(len(trees.feature)):
        node = 0
        while trees.feature[tree, node] != LEAF:
            goes_left = row[trees.feature[tree, node]] <= trees.threshold[tree, node]
            node = int(trees.left[tree, node]) + (0 if goes_left else 1)
        total += float(trees.value[tree, node])
    return total


def planted(count: int, *, seed: int, noise: float = 0.0) -> list[Example]:
    """Queries whose relevant hits are those with two features high; the fused order knows nothing of it."""
    chance = np.random.default_rng(seed)
    examples = []
    for number in range(count):
        rows = chance.random((30, len(NAMES)))
        rule = (rows[:, 5] > 0.6) & (rows[:, 20] > 0.5) if noise < 1 else chance.random(30) < 0.2
        fused = -np.sort(-chance.random(30))
        grades = rule.astype(float)
        best = tuple(sorted((g for g in grades.tolist() if g > 0), reverse=True)) or (1.0,)
        examples.append(Example(f"query {number}", rows, grades, fused, best))
    return examples


UNTRAINED = RankingModel(1.0, side_by_side([[Node()]], depth=0))


def test_trees_learn_a_planted_rule_and_are_asked_exactly_as_they_were_grown() -> None:
    examples = planted(60, seed=1)
    growth = Growth(trees=40)
    trees = grow([example.judged(UNTRAINED) for example in examples], growth)
    stored = Trees.from_json(json.loads(json.dumps(trees.to_json())))
    for example in planted(20, seed=2):
        scores = stored.score(example.rows)
        assert scores.tolist() == trees.score(example.rows).tolist()
        assert scores == pytest.approx([walked(trees, row) for row in example.rows], abs=1e-12)
    held_out = planted(40, seed=3)
    model = UNTRAINED.with_more(trees)
    live = Live(window=30, blend=1.0)
    before = np.mean([learning.ndcg(example, None, live) for example in held_out])
    after = np.mean([learning.ndcg(example, model.score(example.rows), live) for example in held_out])
    assert after > 0.95 > 0.5 > before


def test_the_same_judgements_grow_the_same_trees() -> None:
    judged = [example.judged(UNTRAINED) for example in planted(20, seed=1)]
    assert grow(judged, Growth(trees=5)).to_json() == grow(judged, Growth(trees=5)).to_json()


def test_queries_without_a_difference_teach_nothing() -> None:
    rows = np.zeros((5, len(NAMES)))
    trees = grow([JudgedHits(rows, np.ones(5), np.zeros(5))], Growth())
    assert trees.score(rows).tolist() == [0.0] * 5


def test_trees_side_by_side_add_up() -> None:
    judged = [example.judged(UNTRAINED) for example in planted(20, seed=1)]
    small, large = grow(judged, Growth(trees=3, leaves=3)), grow(judged, Growth(trees=4, leaves=6))
    rows = judged[0].rows
    assert (small + large).score(rows) == pytest.approx(small.score(rows) + large.score(rows))
    assert (small + large).first(3).score(rows) == pytest.approx(small.score(rows))


def test_own_trees_are_added_only_where_held_out_queries_gain() -> None:
    live = Live(window=30, blend=1.0)
    refined = learning.refined(planted(60, seed=1), UNTRAINED, live)
    assert len(refined.trees.value) > 1
    noise = learning.refined(planted(30, seed=4, noise=1.0), UNTRAINED, live)
    assert noise is UNTRAINED


def test_cross_validation_finds_the_gain_and_the_features_that_make_it() -> None:
    shares: list[float] = []
    live = Live(window=30, blend=1.0)
    found = learning.cross_validated(planted(60, seed=1), UNTRAINED, live, progress=shares.append)
    assert found.after.mean() > found.before.mean() + 0.3
    assert set(np.argsort(-found.importances)[:2]) == {5, 20}
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_equal_questions_are_in_one_fold() -> None:
    examples = [
        replace(example, query=f"Q{number % 7}") for number, example in enumerate(planted(21, seed=1))
    ]
    folds = learning.folds_by_query(examples, 5)
    assert all(len({int(fold) for fold in folds[n::7]}) == 1 for n in range(7))
    assert len(set(folds.tolist())) == 5


def test_ndcg_of_a_window_is_that_of_the_ranking_it_makes() -> None:
    chance = np.random.default_rng(5)
    live = Live(window=20, blend=0.5)
    for example in planted(10, seed=6):
        scores = chance.random(30)
        texts = [make_hit(number, "", score=float(fused)) for number, fused in enumerate(example.fused, 1)]
        window = [replace(hit, score=float(f)) for hit, f in zip(texts, example.fused, strict=True)]
        ranked = [*blended(window[:20], scores[:20].tolist(), blend=0.5), *window[20:]]
        judged = {f"doc/{number}": int(grade) for number, grade in enumerate(example.grades, 1)}
        expected = measures.ndcg([hit.document.public_id for hit in ranked], judged, at=10)
        assert learning.ndcg(example, scores, live) == pytest.approx(expected)


def test_a_blend_stays_within_the_fused_scores_and_keeps_each_score() -> None:
    window = [replace(hit, score=score) for hit, score in zip(hits(), (0.9, 0.8, 0.5, 0.4, 0.2), strict=True)]
    scores = [0.0, 5.0, 10.0, 0.0, 0.0]
    alone = blended(window, scores, blend=1.0)
    assert [hit.document.id for hit in alone] == [3, 2, 1, 4, 5]
    assert [hit.scores.rerank for hit in alone] == [10.0, 5.0, 0.0, 0.0, 0.0]
    assert [hit.document.id for hit in blended(window, scores, blend=0.0)] == [1, 2, 3, 4, 5]
    for blend in (0.0, 0.5, 1.0):
        shown = [hit.score for hit in blended(window, scores, blend=blend)]
        assert shown == sorted(shown, reverse=True)
        assert 0.2 <= min(shown) <= max(shown) <= 0.9 + 1e-9


def test_a_model_of_other_features_is_refused() -> None:
    stored = UNTRAINED.to_json()
    assert RankingModel.from_json(stored).start == 1.0
    with pytest.raises(RerankUnavailable, match="train it again"):
        RankingModel.from_json(stored | {"features": 0})


def test_the_general_model_lifts_a_passage_that_says_what_is_asked() -> None:
    same = [replace(hit, score=0.5, scores=Scores(3.0, 0.5, 0.5)) for hit in hits()[:3]]
    scores = general_reranker().rerank("prime the pump before the first start", same, deadline_seconds=1)
    assert min(scores[:2]) > scores[2]
    assert isinstance(general_reranker(), LearnedReranker)
    assert len(general_model().trees.value) > 1
