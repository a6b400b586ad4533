"""Pure: an answer without a language model: the few sentences of the passages that hold most of the question.

A sentence weighs by the question's words in it, the rare ones most, then by its passage's rank and cosine.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from search.context import shown_text
from search.sentences import content_stems, exact_tokens, rarity, sentence_spans, vocabulary, words
from search.types import ContextPassage

MAX_SENTENCES = 3
SENTENCE_CHARACTERS = 600
_RANK_WEIGHT = 0.3
_COSINE_WEIGHT = 0.3
_NAMED_SHARE = 0.5  # of a word's weight, when only the title or a heading has it
_NEIGHBOUR_SHARE = 0.3  # of the weight of words that only the sentence before has
_NUMBER_BONUS = 0.1
_ASKS_FOR_NUMBER = frozenset(
    {"many", "much", "when", "long", "year", "date", "number", "percentage", "old", "far"}
)


@dataclass(frozen=True, slots=True)
class ExtractedSentence:
    """A sentence of a passage, verbatim, with its score; higher is better."""

    number: int
    position: int
    text: str
    score: float


def extract(question: str, passages: Sequence[ContextPassage]) -> tuple[ExtractedSentence, ...]:
    """At most MAX_SENTENCES, in the order of the passages; none if no sentence has a word of the question."""
    weights = rarity(question, [text for passage in passages for text in _sentences(passage)])
    scored = [sentence for passage in passages for sentence in _scored(question, passage, weights)]
    chosen: list[ExtractedSentence] = []
    for sentence in sorted(scored, key=lambda one: -one.score):
        if len(chosen) == MAX_SENTENCES:
            break
        if not any(_says_the_same(sentence.text, other.text) for other in chosen):
            chosen.append(sentence)
    return tuple(sorted(chosen, key=lambda one: (one.number, one.position)))


def _sentences(passage: ContextPassage) -> list[str]:
    return [passage.text[start:end] for start, end in sentence_spans(passage.text)]


def _scored(question: str, passage: ContextPassage, weights: dict[str, float]) -> list[ExtractedSentence]:
    total = sum(weights.values()) or 1.0
    named = set(content_stems(shown_text(passage)[: -len(passage.text) or None])) & set(weights)
    wants_number = not _ASKS_FOR_NUMBER.isdisjoint(word.casefold() for word in words(question))
    prior = _RANK_WEIGHT / passage.number + _COSINE_WEIGHT * (passage.hit.scores.vector or 0.0)
    found: list[ExtractedSentence] = []
    before: set[str] = set()
    for position, text in enumerate(_sentences(passage)):
        held = set(content_stems(text)) & set(weights)
        score = sum(weights[stem] for stem in held)
        score += sum(_NEIGHBOUR_SHARE * weights[stem] for stem in before - held)
        score += sum(_NAMED_SHARE * weights[stem] for stem in named - held - before)
        bonus = _NUMBER_BONUS if wants_number and _has_number(text) else 0.0
        if held and _is_statement(text):
            score = score / total + prior + bonus
            found.append(ExtractedSentence(passage.number, position, text[:SENTENCE_CHARACTERS], score))
        before = held
    return found


def _has_number(text: str) -> bool:
    return any(map(str.isdigit, text)) or bool(
        vocabulary(text).forms & {"1", "2", "3", "4", "5", "6", "7", "8", "9"}
    )


def _is_statement(text: str) -> bool:
    """Not a question, a heading of two words or a rule."""
    return not text.endswith(("?", "？")) and len(content_stems(text)) > 1


def _says_the_same(text: str, other: str) -> bool:
    """Nearly the same words, numbers included, as where passages overlap."""
    stems, others = set(content_stems(text)), set(content_stems(other))
    numbers = exact_tokens(text, with_names=False) <= exact_tokens(other, with_names=False)
    return numbers and len(stems & others) >= 0.8 * len(stems)
