"""The one door to unstructured: quiet and offline. Import its functions from here, never from unstructured.

It reports home when it loads, and downloads a spaCy model at its first text element; both are stopped here.
"""

import inspect
import os
import re
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Final

os.environ.update(DO_NOT_TRACK="1", SCARF_NO_ANALYTICS="true", UNSTRUCTURED_DISABLE_NOTICE="1")

# Unstructured imports spaCy for nothing but the model that is replaced below; it would load for seconds, and
# torch with it where there is one. So an empty module stands in for it during the imports.
_stands_in = "spacy" not in sys.modules
if _stands_in:
    sys.modules["spacy"] = ModuleType("spacy")

import unstructured.nlp.tokenize as unstructured_tokenize  # noqa: E402
import unstructured.partition.docx as unstructured_docx  # noqa: E402
import unstructured.partition.html as unstructured_html  # noqa: E402
import unstructured.partition.text as unstructured_text  # noqa: E402
from unstructured.documents.elements import Element as UnstructuredElement  # noqa: E402

if _stands_in:
    del sys.modules["spacy"]

__all__ = ["UnstructuredElement", "partition_docx", "partition_html", "partition_text"]

# The partitioners as they are written, without the steps that unstructured wraps around each: ids, languages, file
# types and parents of elements. Nothing reads those, and they take as long as the elements themselves.
partition_docx: Final = inspect.unwrap(unstructured_docx.partition_docx)
partition_html: Final = inspect.unwrap(unstructured_html.partition_html)
partition_text: Final = inspect.unwrap(unstructured_text.partition_text)

_TOKEN: Final = re.compile(r"\w+|[^\w\s]")
_SENTENCE: Final = re.compile(r"[^.!?。！？]+[.!?。！？]*\s*|[.!?。！？]+\s*")
_VERB_TEXT: Final = """
    is are was were am be been being has have had do does did can could will would shall should may might
    must says said makes made uses used takes took gives gave goes went gets got comes came
"""
_VERBS: Final = frozenset(_VERB_TEXT.split())


class _Span:
    """A token or sentence, with the two attributes that unstructured reads."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.tag_ = "VB" if text.lower() in _VERBS else ""


class _Doc:
    def __init__(self, text: str) -> None:
        self._text = text

    def __iter__(self) -> Iterator[_Span]:
        return (_Span(token) for token in _TOKEN.findall(self._text))

    @property
    def sents(self) -> Iterator[_Span]:
        return (_Span(sentence) for sentence in _SENTENCE.findall(self._text))


class SmallLanguageModel:
    """Sentences and a handful of verbs: all that unstructured asks spaCy for.

    Used even where a spaCy model is installed: the same bytes give the same elements on every machine.
    """

    max_length: Final = 1_000_000

    def __call__(self, text: str) -> _Doc:
        return _Doc(text)


setattr(unstructured_tokenize, "_load_spacy_model", SmallLanguageModel)  # noqa: B010
