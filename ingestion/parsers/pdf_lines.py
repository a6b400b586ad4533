"""The text of a PDF as lines with their places and sizes, by pypdfium2. Few characters are measured."""

import ctypes
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import pypdfium2 as pdfium
import pypdfium2.raw as pdfium_raw

from ingestion.exceptions import CorruptFile, EncryptedFile

# pdfium gives this for a hyphen at the end of a line, in place of the hyphen and the line end.
LINE_HYPHEN: Final = "\ufffe"
_LINE: Final = re.compile(r"[^\r\n\ufffe]+\ufffe?|\ufffe")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0b-\x1f\x7f\uffff]")
_BOLD_WEIGHT: Final = 600
_BOLD_NAME: Final = re.compile(rb"bold|black|heavy|-medi$|^(?:[A-Z]+\+)?CMBX", re.IGNORECASE)
_FONT_NAME_BYTES: Final = 128
_PASSWORD_SECURITY: Final = (pdfium_raw.FPDF_ERR_PASSWORD, pdfium_raw.FPDF_ERR_SECURITY)


@dataclass(frozen=True)
class Line:
    """One line of a page. Places are in points from the lower left corner; `size` is its font's size."""

    text: str
    page: int
    left: float
    right: float
    bottom: float
    top: float
    size: float
    bold: bool


@dataclass(frozen=True)
class PdfText:
    pages: tuple[tuple[Line, ...], ...]
    info: dict[str, str]


def read_pdf(data: bytes) -> PdfText:
    """All lines of a PDF in the order of its content. Raises EncryptedFile or CorruptFile."""
    document = _opened(data)
    try:
        count = len(document)
        if count == 0:
            raise CorruptFile("The PDF has no pages.")
        pages = [_page_lines(document, index) for index in range(count)]
        if all(page is None for page in pages):
            raise CorruptFile("No page of the PDF can be read.")
        return PdfText(
            pages=tuple(page or () for page in pages), info=document.get_metadata_dict(skip_empty=True)
        )
    finally:
        document.close()


def _opened(data: bytes) -> pdfium.PdfDocument:
    try:
        return pdfium.PdfDocument(data)
    except pdfium.PdfiumError as error:
        if error.err_code in _PASSWORD_SECURITY:
            raise EncryptedFile("The PDF is protected by a password.") from error
        raise CorruptFile(f"The PDF cannot be opened: {error}") from error


def _page_lines(document: pdfium.PdfDocument, index: int) -> tuple[Line, ...] | None:
    """The lines of one page, None where the page is broken (the others may still be read)."""
    try:
        page = document[index]
        text_page = page.get_textpage()
    except pdfium.PdfiumError:
        return None
    try:
        return tuple(_lines(text_page, index + 1))
    finally:
        text_page.close()
        page.close()


def _lines(text_page: pdfium.PdfTextPage, page: int) -> Iterator[Line]:
    text = text_page.get_text_range()
    # Indexes of pdfium count UTF-16 units.
    wide = not text.isascii() and any(ord(character) > 0xFFFF for character in text)
    probe = _Probe(text_page.raw)
    for match in _LINE.finditer(text):
        if not match.group().strip(" \t" + LINE_HYPHEN):
            continue
        start, end = match.span()
        if wide:
            start, end = (len(text[:index].encode("utf-16-le")) // 2 for index in (start, end))
        yield probe.line(match.group(), page, (start, end))


class _Probe:
    """Measures characters of one page. Its buffers are used again: allocating them took most of the time."""

    def __init__(self, raw: pdfium_raw.FPDF_TEXTPAGE) -> None:
        self._raw = raw
        self._rect = pdfium_raw.FS_RECTF()
        self._matrix = pdfium_raw.FS_MATRIX()
        self._name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
        self._flags = ctypes.c_int()

    def line(self, text: str, page: int, span: tuple[int, int]) -> Line:
        """A line measured at its first, middle and last character."""
        start, end = span
        probes = sorted({start, (start + end - 1) // 2, end - 1})
        indexes = [pdfium_raw.FPDFText_GetCharIndexFromTextIndex(self._raw, probe) for probe in probes]
        boxes = [box for index in indexes if (box := self._box(index)) is not None] or [(0.0, 0.0, 0.0, 0.0)]
        # A generated character (a space, a hyphen) has no font.
        fonts = [font for index in indexes if (font := self._font(index)) is not None] or [(0.0, False)]
        return Line(
            text=_CONTROL.sub("", text).strip(),
            page=page,
            left=min(box[0] for box in boxes),
            right=max(box[1] for box in boxes),
            bottom=min(box[2] for box in boxes),
            top=max(box[3] for box in boxes),
            size=sorted(size for size, _ in fonts)[len(fonts) // 2],
            bold=all(bold for _, bold in fonts),
        )

    def _box(self, index: int) -> tuple[float, float, float, float] | None:
        """(left, right, bottom, top) of a character, None for one without a box."""
        rect = self._rect
        if index < 0 or not pdfium_raw.FPDFText_GetLooseCharBox(self._raw, index, rect):
            return None
        if rect.top <= rect.bottom:
            return None
        return rect.left, rect.right, rect.bottom, rect.top

    def _font(self, index: int) -> tuple[float, bool] | None:
        """(size in points, bold) of a character. The nominal size is often 1, scaled by the text's matrix.

        Text that runs up or down the page has size 0: it is a stamp, not a heading.
        """
        if index < 0:
            return None
        if not pdfium_raw.FPDFText_GetFontInfo(self._raw, index, self._name, _FONT_NAME_BYTES, self._flags):
            return None
        matrix, scale = self._matrix, 1.0
        if pdfium_raw.FPDFText_GetMatrix(self._raw, index, matrix):
            scale = math.hypot(matrix.c, matrix.d) if abs(matrix.d) >= abs(matrix.c) else 0.0
        weight = pdfium_raw.FPDFText_GetFontWeight(self._raw, index)
        bold = weight >= _BOLD_WEIGHT or _BOLD_NAME.search(self._name.value) is not None
        return pdfium_raw.FPDFText_GetFontSize(self._raw, index) * scale, bold
