"""Pure: how the engine makes one score of the two legs', computed again from the legs' windows, so that a score can be
told part by part.

Sources: OpenSearch neural-search 3.6, MinMaxScoreNormalizationTechnique, ZScoreNormalizationTechnique,
RRFNormalizationTechnique and ArithmeticMeanScoreCombinationTechnique. Scores are the engine's: a cosine is (1 + c) / 2.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean, stdev

from search.pipelines import FusionSpec
from search.types import Fusion

Window = Mapping[str, float]  # what a leg looked at: chunk id → score, best first
Normalise = Callable[[float], float]
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
    floor = (1.0 + spec.unrelated_cosine) / 2.0
    legs = [
        _parts(lexical, weight=1.0 - spec.vector_weight, spec=spec, normalise=_applied(lexical)),
        _parts(vector, weight=spec.vector_weight, spec=spec, normalise=_clipped(vector, floor)),
    ]
    by_words, by_meaning = legs
    return {chunk: FusedParts(by_words.get(chunk), by_meaning.get(chunk)) for chunk in {**lexical, **vector}}


def _parts(window: Window, *, weight: float, spec: FusionSpec, normalise: Normalise) -> dict[str, LegPart]:
    weight = round(weight, 4)
    if spec.technique is Fusion.Z_SCORE:
        normalise = _standardised(list(window.values()))
    parts = {}
    for rank, (chunk, score) in enumerate(window.items(), 1):
        is_ranked = spec.technique is Fusion.RRF
        normalised = 1.0 / (spec.rank_constant + rank) if is_ranked else normalise(score)
        parts[chunk] = LegPart(score, rank, normalised, weight)
    return parts


def _applied(window: Window) -> Normalise:
    """Min-max with the lower bound 0 in the mode `apply`: scores of BM25 are above it."""
    least, best = _ends(window)
    return lambda score: _scaled(score, least, best, low=0.0 if score > 0.0 else least)


def _clipped(window: Window, floor: float) -> Normalise:
    """Min-max with a lower bound in the mode `clip`: what lies below it counts as little as can be."""
    least, best = _ends(window)
    low = least if best < floor else floor
    return lambda score: _LEAST if score < low and least != best else _scaled(score, least, best, low=low)


def _ends(window: Window) -> tuple[float, float]:
    return min(window.values(), default=0.0), max(window.values(), default=0.0)


def _scaled(score: float, least: float, best: float, *, low: float) -> float:
    if best in (least, low):
        return 1.0
    return (score - low) / (best - low) or _LEAST


def _standardised(scores: Sequence[float]) -> Normalise:
    """Standard deviations (of a sample) above the mean; the engine gives what lies below it next to nothing."""
    mean = fmean(scores) if scores else 0.0
    deviation = stdev(scores) if len(scores) > 1 else 0.0

    def normalise(score: float) -> float:
        if score == mean:
            return max(scores)
        if deviation == 0.0:
            return min(scores)
        return max((score - mean) / deviation, 0.0) or _LEAST

    return normalise
