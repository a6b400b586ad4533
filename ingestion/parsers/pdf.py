"""Lines of a PDF to elements: headings by size, paragraphs by gaps, no page heads. Pure but for `parse`."""

import re
import statistics
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

from ingestion.parsers.elements import Element, ParsedDocument, first_title
from ingestion.parsers.pdf_lines import LINE_HYPHEN, Line, PdfText, read_pdf

_DIGITS: Final = re.compile(r"\d+")
_LETTERS: Final = re.compile(r"[^\W\d_]{2}|[\u3040-\u9fff\uac00-\ud7af]")
_BULLET: Final = re.compile(r"^(?:[•●▪‣◦■□➢✓❖]|[-–—*](?=\s)|\(?(?:\d{1,2}|[a-z])[.)](?=\s+[^\W\d_]{2}))\s*")
_SIGN: Final = re.compile(r"^[•●▪‣◦■□➢✓❖–—*-]\s*")
_HEADING_START: Final = re.compile(r"[^\W_]|[\"'“‘(\[¿¡§#]")
_SENTENCE_END: Final = re.compile(r"[.!?:。！？]['\"”’)\]]*$")
_WORD: Final = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_INSANE_TITLE: Final = re.compile(
    r"^(?:untitled|microsoft word|microsoft powerpoint|slide \d|powerpoint|document\d*|title|doi:)|"
    r"\.(?:docx?|pdf|tex|dvi|indd|ps|qxd|pptx?|xlsx?|rtf|wpd)\b|^[\W\d_]*$",
    re.IGNORECASE,
)
# Measured on the format set: body text varies by less, headings start at about this.
_HEADING_RATIO: Final = 1.15
_LONGEST_HEADING: Final = 200
_SAME_SIZE_RATIO: Final = 1.06
_LEVELS: Final = 4
_LONGEST_BOLD_HEADING: Final = 100
# Above this share bold is the look of the text, not of its headings.
_BOLD_SHARE: Final = 0.3
# A gap of this many usual line steps starts a paragraph.
_PARAGRAPH_GAP: Final = 1.35
_EDGE_LINES: Final = 3
_REPEATED_SHARE: Final = 0.5
_FEWEST_PAGES: Final = 3


def parse(data: bytes) -> ParsedDocument:
    text = read_pdf(data)
    elements = tuple(elements_of(text))
    title = text.info.get("Title", "").strip()
    metadata: dict[str, object] = {
        key.lower(): text.info[key]
        for key in ("Author", "Subject", "Keywords")
        if text.info.get(key, "").strip()
    }
    date = re.match(r"D:(\d{4})(\d{2})(\d{2})", text.info.get("CreationDate", ""))
    if date is not None:
        metadata["date"] = "-".join(date.groups())
    return ParsedDocument(
        title=title if is_sane_title(title) else first_title(elements),
        language=None,
        metadata=metadata | {"pages": len(text.pages)},
        elements=elements,
    )


def is_sane_title(title: str) -> bool:
    """False for what programs write into the title of a PDF when nobody gave one."""
    return 3 < len(title) < _LONGEST_HEADING and _INSANE_TITLE.search(title) is None


def elements_of(text: PdfText) -> Iterator[Element]:
    if not any(text.pages):
        return
    body = _body_size([line for page in text.pages for line in page])
    lines = [line for page in without_running_heads(text.pages, body=body) for line in page]
    layout = layout_of(lines, body=body)
    words = frozenset(word for line in lines for word in _WORD.findall(line.text.lower()))
    for block in _blocks(lines, layout):
        first = block[0]
        joined = join_lines([line.text for line in block], words)
        level = layout.level(first)
        if level is not None and len(joined) <= _LONGEST_HEADING:
            yield Element(kind="title", text=joined, level=level, page=first.page)
        elif _BULLET.match(joined):
            yield Element(kind="list_item", text=_SIGN.sub("", joined) or joined, page=first.page)
        elif joined:
            yield Element(kind="text", text=joined, page=first.page)


def without_running_heads(pages: Sequence[Sequence[Line]], *, body: float) -> list[list[Line]]:
    """The pages without the lines at their edges that come again on most pages.

    Numbers don't count, but in lines larger than the body's text: `Chapter 1` and `Chapter 2` are headings.
    """
    if len(pages) < _FEWEST_PAGES:
        return [list(page) for page in pages]
    counts = Counter(key for page in pages for key in {_running_key(line, body) for line in _edges(page)})
    filled = sum(1 for page in pages if page)
    running = {key for key, count in counts.items() if count >= max(_FEWEST_PAGES, _REPEATED_SHARE * filled)}
    kept: list[list[Line]] = []
    for page in pages:
        edges = {id(line) for line in _edges(page) if _running_key(line, body) in running}
        kept.append([line for line in page if id(line) not in edges])
    return kept


def _edges(page: Sequence[Line]) -> list[Line]:
    by_height = sorted(page, key=lambda line: line.bottom)
    return by_height[:_EDGE_LINES] + by_height[max(_EDGE_LINES, len(by_height) - _EDGE_LINES) :]


def _running_key(line: Line, body: float) -> tuple[str, int]:
    text = line.text.lower()
    return text if line.size >= body * _HEADING_RATIO else _DIGITS.sub("#", text), round(line.bottom / 12)


