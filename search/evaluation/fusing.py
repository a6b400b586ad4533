"""Pure: the legs' scores of one query fused as the engine's search pipelines do it, in numpy.

So that a hundred weights can be tried on one retrieval. That it equals the engine is tested on the node, on one shard.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.pipelines import FusionSpec
from search.types import Fusion

Floats = np.ndarray[Any, np.dtype[np.float64]]
_LEAST = 0.001  # what the engine gives to a candidate that would have 0


@dataclass(frozen=True, slots=True)
class LegScores:
    """One query's candidates, the union of both legs: each one's document, and its score by each leg, NaN where
    that leg did not find it: BM25, and (1 + cosine) / 2.
    """

    documents: tuple[str, ...]
    lexical: Floats
    vector: Floats

    @classmethod
    def of(
        cls, lexical: Mapping[str, float], vector: Mapping[str, float], *, documents: Mapping[str, str]
    ) -> "LegScores":
        """From each leg's scores by chunk, and the document of each chunk that is visible."""
        chunks = [chunk for chunk in dict.fromkeys((*lexical, *vector)) if chunk in documents]
        return cls(
            tuple(documents[chunk] for chunk in chunks),
            np.array([lexical.get(chunk, np.nan) for chunk in chunks]),
            np.array([vector.get(chunk, np.nan) for chunk in chunks]),
        )


def fused(legs: LegScores, spec: FusionSpec) -> Floats:
    """The fused score of each candidate."""
    scale = {Fusion.MIN_MAX: _min_max, Fusion.Z_SCORE: _z_score, Fusion.RRF: _reciprocal_ranks}[
        spec.technique
    ]
    floor = (1.0 + spec.unrelated_cosine) / 2.0
    lexical = np.nan_to_num(scale(legs.lexical, 0.0, spec))
    vector = np.nan_to_num(scale(legs.vector, floor, spec))
    weight = round(spec.vector_weight, 4)
    fused_scores: Floats = round(1.0 - weight, 4) * lexical + weight * vector
    return fused_scores


def ranking(legs: LegScores, spec: FusionSpec) -> list[str]:
    """Documents by the fused score of their best chunk."""
    order = np.argsort(-fused(legs, spec), kind="stable")
    return list(dict.fromkeys(legs.documents[row] for row in order))


def _min_max(scores: Floats, floor: float, _: FusionSpec) -> Floats:
    """From the floor to the leg's best; a leg whose best lies below the floor from its own worst."""
    if np.isnan(scores).all():
        return scores
    best, worst = np.nanmax(scores), np.nanmin(scores)
    if best == worst:
        return np.where(np.isnan(scores), np.nan, 1.0)
    zero = worst if best < floor else floor
    scaled = np.maximum((scores - zero) / (best - zero), 0.0)
    return np.where(scaled == 0.0, _LEAST, scaled)


def _z_score(scores: Floats, _floor: float, _: FusionSpec) -> Floats:
    """Standard deviations (of a sample) above the leg's mean; those below it alike. A lone score stays as it is."""
    found = scores[~np.isnan(scores)]
    deviation = float(found.std(ddof=1)) if len(found) > 1 else 0.0
    if deviation == 0.0:
        return scores
    above = (scores - found.mean()) / deviation
    return np.where(above <= 0.0, _LEAST, above)


def _reciprocal_ranks(scores: Floats, _floor: float, spec: FusionSpec) -> Floats:
    ranks = np.full(len(scores), np.nan)
    found = np.flatnonzero(~np.isnan(scores))
    order = found[np.argsort(-scores[found], kind="stable")]
    ranks[order] = np.arange(1, len(order) + 1)
    return 1.0 / (spec.rank_constant + ranks)
