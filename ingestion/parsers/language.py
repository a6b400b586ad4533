"""The language of a document as an ISO 639-1 code: declared, else seen in its prose, else None."""

import re
from collections.abc import Iterable
from functools import cache
from typing import Final

from py3langid.langid import MODEL_FILE, LanguageIdentifier

from ingestion.parsers.elements import Element

# Of py3langid's 140: small neighbours of large languages (Wu, Latin, Pidgin) take more from these than they find.
_LANGUAGES: Final = (
    "af ar bg bn ca cs cy da de el en es et fa fi fr gu he hi hr hu id it ja kn ko lt lv mk ml mr ne nl no pa pl pt ro "
    "ru sk sl so sq sv sw ta te th tl tr uk ur vi zh"
)
_DECLARED: Final = re.compile(r"^\s*([a-z]{2})(?:[-_][a-z0-9]+)*\s*$", re.IGNORECASE)
_SAMPLE_CHARACTERS: Final = 600
_LEAST_CHARACTERS: Final = 60
_LEAST_PROBABILITY: Final = 0.9


@cache
def _identifier() -> LanguageIdentifier:
    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_LANGUAGES.split())
    return identifier


def load() -> None:
    """Read the model, which takes most of a second, before the first document waits for it."""
    _identifier()


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
    language, probability = _identifier().classify(sample[:_SAMPLE_CHARACTERS])
    return str(language) if probability >= _LEAST_PROBABILITY else None
