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
_VOWEL = re.compile(r"[aeiouy]")
# Stems that are spelled with an e: one consonant, vowel, consonant; and what no English word ends in otherwise.
_LACKS_E = re.compile(
    r"^[^aeiou]*[aeiouy][^aeiouwxy]$"
    r"|(?:[cvuz]|[^s]s|[^e]at|bl|[rd]g|(?:ch|rr)ang|[iu]r|ar|[^aeo]id|[^aeo]ib|[mbf]in|[vc]it|[lr]ud)$"
)
_SHORTEST = 3


@lru_cache(maxsize=50_000)
def meaning(word: str) -> str:
    """An English word's concept, else its lemma."""
    word = IRREGULAR.get(word, word)
    if word.startswith("+") or word in CONCEPTS:
        return CONCEPTS.get(word, word)
    root = lemma(word)
    return CONCEPTS.get(root, root)


def lemma(word: str) -> str:
    """A noun's singular, a verb without -s, -ed, -ing, an adverb without -ly. A word derived from another is itself."""
    if any(character.isdigit() for character in word):
        return word
    word = _singular(word)
    for ending in ("ing", "ed"):
        stem = word.removesuffix(ending)
        if stem != word and len(stem) >= _SHORTEST and not word.endswith("eed") and _VOWEL.search(stem):
            return _restored(stem)
    stem = word.removesuffix("ly")
    return stem if stem != word and len(stem) > _SHORTEST else word


def _restored(stem: str) -> str:
    """A verb's stem as it is spelled alone, as in Porter's step 1b: stopp is stop, stor store, repli reply."""
    if stem[-1] == stem[-2]:
        return stem if stem[-1] in "lsz" else stem[:-1]
    if stem.endswith("i"):
        return stem[:-1] + "y"
    return stem + "e" if _LACKS_E.search(stem) else stem


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


CONTRASTING = tuple(frozenset(map(meaning, words)) for words in CONTRASTS)
