"""Pure: whether a passage says what a statement says, and if not, what it does not say.

Numbers, units, dates, names and negations are compared exactly, after normalisation, with the part of the passage that
is nearest to the statement; the rest by its words, or by its meaning where they are too few.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from enum import StrEnum
from functools import cached_property

from search.polarity import clauses, denies_softly, negations, opposed
from search.quantities import Quantities, is_date, is_unit, is_year, number_of, quantities
from search.sentences import (
    Vocabulary,
    content_stems,
    exact_tokens,
    sentence_spans,
    vocabulary,
    without_list_prefix,
    words,
)

LEAST_WORDS = 0.5  # of a statement's content words that the passage must hold
LEAST_COSINE = 0.6  # of a sentence of the passage, which makes up for words that are missing
LEAST_WORDS_IF_NEAR = 0.25
NEARLY_VERBATIM = 0.6  # of its words in one part, in its order: then what differs there was changed
LONGEST_CHANGE = 2  # words
_ROUND = str.maketrans("[]", "()")
# (statement, sentences) → the cosine of the nearest one; None where it can't be known now
Nearness = Callable[[str, Sequence[str]], float | None]


class Reason(StrEnum):
    """What a passage does not say."""

    NUMBER = "number"
    UNIT = "unit"
    DATE = "date"
    NAME = "name"
    NEGATION = "negation"
    WORD = "word"  # a word stands in the place of another
    MISSING = "missing"  # too little of it is there at all
    UNCITED = "uncited"  # it cites nothing, and no passage says it


@dataclass(frozen=True)
class Source:
    """What a passage says, worked out when it is first asked for. `context` is its title and headings."""

    text: str
    context: str = ""

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return vocabulary(f"{self.context}\n{self.text}")

    @cached_property
    def quantities(self) -> Quantities:
        return quantities(f"{self.context}\n{self.text}")

    def quotes(self, claim: str) -> bool:
        """Whether it has the statement word for word."""
        return _plain(claim) in self._plain_text

    @cached_property
    def _plain_text(self) -> str:
        return _plain(self.text)

    @cached_property
    def sentences(self) -> tuple[str, ...]:
        return tuple(self.text[start:end] for start, end in sentence_spans(self.text))

    @cached_property
    def parts(self) -> tuple["_Part", ...]:
        """Its sentences and their clauses."""
        return tuple(
            _Part(text)
            for sentence in self.sentences
            for text in dict.fromkeys((sentence, *clauses(sentence)))
        )


@dataclass(frozen=True)
class _Part:
    text: str

    @cached_property
    def tokens(self) -> list[str]:
        return _aligned_tokens(self.text)


def unsupported(claim: str, source: Source, *, nearness: Nearness | None = None) -> Reason | None:
    """What of a statement the passage does not say; None when it says all of it.

    `nearness` is asked only where the statement has too few words of the passage, as a paraphrase may.
    """
    claim = without_list_prefix(claim)
    if source.quotes(claim):
        return None
    stems = frozenset(content_stems(claim))
    wrong = _wrong_quantity(quantities(claim), source.quantities) or _wrong_name(claim, source.vocabulary)
    if wrong or not stems:
        return wrong
    if not _is_there(source.vocabulary.share(stems), claim, source, nearness):
        return Reason.MISSING
    return _wrong_in_place(claim, source)


def _is_there(share: float, claim: str, source: Source, nearness: Nearness | None) -> bool:
    if share >= LEAST_WORDS or share < LEAST_WORDS_IF_NEAR or nearness is None:
        return share >= LEAST_WORDS
    cosine = nearness(claim, source.sentences)
    return cosine is not None and cosine >= LEAST_COSINE


def _plain(text: str) -> str:
    """Brackets of a passage's own, as footnotes have, are round in an answer: square ones are markers."""
    return " ".join(text.translate(_ROUND).split()).casefold()


