"""Pure: which of a tenant's curation rules a query meets, and what they do: documents pinned or hidden, a redirect.

Rules say only what a content manager wants. A pin is a wish: whether its document may be seen is decided elsewhere,
as for any hit. For a document that several rules name, the first one by priority holds.
"""

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import numpy as np

from search.types import Redirect

_NOT_WORD = re.compile(r"(?:[^\w+#]|_)+")  # C++ and C# are not C
_ACCENT = re.compile("[\u0300-\u036f]")  # of Latin, Greek and Cyrillic; elsewhere marks are letters
_UNSPACED = re.compile("[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff]")
_WEB_URL = re.compile(r"https?://[^\s/?#\\]+[^\s\\]*", re.IGNORECASE)
_PATH = re.compile(r"/(?![/\\])[^\s\\]*")


class Match(StrEnum):
    """How a query meets a rule: it is the rule's, holds it as whole words, or is near it in meaning."""

    EXACT = "exact"
    CONTAINED = "contained"
    NEAR = "near"


@dataclass(frozen=True, slots=True)
class Rule:
    """A published rule. `pins` and `hides` are document ids; `vectors` has a row a query, unit length."""

    id: int
    match: Match
    queries: tuple[str, ...]
    pins: tuple[int, ...] = ()
    hides: tuple[int, ...] = ()
    redirect: Redirect | None = None
    priority: int = 100
    starts_at: datetime | None = None
    ends_at: datetime | None = None
    vectors: Any = None
    least_cosine: float = 0.8

    def is_current(self, now: datetime) -> bool:
        return (self.starts_at is None or self.starts_at <= now) and (
            self.ends_at is None or now < self.ends_at
        )


@dataclass(frozen=True, slots=True)
class Curation:
    """What the rules that a query meets do together; empty when it meets none."""

    pins: tuple[int, ...] = ()
    hides: frozenset[int] = frozenset()
    redirect: Redirect | None = None
    rules: tuple[int, ...] = ()


class RuleSet:
    """A tenant's rules, compiled: a query is compared with all of them in microseconds."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: (rule.priority, rule.id)))
        self._exact: dict[str, list[int]] = {}
        self._contained: list[tuple[str, int]] = []
        near: list[tuple[Any, int]] = []
        for at, rule in enumerate(self.rules):
            for query in map(normalised, rule.queries):
                if rule.match is Match.EXACT:
                    self._exact.setdefault(query, []).append(at)
                elif rule.match is Match.CONTAINED:
                    self._contained.append((query, at))
            if rule.match is Match.NEAR and rule.vectors is not None:
                near += [(row, at) for row in rule.vectors]
        self._near_rows = np.array([row for row, _ in near], dtype=np.float32) if near else None
        self._near_places = [at for _, at in near]
        dates = {date for rule in self.rules for date in (rule.starts_at, rule.ends_at) if date}
        self._dates = sorted(dates)

    def epoch(self, now: datetime) -> int:
        """Moves on whenever a rule starts or ends: what a cached response may not outlive."""
        return bisect_right(self._dates, now)

    def curation(self, query: str, *, vector: Any | None, now: datetime) -> Curation:
        """What the rules do to a query; those by nearness need its embedding, unit length."""
        if not self.rules:
            return Curation()
        text = normalised(query)
        places = {*self._exact.get(text, ()), *self._near(vector)}
        places |= {at for phrase, at in self._contained if is_contained(phrase, text)}
        met = [self.rules[at] for at in sorted(places)]
        return combined(rule for rule in met if rule.is_current(now))

    def _near(self, vector: Any | None) -> list[int]:
        if vector is None or self._near_rows is None:
            return []
        cosines = self._near_rows @ vector
        return [
            at
            for at, cosine in zip(self._near_places, cosines, strict=True)
            if cosine >= self.rules[at].least_cosine
        ]


NO_RULES = RuleSet(())


def normalised(text: str) -> str:
    """A query without what people type differently: case, accents, width, punctuation, runs of spaces."""
    folded = unicodedata.normalize("NFKD", text).casefold()
    plain = _ACCENT.sub("", unicodedata.normalize("NFKD", folded))
    return _NOT_WORD.sub(" ", unicodedata.normalize("NFC", plain)).strip()


def is_contained(phrase: str, text: str) -> bool:
    """Both normalised: whether the text holds the phrase as whole words; in scripts without spaces, at all."""
    if phrase not in text:
        return False
    return bool(_UNSPACED.search(phrase)) or f" {phrase} " in f" {text} "


def combined(rules: Iterable[Rule]) -> Curation:
    """Rules in order of priority → what they do together. The first to name a document, or to redirect, holds."""
    pins: list[int] = []
    hides: set[int] = set()
    redirect: Redirect | None = None
    met: list[int] = []
    for rule in rules:
        pins += [document for document in rule.pins if document not in hides.union(pins)]
        hides |= set(rule.hides).difference(pins)
        redirect = redirect or rule.redirect
        met.append(rule.id)
    return Curation(tuple(pins), frozenset(hides), redirect, tuple(met))


def contradiction(rule: Rule, others: Sequence[Rule]) -> tuple[Rule, int] | None:
    """Another rule that one of these queries would meet at the same time, and a document that one of them
    pins and the other hides; None when there is none."""
    for other in others:
        if _meet(rule, other) and _overlap(rule, other):
            wanted = {*rule.pins} & {*other.hides} | {*rule.hides} & {*other.pins}
            if wanted:
                return other, min(wanted)
    return None


def _meet(one: Rule, other: Rule) -> bool:
    return any(_meets(query, other) for query in one.queries) or any(
        _meets(query, one) for query in other.queries
    )


def _meets(query: str, rule: Rule) -> bool:
    text = normalised(query)
    own = [normalised(query) for query in rule.queries]
    return text in own or (rule.match is Match.CONTAINED and any(is_contained(each, text) for each in own))


def _overlap(one: Rule, other: Rule) -> bool:
    return not (
        (one.ends_at and other.starts_at and one.ends_at <= other.starts_at)
        or (other.ends_at and one.starts_at and other.ends_at <= one.starts_at)
    )


def is_safe_address(url: str) -> bool:
    """Where a redirect may lead: an http(s) address, or a path on this site."""
    return bool(_WEB_URL.fullmatch(url) or _PATH.fullmatch(url)) and url.isprintable()
