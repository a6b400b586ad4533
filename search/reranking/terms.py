"""Pure: the words of a text, in any language, as the learned reranker compares them.

No stop words and no language's endings: a long word is its beginning, a run of Chinese, Japanese, Korean or Thai its
pairs of characters.
"""

import re
from functools import lru_cache

Terms = tuple[str, ...]

_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uac00-\ud7af\uf900-\ufaff"
_WORD = re.compile(rf"[{_UNSPACED}]+|[^\W_{_UNSPACED}]+")
_RUN = re.compile(rf"[{_UNSPACED}]")
_KEPT = 6  # characters of a word of up to 8; of a longer one, 7
_CACHED_WORDS = 50_000
_CACHED_TEXTS = 2_000


@lru_cache(maxsize=_CACHED_TEXTS)
def terms(text: str) -> Terms:
    """The text's terms in order. The passages that are found often are read but once."""
    return tuple(term for word in _WORD.findall(text) for term in _terms_of(word))


@lru_cache(maxsize=_CACHED_WORDS)
def _terms_of(word: str) -> Terms:
    if _RUN.match(word):
        return tuple(word[i : i + 2] for i in range(len(word) - 1)) or (word,)
    folded = word.casefold()
    if folded.isdigit():
        return (folded,)
    return (folded[:_KEPT] if len(folded) <= _KEPT + 2 else folded[: _KEPT + 1],)
