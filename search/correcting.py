"""Typing errors: the query with the words put right that nothing behind the door has, and what could be meant instead.

What is not misspelt costs nothing here. No word is shown that stands only in documents the principal may not see.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search import query, retrieval, spelling
from search.types import ParsedQuery, QueryReading, Total


@dataclass(frozen=True, slots=True)
class FirstTry:
    """What a search of the query as it was typed gave. `door` is without what was typed in quotes or with a minus."""

    index: str
    legs: query.Legs
    door: query.Body
    suggestions: Mapping[str, tuple[str, ...]]
    total: Total


def read_again(parsed: ParsedQuery, tried: FirstTry) -> QueryReading:
    """How the query is best understood, after it was tried.

    A word that the index lacks is corrected where that is sure, and its better form offered where it is not. Where
    nothing at all matches, so are words that the index has: their documents may not be seen.
    """
    suggestions = tried.suggestions
    if not suggestions and tried.total == Total(0, "eq"):
        suggestions = retrieval.nearest_words(tried.index, spelling.spelled_words(parsed))
    better = _corrections(tried, suggestions)
    sure = {word: to for word, to in better.items() if spelling.is_sure(word, to, parsed)}
    return QueryReading(
        parsed,
        corrected=spelling.corrected(parsed, sure) if sure else None,
        did_you_mean=spelling.corrected(parsed, better) if len(better) > len(sure) else None,
    )


def _corrections(tried: FirstTry, suggestions: Mapping[str, Sequence[str]]) -> dict[str, str]:
    """For each word that matches nothing behind the door, the nearest that does."""
    asked = list(suggestions.items())[: spelling.MAX_CORRECTED]
    bodies = []
    for word, options in asked:
        bodies.append(query.word_body(tried.legs, word=word, door=tried.door))
        bodies += [query.spelling_body(option, door=tried.door) for option in options]
    matches = iter(retrieval.match_anything(tried.index, bodies))
    corrections: dict[str, str] = {}
    for word, options in asked:
        is_there = next(matches)
        there = [option for option in options if next(matches)]
        if there and not is_there:
            corrections[word] = there[0]
    return corrections
