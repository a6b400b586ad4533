"""Pure data: what a question says beside its content words, which phrases swallow: how many days, which painter, all.

Two questions that both say something of one line have to say the same; what only one of them says is no difference.
"""

import re
from collections.abc import Iterator

from search.questions.meanings import meaning

_DURATION = "seconds?|minutes?|hours?|days?|weeks?|months?|years?"
_LENGTH = "millimet(?:er|re)s?|centimet(?:er|re)s?|met(?:er|re)s?|kilomet(?:er|re)s?|km|miles?|feet|yards?"
_MOMENT = "time|date|day|week|month|year|decade|century"
_PERSON = "scientist|author|composer|artist|painter|writer|player|employee|colleague|manager|teacher|doctor"
# One line a pattern: its groups' names, or the meanings of the word that it has found, are compared
_PATTERNS = rf"""
\bhow many (?:\w+ )?({_DURATION}|{_LENGTH})\b
\b(?:what|which) ({_MOMENT})s?\b
\b(?:what|which) ({_PERSON})s?\b
\b(?:(?P<able>possible|able)|(?P<allowed>allowed|permitted|authori[sz]ed|entitled|permission|right to))\b
^(?:(?P<advised>should|ought|is it (?:advisable|recommended))|(?P<obliged>must|(?:do|does|did) .*\b(?:have|need|required) to|(?:is|are|am) .*\b(?:required|mandatory|necessary|compulsory|obliged)))\b
\b(?:(?P<all>all|every|each|everyone|everybody)|(?P<any>any|some|anyone|anybody|someone|somebody)|(?P<one>one(?= \w)))\b
\b(?:(?P<and>and)|(?P<or>or))\b
\b(?:(?P<who>who)|(?P<whose>whose))\b
\b(?:(?P<already>already)|(?P<still>still)|(?P<yet>yet))\b
"""  # noqa: E501  a pattern is one line
_ASIDES = tuple(map(re.compile, _PATTERNS.strip().splitlines()))


def asides(text: str) -> frozenset[tuple[int, str]]:
    """(line, what is said) of a question in lower case."""
    return frozenset(_said(text))


def _said(text: str) -> Iterator[tuple[int, str]]:
    for line, pattern in enumerate(_ASIDES):
        for found in pattern.finditer(text):
            yield line, found.lastgroup or meaning(found[1])


def differ(one: frozenset[tuple[int, str]], other: frozenset[tuple[int, str]]) -> bool:
    """Whether both say something of the same, and not the same."""
    lines = {line for line, _ in one} & {line for line, _ in other}
    return any((line in lines) for line, _ in one ^ other)
