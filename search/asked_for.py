"""Pure: what kind of thing a question asks for, and whether a sentence has one that the question does not name."""

from dataclasses import dataclass
from enum import StrEnum

from search.quantities import Quantities, is_year, quantities
from search.sentences import content_stems, exact_tokens, words


class Kind(StrEnum):
    NUMBER = "number"
    DATE = "date"
    NAME = "name"
    ANY = "any"


_NUMBER_TEXT = """
    many much long old far tall deep high often percentage percent number size cost price amount
    wieviel wieviele viel viele hoch lange weit alt
"""
_DATE_TEXT = "when year date month day century wann jahr datum"
_NAME_TEXT = "who whom whose where which city country company person wer wem wen wo welche welcher welches"
_OPENING_WORDS = 4  # "In which year …", "About how many …"
_SIGNS = (
    (Kind.DATE, frozenset(_DATE_TEXT.split())),
    (Kind.NUMBER, frozenset(_NUMBER_TEXT.split())),
    (Kind.NAME, frozenset(_NAME_TEXT.split())),
)


@dataclass(frozen=True, slots=True)
class AskedFor:
    """The kind, with what the question names itself, which is no answer to it."""

    kind: Kind
    known: Quantities
    stems: frozenset[str]

    def is_in(self, text: str) -> bool:
        """Whether a text has something of that kind; whatever it has, where the question asks for anything."""
        if self.kind is Kind.ANY:
            return True
        if self.kind is Kind.NAME:
            names = exact_tokens(text, with_names=True)
            return any(not self.stems.issuperset(content_stems(name)) for name in names)
        found = quantities(text)
        fresh = found.values - self.known.values
        if self.kind is Kind.DATE:
            return bool(found.months or found.weekdays or any(map(is_year, fresh)))
        return bool(fresh)


def asked_for(question: str) -> AskedFor:
    """By the first words of a question; of several kinds the first of date, number, name."""
    folded = [word.casefold() for word in words(question)]
    opening = frozenset(folded[:_OPENING_WORDS])
    kind = next((kind for kind, signs in _SIGNS if signs & opening), Kind.ANY)
    return AskedFor(kind, quantities(question), frozenset(content_stems(question)))
