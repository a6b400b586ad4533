"""Pure: which words of a query may be misspelt, what to ask the engine about them, and the query with them corrected.

Only words of letters outside codes are looked at. A word is corrected where it matches nothing that the principal may
see, to a word that does: both are counted behind the door.
"""

import re
from collections.abc import Mapping, Sequence
from typing import Any

from search.mapping import SPELLING_FIELD
from search.types import ParsedQuery

Body = dict[str, Any]
MAX_WORDS = 32  # of a query are looked at; long texts are no typed queries
MAX_CORRECTED = 4
_OPTIONS = 3
_LEAST_LETTERS = 4
_TWO_EDITS_FROM = 8  # letters; shorter words that differ so much are other words
_SURE_FROM = 6  # letters; of shorter words, one letter more, less or other is mostly another right word
_ANY_FREQUENCY = 1_000_000_000  # else words that many documents have would have no neighbours
_WORD = re.compile(r"(?<![\w.'’-])[^\W\d_]{4,40}(?![\w'’]|[.-]\w)")


def spelled_words(parsed: ParsedQuery) -> tuple[str, ...]:
    """Words that a typo may be in, in lower case, each once."""
    return tuple(dict.fromkeys(match[0].lower() for match in _WORD.finditer(parsed.plain)))[:MAX_WORDS]


def suggest_body(words: Sequence[str], *, missing_only: bool = True) -> Body:
    """The nearest words that the index has: for words that it lacks, which costs the others one look-up each."""
    term = {
        "field": SPELLING_FIELD,
        "suggest_mode": "missing" if missing_only else "always",
        "prefix_length": 1,
        "min_word_length": _LEAST_LETTERS,
        "size": _OPTIONS,
        "max_term_freq": _ANY_FREQUENCY,
    }
    short = [word for word in words if len(word) < _TWO_EDITS_FROM]
    long = [word for word in words if len(word) >= _TWO_EDITS_FROM]
    return {
        name: {"text": " ".join(part), "term": term | {"max_edits": edits}}
        for name, part, edits in (("short", short, 1), ("long", long, 2))
        if part
    }


def suggestions(answer: Mapping[str, Any]) -> dict[str, tuple[str, ...]]:
    """word → the engine's options, nearest first, for the words that have any."""
    entries = [entry for part in answer.get("suggest", {}).values() for entry in part]
    found = {entry["text"]: tuple(option["text"] for option in entry["options"]) for entry in entries}
    return {word: options for word, options in found.items() if options}


def is_sure(word: str, better: str, parsed: ParsedQuery) -> bool:
    """Whether to search for `better` unasked: two letters swapped, or one edit in a long word that is not in quotes."""
    if any(word in phrase.lower().split() for phrase in parsed.phrases):
        return False
    start = _common(word, better)
    rest, other = word[start:], better[start:]
    if rest[:2] == other[1::-1] and rest[2:] == other[2:]:
        return True
    is_one_edit = rest[1:] == other[1:] or rest[1:] == other or rest == other[1:]
    return is_one_edit and len(word) >= _SURE_FROM


def _common(word: str, other: str) -> int:
    """Letters that both begin with."""
    pairs = zip(word, other, strict=False)
    return next((n for n, (one, two) in enumerate(pairs) if one != two), min(len(word), len(other)))


def corrected(parsed: ParsedQuery, corrections: Mapping[str, str]) -> str:
    """The query as it would be typed with these words put right; operators stay as they are."""
    typed = parsed.typed
    for match in reversed(list(_WORD.finditer(parsed.plain))):
        if better := corrections.get(match[0].lower()):
            typed = typed[: match.start()] + better + typed[match.end() :]
    return typed
