"""Pure: synonyms as a content manager writes them, and which of them a query calls for.

A line is a list of equivalents (`car, automobile`), or `a, b => c`: who asks for a or b also finds c, but not the other
way. Case does not count, nor an "s" at the end of a word. A `#` begins a comment.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from search.exceptions import InvalidSynonyms

MAX_LINES = 2000
MAX_TERMS = 20
MAX_TERM_WORDS = 6
MAX_EXPANSIONS = 8
_UNSPACED = "\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+")

Key = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Rule:
    """Who asks for one of `terms` also finds all of `also`."""

    terms: tuple[str, ...]
    also: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Expansion:
    """A part of a query, from `start` to `end`, and what else is looked for in its place."""

    start: int
    end: int
    also: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Thesaurus:
    """A language's synonyms: what else to look for, by the words of a term."""

    also: Mapping[Key, tuple[str, ...]]
    longest: int

    def expansions(self, text: str) -> tuple[Expansion, ...]:
        """The terms in a text, the longest at each place, none overlapping another."""
        if not self.also:
            return ()
        words = [(match.start(), match.end(), _folded(match[0])) for match in _WORD.finditer(text)]
        found: list[Expansion] = []
        at = 0
        while at < len(words) and len(found) < MAX_EXPANSIONS:
            length = self._longest_term(words[at : at + self.longest])
            if length:
                key = tuple(word for _, _, word in words[at : at + length])
                found.append(Expansion(words[at][0], words[at + length - 1][1], self.also[key]))
            at += length or 1
        return tuple(found)

    def _longest_term(self, words: list[tuple[int, int, str]]) -> int:
        """How many of the words, from the first on, are a term; 0 where none is."""
        key = tuple(word for _, _, word in words)
        return next((length for length in range(len(key), 0, -1) if key[:length] in self.also), 0)


def thesaurus(rules: Iterable[Rule]) -> Thesaurus:
    also: dict[Key, dict[str, None]] = {}
    for rule in rules:
        for term in rule.terms:
            others = (other for other in rule.also if _key(other) != _key(term))
            also.setdefault(_key(term), {}).update(dict.fromkeys(others))
    kept = {key: tuple(others) for key, others in also.items() if others}
    return Thesaurus(kept, max(map(len, kept), default=0))


def parse_rules(text: str) -> tuple[Rule, ...]:
    """The rules that lines say. Raises InvalidSynonyms, which names each bad line by its number."""
    lines = [line.partition("#")[0].strip() for line in text.splitlines()]
    if len(lines) > MAX_LINES:
        raise InvalidSynonyms([f"There may be {MAX_LINES} lines at most; these are {len(lines)}."])
    rules, problems = [], []
    for number, line in enumerate(lines, start=1):
        try:
            rules += [_rule(line)] if line else []
        except ValueError as error:
            problems.append(f"Line {number}: {error}")
    if problems:
        raise InvalidSynonyms(problems)
    return tuple(rules)


def _rule(line: str) -> Rule:
    left, arrow, right = line.partition("=>")
    if not arrow:
        terms = _terms(line)
        if len({_key(term) for term in terms}) < 2:
            raise ValueError("synonyms are at least two different words, with a comma between them.")
        return Rule(terms, terms)
    if "=>" in right:
        raise ValueError("=> may stand there once.")
    return Rule(_terms(left), _terms(right))


def _terms(side: str) -> tuple[str, ...]:
    terms = tuple(" ".join(term.split()) for term in side.split(","))
    if len(terms) > MAX_TERMS:
        raise ValueError(f"a side has {MAX_TERMS} words or phrases at most.")
    for term in terms:
        if not _key(term):
            raise ValueError("a word is missing beside a comma or =>.")
        if len(_key(term)) > MAX_TERM_WORDS and not _is_unspaced(term):
            raise ValueError(f"{term!r} has more than {MAX_TERM_WORDS} words.")
    return terms


def _is_unspaced(term: str) -> bool:
    return len(term) <= 20 and " " not in term


def _key(term: str) -> Key:
    return tuple(_folded(match[0]) for match in _WORD.finditer(term))


def _folded(word: str) -> str:
    folded = word.casefold()
    return folded[:-1] if len(folded) > 3 and folded.endswith("s") and not folded.endswith("ss") else folded
