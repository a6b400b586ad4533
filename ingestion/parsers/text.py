"""Plain text to elements: unstructured's paragraphs and lists. A line is a heading only where its form leaves little doubt."""

import re
from collections.abc import Iterator
from typing import Final

from ingestion.parsers.elements import Element, ParsedDocument, first_title
from ingestion.parsers.encodings import decode_text
from ingestion.parsers.offline import NO_LANGUAGE_DETECTION, UnstructuredElement, partition_text

_LONGEST_HEADING: Final = 100
_NUMBERED: Final = re.compile(r"^(?:chapter |section |part |appendix |article )?(\d{1,3}(?:\.\d{1,3})*)[.):]?\s+[^\W\d_]", re.I)
_ENDS_SENTENCE: Final = re.compile(r"[.!?:;,。！？]$")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_SMALL_WORDS: Final = frozenset("a an and as at but by for from in into of on or the to vs with".split())


def parse(data: bytes) -> ParsedDocument:
    text = decode_text(data)
    if not text.strip():
        return ParsedDocument(title=None, language=None, metadata={}, elements=())
    found = partition_text(text=text, languages=NO_LANGUAGE_DETECTION)
    elements = tuple(_elements(found))
    return ParsedDocument(title=first_title(elements), language=None, metadata={}, elements=elements)


def _elements(found: list[UnstructuredElement]) -> Iterator[Element]:
    for position, item in enumerate(found):
        text = item.text.strip()
        last = position == len(found) - 1
        if not text:
            continue
        if item.category in ("Title", "Text", "ListItem") and not last and (level := heading_level(text)) is not None:
            yield Element(kind="title", text=text, level=level)
        else:
            yield Element(kind="list_item" if item.category == "ListItem" else "text", text=text)


def heading_level(text: str) -> int | None:
    """1 for a line in capitals or title case, the depth of its number for `2.1 Numbered`; None for what is no heading."""
    if "\n" in text or len(text) > _LONGEST_HEADING or _ENDS_SENTENCE.search(text):
        return None
    words = _WORD.findall(text)
    if not words:
        return None
    capitalised = all(word[0].isupper() or word in _SMALL_WORDS for word in words) and words[0][0].isupper()
    numbered = _NUMBERED.match(text)
    if numbered and capitalised:
        return numbered.group(1).count(".") + 1
    return 1 if capitalised and len(words) <= 10 else None
