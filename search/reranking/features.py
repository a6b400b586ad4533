"""Pure: what the learned reranker knows of a hit, relative to the other hits of the same query.

Scale-free and language-neutral, so that what was learned on one corpus may hold on another. Words weigh by their rarity
among these hits.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from search.reranking import matches
from search.reranking.matches import Passage
from search.reranking.terms import terms
from search.types import Hit

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

# Of the legs, beside the words' own in `matches.NAMES`. A change of any name or meaning raises the version.
FEATURES_VERSION = 1
LEG_NAMES = (
    "fused score", "fused rank", "fused spread", "fused gap",
    "words score", "words rank", "words spread",
    "meaning score", "meaning rank", "meaning spread", "meaning gap",
    "better rank", "worse rank", "product of scores",
)  # fmt: skip
OTHER_NAMES = ("length", "position in document", "like the best three", "like the best ten")
NAMES = (*LEG_NAMES, *matches.NAMES, *OTHER_NAMES)
BASE = LEG_NAMES.index("fused spread")  # the fused order, which a model starts from


@dataclass(frozen=True, slots=True)
class _Weighed:
    """The passages' terms: the weight of `column` (a term) in `row` (a passage), each row of length 1."""

    rarity: Mapping[str, float]
    row: Integers
    column: Integers
    weight: Floats


def feature_rows(query: str, hits: Sequence[Hit]) -> Floats:
    """A row for each hit, shape (hits, len(NAMES)); what a row says depends on the hits beside it."""
    fused, lexical, cosine = (_scores(hits, name) for name in ("fused", "lexical", "vector"))
    passages = [
        Passage.of(terms(hit.text), terms(hit.document.title), terms(" ".join(hit.headings))) for hit in hits
    ]
    weighed = _weighed(passages)
    asked = matches.asked(terms(query), weighed.rarity)
    typical = sum(len(passage.body) for passage in passages) / len(passages) or 1.0
    matched = np.array([matches.matched(asked, passage, typical=typical) for passage in passages])
    again = matches.NAMES.index("words again")
    matched[:, again] = _share_of_best(matched[:, again])
    return np.column_stack([_legs(fused, lexical, cosine), matched, _others(hits, passages, weighed, fused)])


def _scores(hits: Sequence[Hit], name: str) -> Floats:
    """A leg's scores; 0 where it did not match. Without fusion (one leg alone) the hit's score is the fused one."""
    found = [getattr(hit.scores, name) for hit in hits]
    if name == "fused":
        found = [hit.score if score is None else score for hit, score in zip(hits, found, strict=True)]
    return np.array([0.0 if score is None else score for score in found], dtype=np.float64)


def _legs(fused: Floats, lexical: Floats, cosine: Floats) -> Floats:
    ranks = [_ranks(scores) for scores in (fused, lexical, cosine)]
    by_words, by_meaning = _share_of_best(lexical), _share_of_best(cosine)
    return np.column_stack(
        [
            _share_of_best(fused), np.log1p(ranks[0]), _spread(fused), fused.max() - fused,
            by_words, np.log1p(ranks[1]), _spread(lexical),
            by_meaning, np.log1p(ranks[2]), _spread(cosine), cosine.max() - cosine,
            np.minimum(ranks[1], ranks[2]), np.maximum(ranks[1], ranks[2]), by_words * by_meaning,
        ]
    )  # fmt: skip


def _share_of_best(scores: Floats) -> Floats:
    best = float(scores.max())
    return np.clip(scores / best, 0.0, 1.0) if best > 0 else np.zeros_like(scores)


def _spread(scores: Floats) -> Floats:
    """In standard deviations from the mean."""
    deviation = float(scores.std())
    return (scores - scores.mean()) / deviation if deviation > 1e-9 else np.zeros_like(scores)


def _ranks(scores: Floats) -> Floats:
    """How many are better: 0 for the best, and the same for equal scores."""
    ranks: Floats = (scores[:, None] < scores[None, :]).sum(axis=1).astype(np.float64)
    return ranks


def _weighed(passages: Sequence[Passage]) -> _Weighed:
    """(1 + log tf) × rarity, which is BM25's idf over these passages alone: what all say tells none from another."""
    frequency: Counter[str] = Counter()
    for passage in passages:
        frequency.update(passage.counts.keys())
    number = {term: n for n, term in enumerate(frequency)}
    holding = np.fromiter(frequency.values(), dtype=np.float64, count=len(frequency))
    rarity = np.log1p((len(passages) - holding + 0.5) / (holding + 0.5))
    row = np.repeat(np.arange(len(passages)), [len(passage.counts) for passage in passages])
    column = np.fromiter(
        map(number.__getitem__, chain.from_iterable(passage.counts for passage in passages)),
        dtype=np.int64,
        count=len(row),
    )
    times = np.fromiter(
        chain.from_iterable(passage.counts.values() for passage in passages),
        dtype=np.float64,
        count=len(row),
    )
    weight = (1.0 + np.log(times)) * rarity[column]
    length = np.sqrt(np.bincount(row, weight**2, len(passages)))
    weight /= np.where(length > 0, length, 1.0)[row]
    return _Weighed(dict(zip(frequency, rarity.tolist(), strict=True)), row, column, weight)


def _others(hits: Sequence[Hit], passages: Sequence[Passage], weighed: _Weighed, fused: Floats) -> Floats:
    lengths = np.log1p([len(passage.body) for passage in passages])
    return np.column_stack(
        [
            lengths - np.median(lengths),
            np.log1p([hit.ordinal for hit in hits]),
            _spread(_likeness(weighed, fused, first=3)),
            _spread(_likeness(weighed, fused, first=10)),
        ]
    )


def _likeness(weighed: _Weighed, fused: Floats, *, first: int) -> Floats:
    """The mean cosine of each to the `first` best others, weighted by their scores: relevant passages are alike."""
    trust = np.where(_ranks(fused) < first, np.maximum(fused, 0.0), 0.0)
    centre = np.bincount(weighed.column, weighed.weight * trust[weighed.row])
    sums = np.bincount(weighed.row, weighed.weight * centre[weighed.column], len(fused))
    without_itself: Floats = (sums - trust) / np.maximum(trust.sum() - trust, 1e-9)
    return without_itself
