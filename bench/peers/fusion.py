"""Reciprocal rank fusion, as in Cormack, Clarke and Büttcher (2009), k = 60."""

from collections import defaultdict
from collections.abc import Sequence

_K = 60


def reciprocal_ranks(legs: Sequence[Sequence[int]]) -> list[tuple[int, float]]:
    """(item, score), best first."""
    scores: defaultdict[int, float] = defaultdict(float)
    for leg in legs:
        for rank, item in enumerate(leg, start=1):
            scores[item] += 1 / (_K + rank)
    return sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))
