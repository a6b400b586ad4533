"""Pure: measures of one ranking against one query's judgements, as trec_eval has them.

A ranking is document ids, best first, each once. Judgements are gains by id; 0 or less is not relevant.
"""

from collections.abc import Mapping, Sequence
from math import log2
from statistics import fmean

Ranking = Sequence[str]
Judgements = Mapping[str, int]


def ndcg(ranking: Ranking, judgements: Judgements, *, at: int) -> float:
    """Normalised discounted cumulative gain: gain / log2(rank + 1), over that of the best possible ranking.

    Linear gain. Source: Järvelin and Kekäläinen 2002 in trec_eval's form (`ndcg_cut`).
    """
    ideal = sorted((gain for gain in judgements.values() if gain > 0), reverse=True)
    best = _discounted(ideal[:at])
    return _discounted([max(judgements.get(name, 0), 0) for name in ranking[:at]]) / best if best else 0.0


def _discounted(gains: Sequence[int]) -> float:
    return sum(gain / log2(rank + 1) for rank, gain in enumerate(gains, start=1))


def recall(ranking: Ranking, judgements: Judgements, *, at: int) -> float:
    """The share of the relevant documents that stand among the first `at`."""
    wanted = relevant(judgements)
    return len(wanted.intersection(ranking[:at])) / len(wanted) if wanted else 0.0


def reciprocal_rank(ranking: Ranking, judgements: Judgements, *, at: int) -> float:
    """1 / rank of the first relevant document among the first `at`, else 0."""
    wanted = relevant(judgements)
    return next((1.0 / rank for rank, name in enumerate(ranking[:at], start=1) if name in wanted), 0.0)


def relevant(judgements: Judgements) -> set[str]:
    return {name for name, gain in judgements.items() if gain > 0}


def mean(values: Sequence[float]) -> float:
    """0 for no values, as trec_eval has it."""
    return fmean(values) if values else 0.0
