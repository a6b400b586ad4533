"""Pure: measures of one ranking against one query's judgements, as trec_eval has them.

A ranking is document ids, best first, each once. Judgements are gains by id; 0 or less is not relevant.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from math import log2
from statistics import fmean

Ranking = Sequence[str]
Judgements = Mapping[str, int]


def ranking_of(scores: Mapping[str, float]) -> list[str]:
    """Ids by falling score; of equal scores the greater id first, as trec_eval breaks ties."""
    return [name for name, _ in sorted(scores.items(), key=lambda item: (item[1], item[0]), reverse=True)]


def ndcg(ranking: Ranking, judgements: Judgements, *, at: int) -> float:
    """Normalised discounted cumulative gain: gain / log2(rank + 1), over that of the best possible ranking.

    Linear gain. Source: Järvelin and Kekäläinen 2002 in trec_eval's form (`ndcg_cut`).
    """
    ideal = sorted((gain for gain in judgements.values() if gain > 0), reverse=True)
    best = _discounted(ideal[:at])
    return _discounted([max(judgements.get(name, 0), 0) for name in ranking[:at]]) / best if best else 0.0


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def average_precision(ranking: Ranking, judgements: Judgements, *, at: int) -> float:
    """Precision at each relevant document's rank, over how many are relevant in all; its mean is MAP.

    Those behind `at` count 0 (trec_eval's `map_cut`).
    """
    wanted = relevant(judgements)
    ranks = [rank for rank, name in enumerate(ranking[:at], start=1) if name in wanted]
    return sum(found / rank for found, rank in enumerate(ranks, start=1)) / len(wanted) if wanted else 0.0


def precision(ranking: Ranking, judgements: Judgements, *, at: int) -> float:
    """The share of the first `at` ranks that hold a relevant document; a rank without any document counts."""
    return len(relevant(judgements).intersection(ranking[:at])) / at


def recall(ranking: Ranking, judgements: Judgements, *, at: int) -> float:
    """The share of the relevant documents that stand among the first `at`."""
    wanted = relevant(judgements)
    return len(wanted.intersection(ranking[:at])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranking: Ranking, judgements: Judgements, *, at: int) -> float:
    """1 / rank of the first relevant document among the first `at`, else 0."""
    wanted = relevant(judgements)
    return next((1.0 / rank for rank, name in enumerate(ranking[:at], start=1) if name in wanted), 0.0)


def judged(ranking: Ranking, judgements: Judgements, *, at: int) -> float:
    """The share of the first `at` documents that somebody judged, as ir_measures has it (`Judged`).

    Where it is low, the other measures take unjudged for bad.
    """
    first = ranking[:at]
    return sum(name in judgements for name in first) / len(first) if first else 0.0


_MEASURES: Mapping[str, Callable[..., float]] = {
    "ndcg": ndcg,
    "map": average_precision,
    "mrr": reciprocal_rank,
    "recall": recall,
    "precision": precision,
    "judged": judged,
}


def measure(name: str, ranking: Ranking, judgements: Judgements) -> float:
    """A measure by its name, as `ndcg@10`. Raises ValueError for one that there is not."""
    kind, _, depth = name.partition("@")
    if kind not in _MEASURES or not depth.isdecimal() or int(depth) < 1:
        raise ValueError(f"There is no measure {name!r}; there are {', '.join(_MEASURES)}, as in ndcg@10.")
    return _MEASURES[kind](ranking, judgements, at=int(depth))


def measured(names: Iterable[str], ranking: Ranking, judgements: Judgements) -> dict[str, float]:
    """Each measure of a ranking by its name."""
    return {name: measure(name, ranking, judgements) for name in names}


def relevant(judgements: Judgements) -> set[str]:
    return {name for name, gain in judgements.items() if gain > 0}


def mean(values: Sequence[float]) -> float:
    """0 for no values, as trec_eval has it."""
    return fmean(values) if values else 0.0
