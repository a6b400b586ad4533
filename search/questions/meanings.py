"""Pure: a word → its meaning: a concept, else its lemma. Numbers are read as such."""

import re
from functools import lru_cache

from search.questions.contrasts import CONTRASTS
from search.questions.grammar import IRREGULAR, NUMBERS
from search.questions.words import CONCEPTS

_THOUSANDS = re.compile(r"\d{1,3}(?:[,.'’]\d{3})+")
_DECIMAL = re.compile(r"\d+(?:[.,]\d+)?")
_ORDINAL = re.compile(r"(\d+)(?:st|nd|rd|th|\.)")
_MEASURE = re.compile(r"(\d+(?:[.,]\d+)?)([a-z%€$£°]{1,3})")
# With the least that has to be left of the word: "apply" is not "app".
_ENDINGS = {"ment": 3, "able": 3, "ible": 3, "ation": 4, "ion": 3, "ing": 3, "ed": 3, "ly": 4, "e": 3}
_SHORTEST = 3


@lru_cache(maxsize=50_000)
def meaning(word: str) -> str:
    """An English word's concept, else its lemma."""
    word = IRREGULAR.get(word, word)
    if word.startswith("+"):
        return word
    if word in CONCEPTS:
        return CONCEPTS[word]
    root = lemma(word)
    return _CONCEPTS_BY_LEMMA.get(root, root)


def lemma(word: str) -> str:
    """A word without its commonest endings: equal for replace, replaces, replaced, replacing and replacement."""
    word = _singular(word)
    if any(character.isdigit() for character in word):
        return word
    for ending, shortest in _ENDINGS.items():
        if word.endswith(ending) and len(word) - len(ending) >= shortest and not word.endswith("eed"):
            word = word.removesuffix(ending)
            if ending in ("ing", "ed", "able") and word[-1] == word[-2] and word[-1] not in "sl":
                word = word[:-1]
            break
    if word.endswith("at") and len(word) > _SHORTEST + 2:
        word = word.removesuffix("at")
    return word[:-1] + "i" if word.endswith("y") else word


def _singular(word: str) -> str:
    if len(word) <= _SHORTEST or word.endswith(("ss", "us", "is")):
        return word
    if word.endswith("ies"):
        return word.removesuffix("ies") + "y"
    if word.endswith(("sses", "ches", "shes", "xes", "zes")):
        return word.removesuffix("es")
    return word.removesuffix("s")


def number(token: str) -> tuple[float | None, str]:
    """(its number, the unit that is written to it): 5kg is (5, kg); what is none is (None, token)."""
    if token in NUMBERS:
        return NUMBERS[token], ""
    if _THOUSANDS.fullmatch(token):
        return float(re.sub(r"\D", "", token)), ""
    if _DECIMAL.fullmatch(token):
        return float(token.replace(",", ".")), ""
    if ordinal := _ORDINAL.fullmatch(token):
        return float(ordinal[1]), ""
    if measure := _MEASURE.fullmatch(token):
        return float(measure[1].replace(",", ".")), measure[2]
    return None, token


_CONCEPTS_BY_LEMMA = {lemma(word): concept for word, concept in reversed(CONCEPTS.items())}
CONTRASTING = tuple(frozenset(map(meaning, words)) for words in CONTRASTS)