@dataclass(frozen=True)
class Layout:
    """How a document is set: the sizes of its headings, largest first, and the usual step between lines."""

    body: float
    sizes: tuple[float, ...]
    step: float
    bold_headings: bool

    def level(self, line: Line) -> int | None:
        """The level of a heading's line, else None. Bold lines of the body's size are the lowest level."""
        if not _may_be_heading(line):
            return None
        for position, size in enumerate(self.sizes):
            if size / _SAME_SIZE_RATIO <= line.size <= size * _SAME_SIZE_RATIO:
                return position + 1
        if (
            self.bold_headings
            and line.bold
            and line.size >= self.body * 0.95
            and not _SENTENCE_END.search(line.text)
        ):
            return len(self.sizes) + 1 if len(line.text) <= _LONGEST_BOLD_HEADING else None
        return None


def layout_of(lines: Sequence[Line], *, body: float) -> Layout:
    bold = sum(len(line.text) for line in lines if line.bold)
    return Layout(
        body=body,
        sizes=_heading_sizes(lines, body),
        step=_line_step(lines),
        bold_headings=bold < _BOLD_SHARE * sum(len(line.text) for line in lines),
    )


def _body_size(lines: Sequence[Line]) -> float:
    """The size, to half a point, in which most characters are set."""
    weights: Counter[float] = Counter()
    for line in lines:
        weights[round(line.size * 2) / 2] += len(line.text)
    return max(weights.items(), key=lambda item: (item[1], -item[0]))[0]


def _heading_sizes(lines: Sequence[Line], body: float) -> tuple[float, ...]:
    """The sizes of headings from the largest down, at most four; sizes that differ by little are one."""
    sizes = sorted(
        {line.size for line in lines if _may_be_heading(line) and line.size >= body * _HEADING_RATIO}
    )
    found: list[float] = []
    for size in reversed(sizes):
        if not found or found[-1] > size * _SAME_SIZE_RATIO:
            found.append(size)
    return tuple(found[:_LEVELS])


def _may_be_heading(line: Line) -> bool:
    if len(line.text) > _LONGEST_HEADING or line.size <= 0:
        return False
    return _LETTERS.search(line.text) is not None and _HEADING_START.match(line.text) is not None


def _line_step(lines: Sequence[Line]) -> float:
    """The usual distance of one line from the next, in parts of the line's size."""
    pairs = ((above, below) for above, below in pairwise(lines) if above.page == below.page)
    steps = [(above.bottom - below.bottom) / above.size for above, below in pairs if above.size > 0]
    usual = [step for step in steps if 0.5 < step < 2.5]
    return statistics.median(usual) if usual else 1.2


def _blocks(lines: Sequence[Line], layout: Layout) -> Iterator[list[Line]]:
    """Runs of lines that are one paragraph, list item or heading."""
    block: list[Line] = []
    for line in lines:
        if block and _starts_block(block, line, layout):
            yield block
            block = []
        block.append(line)
    if block:
        yield block


def _starts_block(block: Sequence[Line], line: Line, layout: Layout) -> bool:
    last = block[-1]
    if last.text.endswith(LINE_HYPHEN):
        return False
    level = layout.level(line)
    if level != layout.level(block[0]):
        # A superscript or a large initial in the row of its paragraph is no heading of its own.
        return not (_same_row(last, line) and min(len(line.text), len(last.text)) <= 3)
    if level is not None:
        return line.page != last.page or last.bottom - line.bottom > 2.2 * last.size
    return not _same_row(last, line) and _starts_paragraph(block, line, layout)


def _starts_paragraph(block: Sequence[Line], line: Line, layout: Layout) -> bool:
    last = block[-1]
    if _BULLET.match(line.text):
        return True
    if line.page != last.page or line.bottom > last.bottom:
        # The next column or page: a sentence that is not over goes on there.
        return _SENTENCE_END.search(last.text) is not None or not line.text[:1].islower()
    gap = (last.bottom - line.bottom) / max(last.size, 1.0)
    return gap > layout.step * _PARAGRAPH_GAP or _is_indented_start(block, line)


def _same_row(last: Line, line: Line) -> bool:
    overlap = min(last.top, line.top) - max(last.bottom, line.bottom)
    return line.page == last.page and overlap > 0.5 * min(last.size, line.size)


def _is_indented_start(block: Sequence[Line], line: Line) -> bool:
    """A first line set in by an em or so, after a line that ends a sentence."""
    if not _SENTENCE_END.search(block[-1].text):
        return False
    margin = min(item.left for item in block[-2:])
    return 0.8 * line.size < line.left - margin < 4 * line.size and len(block) > 1


def join_lines(texts: Sequence[str], words: frozenset[str]) -> str:
    """The lines as one text. By `words`, the document's, a hyphen at a line's end is kept or not."""
    joined = ""
    for text in texts:
        plain = joined[-1:] == "-" and joined[-2:-1].isalpha() and text[:1].islower()
        if plain or joined.endswith(LINE_HYPHEN):
            joined = _unhyphenated(joined[:-1], text, words)
        else:
            joined = f"{joined} {text}" if joined else text
    return " ".join(joined.replace(LINE_HYPHEN, "-").split())


def _unhyphenated(left: str, right: str, words: frozenset[str]) -> str:
    start = re.search(r"[^\W_]+$", left)
    end = re.match(r"[^\W_]+", right)
    if start is None or end is None or not right[0].islower():
        return f"{left}-{right}"
    whole, compound = (start.group() + end.group()).lower(), f"{start.group()}-{end.group()}".lower()
    return f"{left}-{right}" if compound in words and whole not in words else left + right
