"""Plain text to elements: unstructured's paragraphs and lists. A heading must look like nothing else."""

import re
from collections.abc import Iterator
from typing import Final

from ingestion.parsers.elements import Element, ParsedDocument, first_title
from ingestion.parsers.encodings import decode_text
from ingestion.parsers.offline import UnstructuredElement, partition_text

_LONGEST_HEADING: Final = 100
# Hard-wrapped text has lines of 70 to 100 characters.
_WRAPPED_LINE: Final = 60
_BLANK_LINES: Final = re.compile(r"\n[ \t]*\n")
_NUMBER: Final = re.compile(r"\d+")
_NUMBERED: Final = re.compile(
    r"^(?:chapter |section |part |appendix |article )?(\d{1,3}(?:\.\d{1,3})*)[.):]?\s+[^\W\d_]", re.IGNORECASE
)
_ENDS_SENTENCE: Final = re.compile(r"[.!?:;,。！？]$")
_WORD: Final = re.compile(r"[^\W\d_]{2,}")
_SMALL_TEXT: Final = "a an and as at but by for from in into of on or the to vs with"
_SMALL_WORDS: Final = frozenset(_SMALL_TEXT.split())


def parse(data: bytes) -> ParsedDocument:
    text = decode_text(data)
    if not text.strip():
        return ParsedDocument(title=None, language=None, metadata={}, elements=())
    found = partition_text(text=text)
    elements = tuple(_with_whole_sentences(_elements(found, standalone=_standalone_lines(text))))
    return ParsedDocument(title=first_title(elements), language=None, metadata={}, elements=elements)


def _standalone_lines(text: str) -> frozenset[str]:
    """The lines that are paragraphs of their own: only these may be headings."""
    return frozenset(
        paragraph.strip() for paragraph in _BLANK_LINES.split(text) if "\n" not in paragraph.strip()
    )


def _elements(found: list[UnstructuredElement], *, standalone: frozenset[str]) -> Iterator[Element]:
    for position, item in enumerate(found):
        text = item.text.strip()
        last = position == len(found) - 1
        level = None if last or text not in standalone else heading_level(text)
        if level is not None:
            yield Element(kind="title", text=text, level=level)
        elif text:
            yield Element(kind="list_item" if item.category == "ListItem" else "text", text=text)


def _with_whole_sentences(elements: Iterator[Element]) -> Iterator[Element]:
    """Join the lines of text that is wrapped without blank lines, which unstructured takes for paragraphs."""
    lines: list[str] = []
    for element in elements:
        if lines and not (element.kind == "text" and _goes_on(lines[-1], element.text)):
            yield Element(kind="text", text=" ".join(lines))
            lines = []
        if element.kind == "text":
            lines.append(element.text)
        else:
            yield element
    if lines:
        yield Element(kind="text", text=" ".join(lines))


def _goes_on(line: str, following: str) -> bool:
    if _ENDS_SENTENCE.search(line):
        return False
    return following[0].islower() or (len(line) >= _WRAPPED_LINE and "\n" not in line)


def heading_level(text: str) -> int | None:
    """1 for a line in capitals or title case, the depth of its number for `2.1 Numbered`, else None."""
    if "\n" in text or len(text) > _LONGEST_HEADING or _ENDS_SENTENCE.search(text):
        return None
    words = _WORD.findall(text)
    if not words:
        return None
    capitalised = all(word[0].isupper() or word in _SMALL_WORDS for word in words) and words[0][0].isupper()
    numbered = _NUMBERED.match(text)
    if numbered and capitalised:
        return numbered.group(1).count(".") + 1
    return 1 if capitalised and len(words) <= 10 and len(_NUMBER.findall(text)) <= 1 else None