def _wrong_quantity(said: Quantities, held: Quantities) -> Reason | None:
    if said.days - held.days or said.spans - held.spans or said.weekdays - held.weekdays:
        return Reason.DATE
    if said.months - held.months:
        return Reason.DATE
    if missing := said.values - held.values:
        return Reason.DATE if all(map(is_year, missing)) else Reason.NUMBER
    return Reason.UNIT if _other_unit(said, held) else None


def _wrong_name(claim: str, held: Vocabulary) -> Reason | None:
    named = exact_tokens(claim, with_names=not held.capitalises_nouns)
    named |= _opening_name(claim)
    for token in sorted(named):
        if not is_date(token) and not is_unit(token) and number_of(token) is None and not held.has(token):
            return Reason.NUMBER if token[0].isdigit() else Reason.NAME
    return None


def _opening_name(claim: str) -> frozenset[str]:
    """The first word too, where the second is capitalised as well: a name of two words."""
    first = list(words(claim))[:2]
    is_name = len(first) == 2 and all(word[0].isupper() and word[1:].islower() for word in first)
    return exact_tokens(f"x {first[0]}", with_names=True) if is_name else frozenset()


def _wrong_in_place(claim: str, source: Source) -> Reason | None:
    """Compares the statement with the part that is most like it."""
    tokens = _aligned_tokens(claim)
    part = max(source.parts, key=lambda one: _likeness(tokens, one), default=None)
    if part is None:
        return None
    if _denies(claim, part.text) or opposed(claim, part.text):
        return Reason.NEGATION
    if _other_unit(quantities(claim), quantities(part.text)):
        return Reason.UNIT
    copied = max(source.parts, key=lambda one: (_in_order(tokens, one.tokens), -len(one.tokens)))
    return _replaced(tokens, copied.tokens)


def _likeness(tokens: Sequence[str], part: _Part) -> tuple[int, int, int]:
    """More of the words, then more of them in order, then fewer others."""
    return len(set(tokens) & set(part.tokens)), _in_order(tokens, part.tokens), -len(part.tokens)


def _aligned_tokens(text: str) -> list[str]:
    """Content stems in order, with numbers as they count."""
    return [token for word in words(text) for token in _token(word)]


def _token(word: str) -> Iterable[str]:
    value = number_of(word.casefold())
    return [f"{value:g}"] if value is not None else content_stems(word)


def _in_order(tokens: Sequence[str], others: Sequence[str]) -> int:
    matcher = SequenceMatcher(None, tokens, others, autojunk=False)
    return sum(block.size for block in matcher.get_matching_blocks())


def _other_unit(said: Quantities, held: Quantities) -> bool:
    return any(
        number.unit and held.units_of(number.value) and number.unit not in held.units_of(number.value)
        for number in said.numbers
    )


def _denies(claim: str, part: str) -> bool:
    """Whether one of them denies what the other speaks of as well, and nothing in the other makes up for it."""
    shared = frozenset(content_stems(claim)) & frozenset(content_stems(part))
    said, held = negations(claim), negations(part)
    if (held.heads & shared) - said.reached and not denies_softly(claim, but=shared):
        return True
    return bool((said.heads & shared) - held.reached) and not denies_softly(part, but=shared)


def _replaced(tokens: Sequence[str], others: Sequence[str]) -> Reason | None:
    """One word that stands where another one does in what is otherwise a copy."""
    if _in_order(tokens, others) < NEARLY_VERBATIM * len(tokens):
        return None
    matcher = SequenceMatcher(None, tokens, others, autojunk=False)
    changes = [
        tokens[start:end]
        for kind, start, end, first, last in matcher.get_opcodes()
        if kind == "replace" and end - start == last - first <= LONGEST_CHANGE
    ]
    if len(changes) != 1 or set(changes[0]) & set(others):
        return None
    return Reason.NUMBER if changes[0][0][0].isdigit() else Reason.WORD
