"""Pure: which words of a text are negated, and words that say the opposite of each other.

A negation reaches over the next few words of its clause, "forbidden" over those before it.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from search.sentences import content_stems, stem, words

_REACH = 4  # content words
_FORWARD_TEXT = """
    not no never without cannot neither nor none nobody nothing nowhere hardly impossible unable
    nicht kein keine keinen keinem keiner keines nie niemals ohne weder niemand nichts
    pas jamais sans aucun aucune nunca sin ningún ninguna
"""
_FORWARD = frozenset(_FORWARD_TEXT.split())
_BACKWARD_TEXT = """
    forbidden prohibited banned excluded disallowed verboten untersagt ausgeschlossen interdit prohibido
"""
_BACKWARD = frozenset(_BACKWARD_TEXT.split())
_TRANSPARENT_TEXT = (
    "longer yet even only always necessarily really any anymore mehr immer"  # "no longer used"
)
_TRANSPARENT = frozenset(_TRANSPARENT_TEXT.split())
_CLAUSE = re.compile(
    r"[,;:.!?()–—]|\s-\s|\b(?:but|although|though|whereas|while|because|since|if|aber|weil|obwohl|wenn)\b"
)
_CONTRACTED = re.compile(r"\b(\w+?)n['’]t\b", re.IGNORECASE)
# Words that deny something without a negation: beside one, a negation on the other side may mean the same
_SOFT_TEXT = """
    forbidden prohibited banned excluded exclude except ended end stop lose lost fail failed refuse refused deny
    denied lack avoid prevent only unless rarely impossible unable destroyed drop vanish absent exempt yourself
    themselves himself herself skip lapse renounce
"""
_SOFT = frozenset(map(stem, _SOFT_TEXT.split()))
_OPPOSITE_TEXT = """
    include exclude / included excluded / allowed forbidden / allow forbid / permitted prohibited / mandatory optional
    / required optional / open closed / begin end / always never / before after / increase decrease / raise lower
    / raises lowers / rise fall / maximum minimum / earliest latest / above below / upstream downstream / first last
    / north south / east west / northern southern / eastern western / dead alive / dead living / won lost / win lose
    / accept reject / accepted rejected / shallow deep / shallow deeper / hardly severely / success failure
    / succeeded failed / private public / internal external / buy sell / bought sold / left right / upper lower
    / fastest slowest / highest lowest / largest smallest / longest shortest / oldest newest
    / best worst / hot cold / day night / summer winter / spring autumn / enabled disabled / indoor outdoor
    / male female / import export / encrypted unencrypted / paid unpaid / legal illegal / possible impossible
    / morning evening / settled unsettled / synchronous asynchronous
"""
_OPPOSITES: dict[str, set[str]] = {}
for _pair in _OPPOSITE_TEXT.split("/"):
    _one, _other = _pair.split()
    _OPPOSITES.setdefault(_one, set()).add(_other)
    _OPPOSITES.setdefault(_other, set()).add(_one)


@dataclass(frozen=True, slots=True)
class Negations:
    """Stems of words that a negation reaches, and of those, which are next to it: what is denied."""

    reached: frozenset[str]
    heads: frozenset[str]


def negations(text: str) -> Negations:
    found = [reached for clause in clauses(text) for reached in _negated(clause)]
    return Negations(
        reached=frozenset(stem for reached in found for stem in reached),
        heads=frozenset(stem for reached in found for stem in reached[:1]),
    )


def clauses(text: str) -> list[str]:
    """Parts between punctuation and conjunctions, as a negation does not reach over them."""
    spelled = _CONTRACTED.sub(r"\1 not", text.replace("cannot", "can not"))
    return [clause for clause in _CLAUSE.split(spelled) if clause.strip()]


def denies_softly(text: str, *, but: frozenset[str]) -> bool:
    """Whether it denies something by a word like "lacks", other than those given."""
    return bool({stem(word.casefold()) for word in words(text)} & _SOFT - but)


def opposed(claim: str, evidence: str) -> bool:
    """Whether the claim has a word whose opposite, and not itself, is in the evidence."""
    said = {word.casefold() for word in words(claim)}
    held = {word.casefold() for word in words(evidence)}
    return any(
        other in held and other not in said
        for word in said - held
        if word in _OPPOSITES
        for other in _OPPOSITES[word]
    )


def _negated(clause: str) -> Iterator[list[str]]:
    """What each negation reaches, nearest first."""
    said: list[str] = []
    open_reach: list[str] | None = None
    for word in words(clause):
        folded = word.casefold()
        if folded in _BACKWARD:
            yield said[: -_REACH - 1 : -1]
        elif folded in _FORWARD:
            if open_reach:
                yield open_reach
            open_reach = []
        elif folded not in _TRANSPARENT:
            stems = content_stems(word)
            said += stems
            if open_reach is not None and len(open_reach) < _REACH:
                open_reach += stems
    if open_reach:
        yield open_reach
