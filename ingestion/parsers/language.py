"""The language of a document as an ISO 639-1 code: declared, else seen in its prose, else None."""

import re
from collections.abc import Iterable
from typing import Final

from langdetect import DetectorFactory, LangDetectException, detect_langs

from ingestion.parsers.elements import Element

# langdetect draws at random unless it is told not to.
DetectorFactory.seed = 0

_DECLARED: Final = re.compile(r"^\s*([a-z]{2})(?:[-_][a-z0-9]+)*\s*$", re.IGNORECASE)
_SAMPLE_CHARACTERS: Final = 600
_LEAST_CHARACTERS: Final = 60
_LEAST_PROBABILITY: Final = 0.9
_WORDS: Final = re.compile(r"[^\W\d_]+")
# These two are a tenth of English prose, and hardly words elsewhere.
_ENGLISH_WORDS: Final = frozenset(("the", "and"))
_ENGLISH_SHARE: Final = 0.05


def declared_language(value: object) -> str | None:
    """`en-GB` and `EN` are `en`; anything that is no language tag is None."""
    match = _DECLARED.match(value) if isinstance(value, str) else None
    return match.group(1).lower() if match else None


def detected_language(elements: Iterable[Element]) -> str | None:
    """The language of the first prose of a document, or None where that is too little or not clear."""
    sample = ""
    for element in elements:
        if element.kind in ("text", "list_item"):
            sample += element.text + "\n"
        if len(sample) >= _SAMPLE_CHARACTERS:
            break
    if len(sample) < _LEAST_CHARACTERS:
        return None
    words = _WORDS.findall(sample.lower())
    if sum(word in _ENGLISH_WORDS for word in words) > _ENGLISH_SHARE * len(words):
        return "en"  # Without the 20 ms that a comparison with 55 languages takes.
    try:
        best = detect_langs(sample[:_SAMPLE_CHARACTERS])[0]
    except LangDetectException:
        return None
    return str(best.lang)[:2] if best.prob >= _LEAST_PROBABILITY else None
