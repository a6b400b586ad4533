"""Pure: maximal marginal relevance, which passes over what repeats the hits above it.

Source: Carbonell and Goldstein, "The use of MMR, diversity-based reranking", SIGIR 1998.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np


def diversified(relevance: Sequence[float], vectors: Any, *, diversity: float) -> list[int]:
    """Places of the hits in their new order: each next one has the greatest
    (1 − diversity) · relevance − diversity · its greatest cosine with those before it.

    `relevance` is scaled to its range; `vectors` holds (hits, dimension) of unit length. 0 keeps the order.
    """
    if not len(relevance):
        return []
    scores = np.asarray(relevance, dtype=np.float64)
    spread = float(np.ptp(scores))
    scaled = (scores - scores.min()) / spread if spread else np.ones_like(scores)
    rows = np.asarray(vectors)
    similarity = rows @ rows.T
    nearest = np.zeros_like(scaled)
    left = list(range(len(scaled)))
    chosen: list[int] = []
    while left:
        gains = (1.0 - diversity) * scaled[left] - diversity * nearest[left]
        best = left.pop(int(np.argmax(gains)))  # of equal gains the first: the order that there was
        chosen.append(best)
        nearest = np.maximum(nearest, similarity[best])
    return chosen
