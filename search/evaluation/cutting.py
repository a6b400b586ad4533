"""Pure: a question made from a passage, and the passage without the sentence that the question was taken from.

The same text is always cut in the same way.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from search.sentences import Span, sentence_spans

QUESTION_WORDS = 8  # as people ask; the analyzer's words, so without stop words
_SENTENCE_WORDS = range(QUESTION_WORDS, 31)
_STRETCH_WORDS = (
    14  # taken out where there are no sentences; wider than the question, so that no half of it stays
)
_LEAST_REST_WORDS = 8


@dataclass(frozen=True, slots=True)
class Cut:
    """`question`: words in a row of `removed`; `rest`: the passage without `removed`."""

    question: str
    removed: str
    rest: str


def cut(text: str, words: Sequence[Span]) -> Cut | None:
    """The passage cut, given where its words are; None if too little would be left on either side."""
    chance = text_number(text)
    span = _removed_span(text, words, chance)
    if span is None:
        return None
    inside = _within(words, span)
    if len(words) - len(inside) < _LEAST_REST_WORDS:
        return None
    first = (chance >> 32) % (len(inside) - QUESTION_WORDS + 1)
    question = inside[first : first + QUESTION_WORDS]
    start, end = span
    rest = f"{text[:start]} {text[end:]}".strip()
    return Cut(text[question[0][0] : question[-1][1]], text[start:end], rest)


def text_number(text: str) -> int:
    """64 bits that look like chance, always the same for a text."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8])


def _removed_span(text: str, words: Sequence[Span], chance: int) -> Span | None:
    """A sentence of the right length; where there is none, a stretch of words."""
    sentences = [span for span in sentence_spans(text) if len(_within(words, span)) in _SENTENCE_WORDS]
    if sentences:
        return sentences[chance % len(sentences)]
    if len(words) < _STRETCH_WORDS + _LEAST_REST_WORDS:
        return None
    first = chance % (len(words) - _STRETCH_WORDS + 1)
    return words[first][0], words[first + _STRETCH_WORDS - 1][1]


def _within(words: Sequence[Span], span: Span) -> list[Span]:
    return [(start, end) for start, end in words if start >= span[0] and end <= span[1]]


def squeezed(text: str) -> str:
    """For comparing: letters of one case, white space of one kind."""
    return " ".join(text.casefold().split())
