"""Pure: an answer without a language model: the few sentences of the passages that are most likely to hold it.

A sentence weighs by the question's words in it, the rare ones most, by its nearness in meaning, by what the question
asks for (a number, a date, a name), and by its passage.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from search.asked_for import AskedFor, asked_for
from search.context import named
from search.sentences import content_stems, exact_tokens, rarity, sentence_spans
from search.types import ContextPassage

MAX_SENTENCES = 3
SENTENCE_CHARACTERS = 600
SHORTLIST = 8  # sentences whose meaning is looked at: 16 more cost 55 ms and changed no figure
RANK_WEIGHT = 0.3
PASSAGE_WEIGHT = 0.3
MEANING_WEIGHT = 1.0
KIND_WEIGHT = 0.15
_NAMED_SHARE = 0.5  # of a word's weight, when only the title or a heading has it
_NEIGHBOUR_SHARE = 0.3  # of the weight of words that only the sentence before has
_LEAST_MEANING = 0.3  # of a sentence without any of the question's words


@dataclass(frozen=True, slots=True)
class WeighedSentence:
    """A sentence of a passage, verbatim. `words` is the share of the question's words, by weight, 0 to 1; `kind`:
    whether it has what the question asks for; `cosine` with the question, where it is known."""

    number: int
    position: int
    text: str
    words: float
    kind: bool
    prior: float
    cosine: float | None = None

    @property
    def score(self) -> float:
        return self.words + self.prior + KIND_WEIGHT * self.kind + MEANING_WEIGHT * (self.cosine or 0.0)


def extract(
    question: str, passages: Sequence[ContextPassage], *, cosines: Mapping[str, float]
) -> tuple[WeighedSentence, ...]:
    """At most MAX_SENTENCES, in the order of the passages; none if no sentence has to do with the question."""
    chosen: list[WeighedSentence] = []
    for sentence in sorted(weighed(question, passages, cosines), key=lambda one: -one.score):
        if len(chosen) == MAX_SENTENCES:
            break
        if not any(_says_the_same(sentence.text, other.text) for other in chosen):
            chosen.append(sentence)
    return tuple(sorted(chosen, key=lambda one: (one.number, one.position)))


def shortlist(question: str, passages: Sequence[ContextPassage]) -> tuple[str, ...]:
    """The sentences that are likely by their words and passages, best first."""
    ranked = sorted(_sentences(question, passages), key=lambda one: -one.score)
    return tuple(dict.fromkeys(sentence.text for sentence in ranked))[:SHORTLIST]


def weighed(
    question: str, passages: Sequence[ContextPassage], cosines: Mapping[str, float]
) -> list[WeighedSentence]:
    """The sentences that have a word of the question, or are near it."""
    found = [replace(one, cosine=cosines.get(one.text)) for one in _sentences(question, passages)]
    return [one for one in found if one.words or (one.cosine or 0.0) >= _LEAST_MEANING]


def _sentences(question: str, passages: Sequence[ContextPassage]) -> list[WeighedSentence]:
    texts = [_texts(passage) for passage in passages]
    weights = rarity(question, [text for several in texts for text in several])
    wanted = asked_for(question)
    return [
        sentence
        for passage, several in zip(passages, texts, strict=True)
        for sentence in _of_passage(passage, several, weights, wanted)
    ]


def _texts(passage: ContextPassage) -> list[str]:
    return [passage.text[start:end] for start, end in sentence_spans(passage.text)]


def _of_passage(
    passage: ContextPassage, texts: Sequence[str], weights: Mapping[str, float], wanted: AskedFor
) -> list[WeighedSentence]:
    total = sum(weights.values()) or 1.0
    titled = set(content_stems(named(passage.hit))) & set(weights)
    prior = RANK_WEIGHT / passage.number + PASSAGE_WEIGHT * (passage.hit.scores.vector or 0.0)
    found: list[WeighedSentence] = []
    before: set[str] = set()
    for position, text in enumerate(texts):
        held = set(content_stems(text)) & set(weights)
        score = sum(weights[stem] for stem in held)
        score += sum(_NEIGHBOUR_SHARE * weights[stem] for stem in before - held)
        score += sum(_NAMED_SHARE * weights[stem] for stem in titled - held - before)
        if _is_statement(text):
            shown, kind = text[:SENTENCE_CHARACTERS], wanted.is_in(text)
            found.append(WeighedSentence(passage.number, position, shown, score / total, kind, prior))
        before = held
    return found


def _is_statement(text: str) -> bool:
    """Not a question, a heading of two words or a rule."""
    return not text.endswith(("?", "？")) and len(content_stems(text)) > 1


def _says_the_same(text: str, other: str) -> bool:
    """Nearly the same words, numbers included, as where passages overlap."""
    stems, others = set(content_stems(text)), set(content_stems(other))
    numbers = exact_tokens(text, with_names=False) <= exact_tokens(other, with_names=False)
    return numbers and len(stems & others) >= 0.8 * len(stems)
