"""Pure: pairs of questions that have the same answer or only look like it, and what a semantic cache makes of them.

A hit needs two cosines: of the two questions, and of the words that only one of them has. Both thresholds are fitted on
one half of the pairs and judged on the other.
"""

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

GIVEN_UP = 0.01  # of the hits, for thresholds as high as can be: pairs that were never seen are harder
_QUESTION_COSINES = tuple(round(0.5 + 0.05 * step, 2) for step in range(10))
_WORD_COSINES = (0.5, 0.6, 0.65, 0.7, 0.75, 0.8, 0.85, 0.9, 1.0)


@dataclass(frozen=True, slots=True)
class Pair:
    """Two questions. `kind`: how they are related (paraphrase, number, name, negation …); `half`: fit or judge."""

    first: str
    second: str
    same: bool
    kind: str
    half: str


@dataclass(frozen=True, slots=True)
class Scored:
    """A pair with both cosines; `word_cosine` is -1 where a guard holds it apart."""

    pair: Pair
    cosine: float
    word_cosine: float


@dataclass(frozen=True, slots=True)
class Thresholds:
    cosine: float
    word_cosine: float

    def hit(self, scored: Scored) -> bool:
        return scored.cosine >= self.cosine and scored.word_cosine >= self.word_cosine


def parse(lines: Iterable[str]) -> list[Pair]:
    """JSON lines with `first`, `second` and `same`; `kind` and `half` where they are known."""
    rows = (json.loads(line) for line in lines if line.strip())
    return [
        Pair(row["first"], row["second"], bool(row["same"]), row.get("kind", ""), row.get("half", "judge"))
        for row in rows
    ]


def rates(scored: Sequence[Scored], thresholds: Thresholds) -> dict[str, Any]:
    """Hits among the pairs that ask the same and false ones among the others, each as count and share."""
    same = [each for each in scored if each.pair.same]
    others = [each for each in scored if not each.pair.same]
    hits, false = ([each for each in group if thresholds.hit(each)] for group in (same, others))
    return {
        "same": len(same),
        "hits": len(hits),
        "hit_rate": _share(len(hits), len(same)),
        "others": len(others),
        "false_hits": len(false),
        "false_hit_rate": _share(len(false), len(others)),
        "false_by_kind": dict(Counter(each.pair.kind for each in false)),
    }


def _share(count: int, total: int) -> float | None:
    return round(count / total, 4) if total else None


def fitted(scored: Sequence[Scored]) -> Thresholds:
    """The highest thresholds, of words before questions, without false hits and nearly as many hits as there can be."""
    grid = [Thresholds(cosine, words) for cosine in _QUESTION_COSINES for words in _WORD_COSINES]
    found = {each: rates(scored, each) for each in grid}
    safe = {each: rate["hits"] for each, rate in found.items() if not rate["false_hits"]}
    enough = max(safe.values(), default=0) * (1.0 - GIVEN_UP)
    good = [each for each, hits in safe.items() if hits >= enough]
    return max(good, key=lambda each: (each.word_cosine, each.cosine), default=Thresholds(1.0, 1.0))


def curve(scored: Sequence[Scored], *, word_cosine: float) -> list[dict[str, Any]]:
    """Rates by the questions' cosine. A `word_cosine` of -1 leaves the second check out."""
    return [
        {"cosine": cosine, **rates(scored, Thresholds(cosine, word_cosine))} for cosine in _QUESTION_COSINES
    ]


def curve_by_words(scored: Sequence[Scored], *, cosine: float) -> list[dict[str, Any]]:
    """Rates by the cosine that is asked of words which only one question has."""
    return [{"word_cosine": words, **rates(scored, Thresholds(cosine, words))} for words in _WORD_COSINES]
