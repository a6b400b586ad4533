"""Pure: how the engine makes one score of the two legs', computed again in numpy: to tell a score part by part, to try
weights on judged queries, and to probe. No other module scales or ranks the scores of a leg.

Sources: OpenSearch neural-search 3.6, MinMaxScoreNormalizationTechnique, ZScoreNormalizationTechnique,
RRFNormalizationTechnique and ArithmeticMeanScoreCombinationTechnique. Scores are the engine's: a cosine is (1 + c) / 2.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from search.pipelines import FusionSpec
from search.types import Fusion

Floats = np.ndarray[Any, np.dtype[np.float64]]
Window = Mapping[str, float]  # what a leg looked at: chunk id → score, best first
_LEAST = 0.001  # the engine gives it in place of 0


@dataclass(frozen=True, slots=True)
class LegPart:
    """What one leg gives to a fused score: weight × normalised. `rank` is the place in its window, from 1."""

    raw: float
    rank: int
    normalised: float
    weight: float

    @property
    def part(self) -> float:
        return self.weight * self.normalised


@dataclass(frozen=True, slots=True)
class FusedParts:
    """The parts of a fused score; None: the leg's window does not hold the chunk, so it gives nothing."""

    lexical: LegPart | None
    vector: LegPart | None

    @property
    def score(self) -> float:
        return sum(leg.part for leg in (self.lexical, self.vector) if leg is not None)


def fused_parts(lexical: Window, vector: Window, spec: FusionSpec) -> dict[str, FusedParts]:
    """The parts of every chunk's fused score, by chunk id."""
    scaled = normalised(_scores(lexical), _scores(vector), spec)
    by_words, by_meaning = (
        _parts(window, values, weight)
        for window, values, weight in zip((lexical, vector), scaled, spec.weights, strict=True)
    )
    return {chunk: FusedParts(by_words.get(chunk), by_meaning.get(chunk)) for chunk in {**lexical, **vector}}


def _scores(window: Window) -> Floats:
    return np.array(list(window.values()), dtype=np.float64)


def _parts(window: Window, scaled: Floats, weight: float) -> dict[str, LegPart]:
    told = enumerate(zip(window.items(), scaled.tolist(), strict=True), 1)
    return {chunk: LegPart(score, rank, value, weight) for rank, ((chunk, score), value) in told}


def normalised(lexical: Floats, vector: Floats, spec: FusionSpec) -> tuple[Floats, Floats]:
    """The scores of each leg as they are weighted and added; NaN, for "not found by it", stays NaN."""
    if spec.technique is Fusion.Z_SCORE:
        return _z_scores(lexical), _z_scores(vector)
    if spec.technique is Fusion.RRF:
        return _reciprocal_ranks(lexical, spec), _reciprocal_ranks(vector, spec)
    return min_max(lexical, floor=0.0), min_max(vector, floor=(1.0 + spec.unrelated_cosine) / 2.0)


def min_max(scores: Floats, *, floor: float) -> Floats:
    """From the floor to the leg's best; a leg whose best lies below the floor from its own worst."""
    found = scores[~np.isnan(scores)]
    if not found.size:
        return scores
    best = found.max()
    zero = found.min() if best < floor else floor
    scaled = np.where(scores == best, 1.0, (scores - zero) / (best - zero or 1.0))
    return np.where(scaled <= 0.0, _LEAST, scaled)


def _z_scores(scores: Floats) -> Floats:
    """Standard deviations (of a sample) above the leg's mean; those below it alike, one at it as the best. Scores that
    do not differ stay as they are.
    """
    found = scores[~np.isnan(scores)]
    if not found.size or np.ptp(found) == 0.0:
        return scores
    mean = found.mean()
    above = np.where(scores == mean, found.max(), (scores - mean) / found.std(ddof=1))
    return np.where(above <= 0.0, _LEAST, above)


def _reciprocal_ranks(scores: Floats, spec: FusionSpec) -> Floats:
    ranks = np.full(len(scores), np.nan)
    found = np.flatnonzero(~np.isnan(scores))
    order = found[np.argsort(-scores[found], kind="stable")]
    ranks[order] = np.arange(1, len(order) + 1)
    return 1.0 / (spec.rank_constant + ranks)
