"""Pure: from judged hits to a ranking, and what it gains on queries that it was not trained on.

Own trees are added to a model that is there (the general one) only as far as held-out queries gain by them: few
judgements leave it as it is.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import log2, sqrt

import numpy as np
import numpy.typing as npt

from search.reranking.boosting import Growth, JudgedHits, grow
from search.reranking.features import NAMES
from search.reranking.ranking_models import RankingModel
from search.reranking.trees import Node, side_by_side

Floats = npt.NDArray[np.float64]
Progress = Callable[[float], None]

FOLDS = 5
_INNER_FOLDS = 4
_STAGES = (0, 20, 40, 60, 80, 100)  # numbers of own trees to choose from
_MEASURED = 10  # nDCG@10
_SEED = 3
# The general model's: many small steps, so that no corpus leaves its own mark.
_GENERAL = Growth(trees=240, step=0.025, least_in_leaf=100, feature_share=0.3, query_share=0.5)
_OF_EACH_GROUP = 200  # queries


@dataclass(frozen=True, slots=True)
class Example:
    """A judged query and its hits in fused order: features (hits, features), grades and fused scores (hits,).

    `best` are the grades of all judged documents, found or not, best first.
    """

    query: str
    rows: Floats
    grades: Floats
    fused: Floats
    best: tuple[float, ...]

    def judged(self, model: RankingModel) -> JudgedHits:
        return JudgedHits(self.rows, self.grades, model.score(self.rows))


@dataclass(frozen=True, slots=True)
class Live:
    """How a reranker will be used: the window that it sees, and its part in the order."""

    window: int
    blend: float


GENERAL_LIVE = Live(20, 0.5)  # as the platform's settings are: a corpus that it has not seen is trusted less
OWN_LIVE = Live(50, 0.7)


@dataclass(frozen=True, slots=True)
class Validation:
    """nDCG@10 of each query in fused order and by a model that was trained without it; `folds` says in which."""

    before: Floats
    after: Floats
    folds: npt.NDArray[np.int64]
    importances: Floats  # nDCG@10 that is lost when a feature is shuffled over the held-out hits


def ndcg(example: Example, scores: Floats | None, live: Live) -> float:
    """nDCG@10 with the window in the order of these scores; None: in fused order."""
    grades = example.grades[:_MEASURED]
    if scores is not None:
        fused = example.fused[: live.window]
        shares = live.blend * _scaled(scores[: live.window]) + (1.0 - live.blend) * _scaled(fused)
        order = np.argsort(-shares, kind="stable")
        grades = np.concatenate([example.grades[order], example.grades[live.window :]])[:_MEASURED]
    ideal = sum(grade / log2(place + 2) for place, grade in enumerate(example.best[:_MEASURED]))
    return sum(float(grade) / log2(place + 2) for place, grade in enumerate(grades)) / ideal if ideal else 0.0


def _scaled(values: Floats) -> Floats:
    span = float(np.ptp(values))
    return (values - values.min()) / span if span > 0 else np.zeros_like(values)


def folds_by_query(examples: Sequence[Example], count: int) -> npt.NDArray[np.int64]:
    """A fold for each example; equal questions (under other filters, say) are in one."""
    questions = sorted({example.query.casefold() for example in examples})
    drawn = np.random.default_rng(_SEED).permutation(len(questions)) % count
    fold = dict(zip(questions, drawn, strict=True))
    return np.array([fold[example.query.casefold()] for example in examples])


def general(groups: Sequence[Sequence[Sequence[Example]]]) -> RankingModel:
    """A model for corpora that were not seen, from judged sets of many kinds.

    Sets of one group are alike (a set in several languages, say): each group counts as much as another.
    """
    examples: list[Example] = []
    for group in groups:
        for judged in group:
            drawn = np.random.default_rng(_SEED).permutation(len(judged))[: _OF_EACH_GROUP // len(group)]
            examples += [judged[position] for position in drawn]
    start = untrained()
    return start.with_more(grow([example.judged(start) for example in examples], _GENERAL))


def untrained() -> RankingModel:
    """The fused order as it is, for trees to start from."""
    return RankingModel(1.0, side_by_side([[Node()]], depth=0))


def refined(
    examples: Sequence[Example], model: RankingModel, live: Live, *, progress: Progress = lambda share: None
) -> RankingModel:
    """The model with as many own trees as held-out queries gain by; with none unless the gain is above its error."""
    folds = folds_by_query(examples, _INNER_FOLDS)
    curves = np.zeros((len(examples), len(_STAGES)))
    for fold in range(_INNER_FOLDS):
        trained = [example for example, at in zip(examples, folds, strict=True) if at != fold]
        own = grow([example.judged(model) for example in trained], Growth())
        for position in np.flatnonzero(folds == fold).tolist():
            curves[position] = _curve(examples[position], model, own.leaves(examples[position].rows), live)
        progress((fold + 1) / (_INNER_FOLDS + 1))
    count = _chosen(curves)
    if count:
        model = model.with_more(grow([example.judged(model) for example in examples], Growth(trees=count)))
    progress(1.0)
    return model


def _curve(example: Example, model: RankingModel, leaves: Floats, live: Live) -> list[float]:
    """nDCG@10 with the first trees of each stage."""
    start = model.score(example.rows)
    return [ndcg(example, start + leaves[:, :stage].sum(axis=1), live) for stage in _STAGES]


def _chosen(curves: Floats) -> int:
    """The number of trees whose mean is best, if its gain over none is above one standard error."""
    best = int(curves.mean(axis=0).argmax())
    gains = curves[:, best] - curves[:, 0]
    error = float(gains.std(ddof=1)) / sqrt(len(gains)) if len(gains) > 1 else np.inf
    return _STAGES[best] if gains.mean() > error else 0


@dataclass(frozen=True, slots=True)
class HeldOut:
    """One fold: nDCG@10 of each of its queries by a model that was trained without them, and what each feature's
    shuffling costs, summed over them."""

    after: Floats
    lost: Floats


def cross_validated(
    examples: Sequence[Example], model: RankingModel, live: Live, *, progress: Progress = lambda share: None
) -> Validation:
    """What `refined` gains: each query is ranked by a model that has not seen its question, nor chose by it."""
    found = []
    for fold in range(FOLDS):
        found.append(held_out(examples, model, live, fold=fold))
        progress((fold + 1) / FOLDS)
    return validation(examples, found, live)


def held_out(
    examples: Sequence[Example],
    model: RankingModel,
    live: Live,
    *,
    fold: int,
    progress: Progress = lambda share: None,
) -> HeldOut:
    """What a model refined without a fold makes of its queries."""
    folds = folds_by_query(examples, FOLDS)
    trained = [example for example, at in zip(examples, folds, strict=True) if at != fold]
    shown = [example for example, at in zip(examples, folds, strict=True) if at == fold]
    own = refined(trained, model, live, progress=progress) if trained else model
    after = np.array([ndcg(example, own.score(example.rows), live) for example in shown])
    return HeldOut(after, _lost(shown, own, live, after=after))


def validation(examples: Sequence[Example], found: Sequence[HeldOut], live: Live) -> Validation:
    """All folds together, given in their order."""
    folds = folds_by_query(examples, FOLDS)
    after = np.zeros(len(examples))
    for fold, one in enumerate(found):
        after[folds == fold] = one.after
    before = np.array([ndcg(example, None, live) for example in examples])
    lost = np.sum([one.lost for one in found], axis=0)
    return Validation(before, after, folds, lost / len(examples))


def _lost(held_out: Sequence[Example], model: RankingModel, live: Live, *, after: Floats) -> Floats:
    """The nDCG@10, summed over queries, that each feature's shuffling costs."""
    if not held_out:
        return np.zeros(len(NAMES))
    chance = np.random.default_rng(_SEED)
    rows = np.concatenate([example.rows for example in held_out])
    ends = np.cumsum([len(example.rows) for example in held_out])[:-1]
    lost = np.zeros(len(NAMES))
    for feature in range(len(NAMES)):
        shuffled = rows.copy()
        shuffled[:, feature] = chance.permutation(shuffled[:, feature])
        scores = np.split(model.score(shuffled), ends)
        found = [ndcg(example, scored, live) for example, scored in zip(held_out, scores, strict=True)]
        lost[feature] = after.sum() - sum(found)
    return lost
