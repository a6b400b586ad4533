"""Queries for measurements where nobody has written any: sentences of the corpus, as long as people type."""

import random
import re
from collections.abc import Iterable, Iterator

_WORDS = (4, 12)
_CHARACTERS = 200
_SENTENCE_END = re.compile(r"(?<=[.!?])\s+|\n+")


def sentences(passages: Iterable[str], *, seed: int) -> Iterator[str]:
    """The beginning of a sentence of each passage that has one; the same for the same seed."""
    draw = random.Random(seed)  # noqa: S311
    for passage in passages:
        beginnings = [" ".join(part.split()[: _WORDS[1]]) for part in _SENTENCE_END.split(passage)]
        fitting = [text for text in beginnings if len(text.split()) >= _WORDS[0]]
        if fitting:
            yield draw.choice(fitting)[:_CHARACTERS]
