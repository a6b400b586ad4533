"""Pure: how much each leg finds of what a probe hid, and the weight of the vector leg that follows from it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from search.fusion import Floats, min_max

WEIGHTS: Floats = np.linspace(0.0, 1.0, 21)
_FINE: Floats = np.linspace(0.0, 1.0, 101)
_SMOOTHING = (0.25, 0.5, 0.25)
_HELD = 5.0  # what the square of the distance from the legs' shares costs of the relative gain
_PRIOR_QUESTIONS = 20  # as many questions as the default weight counts for
LEAST_QUESTIONS = 20  # below, chance says more than the legs
_AT = 10


@dataclass(frozen=True, slots=True)
class Found:
    """One question's chunks with their scores by each leg, 0 for "unrelated"; the document of each; and its target's.

    A leg lacks the chunks that it did not find.
    """

    lexical: Mapping[str, float]
    vector: Mapping[str, float]
    documents: Mapping[str, int]
    target: int


@dataclass(frozen=True, slots=True)
class Weighed:
    """The weight of the vector leg for a language, and what the probe found: nDCG@10 of each leg and of both."""

    vector_weight: float
    questions: int
    lexical: float
    vector: float
    fused: float


def gains(found: Found) -> Floats:
    """nDCG@10 of the target's document at each of WEIGHTS."""
    ranks = _ranks(found, WEIGHTS)
    return np.where(ranks <= _AT, 1.0 / np.log2(ranks + 1.0), 0.0)


def rank(found: Found, vector_weight: float) -> int | None:
    """The rank of the target's document, None if it was not found."""
    place = float(_ranks(found, np.array([vector_weight]))[0])
    return int(place) if np.isfinite(place) else None


def _ranks(found: Found, weights: Floats) -> Floats:
    """The rank of the target's document at each weight, fused as the search pipeline does it: each leg by its best."""
    chunks = list(dict.fromkeys((*found.lexical, *found.vector)))
    if not chunks:
        return np.full(len(weights), np.inf)
    lexical, vector = (_scaled(leg, chunks) for leg in (found.lexical, found.vector))
    scores = np.outer(lexical, 1.0 - weights) + np.outer(vector, weights)
    documents, rows = np.unique([found.documents[chunk] for chunk in chunks], return_inverse=True)
    best = np.zeros((len(documents), len(weights)))
    np.maximum.at(best, rows, scores)
    target = best[documents == found.target].max(axis=0, initial=0.0)
    return np.where(target > 0.0, (best > target).sum(axis=0) + 1.0, np.inf)


def _scaled(leg: Mapping[str, float], chunks: Sequence[str]) -> Floats:
    """As the engine scales a leg; what is unrelated counts as not found."""
    scores = np.array([leg.get(chunk, np.nan) for chunk in chunks])
    return np.nan_to_num(min_max(np.where(scores > 0.0, scores, np.nan), floor=0.0))


def weigh(questions: Iterable[Floats], *, default: float) -> Weighed:
    """The weight for questions with these gains: each leg's share of what both find, moved towards where the fusion of
    the two finds most. With few questions it stays at the default.
    """
    found = list(questions)
    curve: Floats = np.mean(found, axis=0) if found else np.zeros(len(WEIGHTS))
    weight = _weight(curve, len(found), default=default)
    return Weighed(
        vector_weight=weight,
        questions=len(found),
        lexical=float(curve[0]),
        vector=float(curve[-1]),
        fused=float(np.interp(weight, WEIGHTS, curve)),
    )


def _weight(curve: Floats, questions: int, *, default: float) -> float:
    if questions < LEAST_QUESTIONS or curve.max() == 0.0:
        return default
    share = curve[-1] / (curve[0] + curve[-1]) if curve[0] + curve[-1] else default
    centre = (questions * share + _PRIOR_QUESTIONS * default) / (questions + _PRIOR_QUESTIONS)
    smooth = np.convolve(np.pad(curve, 1, mode="edge"), _SMOOTHING, mode="valid")
    value = np.interp(_FINE, WEIGHTS, smooth / smooth.max())
    return round(float(_FINE[np.argmax(value - _HELD * (_FINE - centre) ** 2)]), 2)
