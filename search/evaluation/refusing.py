"""Pure: from which relevance on a question has an answer, fitted on judged questions with and without one.

The threshold is fitted on one half of the questions and shown on the other, and the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.evaluation.tuning import halves
from search.fusion import Floats

FALSE_REFUSALS = 0.1
LEAST_QUESTIONS = 10  # of each kind
_POINTS = 101


@dataclass(frozen=True, slots=True)
class Question:
    """A judged question and the relevance of what was found for it."""

    public_id: str
    is_answerable: bool
    relevance: float


@dataclass(frozen=True, slots=True)
class Refusal:
    """What a threshold does: the shares of questions with and without an answer that it refuses."""

    threshold: float
    answerable: float
    unanswerable: float


@dataclass(frozen=True, slots=True)
class FittedThreshold:
    """`auroc`: how often a question with an answer is more relevant than one without. `held_out` is of thresholds that
    were fitted on the other half; `fitted` of all questions, and therefore a little too good.
    """

    auroc: float
    fitted: Refusal
    held_out: Refusal
    curve: tuple[Refusal, ...]


def fit(questions: Sequence[Question], *, false_refusals: float = FALSE_REFUSALS) -> FittedThreshold:
    """The highest threshold that refuses at most that share of the questions with an answer.

    Raises ValueError for fewer than ten questions of a kind.
    """
    with_answer = _of(questions, is_answerable=True)
    without = _of(questions, is_answerable=False)
    if min(len(with_answer), len(without)) < LEAST_QUESTIONS:
        raise ValueError(
            f"{len(with_answer)} questions with an answer and {len(without)} without are too few: "
            f"{LEAST_QUESTIONS} of each are the least."
        )
    threshold = _threshold(with_answer, false_refusals)
    points = np.quantile(np.concatenate([with_answer, without]), np.linspace(0, 1, _POINTS))
    return FittedThreshold(
        auroc=auroc(with_answer, without),
        fitted=_refusal(threshold, with_answer, without),
        held_out=_held_out(questions, false_refusals),
        curve=tuple(_refusal(float(point), with_answer, without) for point in np.unique(points)),
    )


def auroc(positives: Floats, negatives: Floats) -> float:
    """The share of pairs in which the positive has the greater score; equal scores count half (Mann-Whitney)."""
    order = np.sort(negatives)
    below = np.searchsorted(order, positives, side="left")
    not_above = np.searchsorted(order, positives, side="right")
    return float((below + not_above).sum() / (2 * len(positives) * len(negatives)))


def _threshold(with_answer: Floats, false_refusals: float) -> float:
    """The relevance that just so many questions with an answer stay under."""
    return float(np.sort(with_answer)[int(false_refusals * len(with_answer))])


def _held_out(questions: Sequence[Question], false_refusals: float) -> Refusal:
    """Each question by the threshold of the other half; the threshold shown is their mean."""
    kinds = [_halved([one for one in questions if one.is_answerable is kind]) for kind in (True, False)]
    parts = []
    for fitted, shown in ((0, 1), (1, 0)):
        threshold = _threshold(kinds[0][fitted], false_refusals)
        parts.append(
            (
                _refusal(threshold, kinds[0][shown], kinds[1][shown]),
                len(kinds[0][shown]),
                len(kinds[1][shown]),
            )
        )
    return Refusal(
        threshold=float(np.mean([refusal.threshold for refusal, _, _ in parts])),
        answerable=float(
            np.average([one.answerable for one, _, _ in parts], weights=[size for _, size, _ in parts])
        ),
        unanswerable=float(
            np.average([one.unanswerable for one, _, _ in parts], weights=[size for _, _, size in parts])
        ),
    )


def _halved(questions: Sequence[Question]) -> tuple[Floats, Floats]:
    first, second = halves([question.public_id for question in questions])
    scores = np.array([question.relevance for question in questions])
    return scores[first], scores[second]


def _refusal(threshold: float, with_answer: Floats, without: Floats) -> Refusal:
    return Refusal(
        round(threshold, 6), float((with_answer < threshold).mean()), float((without < threshold).mean())
    )


def _of(questions: Sequence[Question], *, is_answerable: bool) -> Floats:
    return np.array([one.relevance for one in questions if one.is_answerable is is_answerable])


def refusal_at(threshold: float, questions: Sequence[Question]) -> Refusal:
    """What a given threshold does to the questions."""
    return _refusal(threshold, _of(questions, is_answerable=True), _of(questions, is_answerable=False))
