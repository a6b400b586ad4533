"""Pure: how far an answer says what the reference says, as SQuAD measures it.

Case, punctuation and English articles count nothing; Chinese and Japanese are compared by character.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

_TOKEN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]|[^\W_\u3040-\u30ff\u3400-\u9fff\uf900-\ufaff]+"
)
_ARTICLES = frozenset({"a", "an", "the"})
_MARKER = re.compile(r"\s*\[\d+\]")


def normalised(text: str) -> tuple[str, ...]:
    """The words of a text that count, without citation markers."""
    folded = unicodedata.normalize("NFKC", _MARKER.sub("", text)).casefold()
    return tuple(token for token in _TOKEN.findall(folded) if token not in _ARTICLES)


def f1(answer: str, references: Iterable[str]) -> float:
    """Harmonic mean of the shares of words that answer and reference have in common; with the best reference, 0 to 1.

    Source: Rajpurkar et al. 2016, "SQuAD: 100,000+ Questions for Machine Comprehension of Text".
    """
    said = Counter(normalised(answer))
    return max((_f1(said, Counter(normalised(reference))) for reference in references), default=0.0)


def holds(answer: str, references: Iterable[str]) -> bool:
    """Whether the answer has the words of a reference in a row."""
    said = normalised(answer)
    return any(_runs(said, normalised(reference)) for reference in references)


def _f1(said: Counter[str], wanted: Counter[str]) -> float:
    common = (said & wanted).total()
    return 2 * common / (said.total() + wanted.total()) if common else 0.0


def _runs(said: Sequence[str], wanted: Sequence[str]) -> bool:
    length = len(wanted)
    return length > 0 and any(
        said[start : start + length] == wanted for start in range(len(said) - length + 1)
    )
