"""Pure: the weight of the vector leg for a query whose profile leaves it open, from what was probed of its languages.

A query's script says which of an index's languages it may be in; among those, each counts by its share of the chunks.
"""

import re
from collections.abc import Mapping, Sequence

from search.types import LanguageWeight

_SCRIPTS: Mapping[str, "re.Pattern[str]"] = {
    "arabic": re.compile("[\u0600-\u06ff]"),
    "cyrillic": re.compile("[\u0400-\u04ff]"),
    "devanagari": re.compile("[\u0900-\u097f]"),
    "east asian": re.compile("[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]"),
    "greek": re.compile("[\u0370-\u03ff]"),
    "hebrew": re.compile("[\u0590-\u05ff]"),
    "thai": re.compile("[\u0e00-\u0e7f]"),
}
LATIN = "latin"
_SCRIPT_OF: Mapping[str, str] = {
    **dict.fromkeys(("ar", "fa", "ur"), "arabic"),
    **dict.fromkeys(("be", "bg", "kk", "mk", "ru", "sr", "uk"), "cyrillic"),
    **dict.fromkeys(("hi", "mr", "ne"), "devanagari"),
    **dict.fromkeys(("ja", "ko", "zh"), "east asian"),
    "el": "greek",
    "he": "hebrew",
    "th": "thai",
}


def automatic_weight(text: str, weights: Sequence[LanguageWeight], *, language: str = "") -> float | None:
    """The mean of the weights of the languages that the query may be in; `language` says which, if it is known.

    None where none of them was probed.
    """
    possible = [weight for weight in weights if weight.language == language]
    if not possible:
        scripts = scripts_of(text)
        possible = [weight for weight in weights if _SCRIPT_OF.get(weight.language, LATIN) in scripts]
    chunks = sum(weight.chunks for weight in possible)
    if not chunks:
        return None
    return round(sum(weight.vector_weight * weight.chunks for weight in possible) / chunks, 2)


def scripts_of(text: str) -> frozenset[str]:
    """The scripts that tell a query's language. Latin letters count alone: names stand in texts of any language."""
    if text.isascii():
        return frozenset({LATIN})
    return frozenset(name for name, letters in _SCRIPTS.items() if letters.search(text)) or frozenset({LATIN})
