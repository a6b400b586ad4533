"""The text of a PDF as lines with their place and size, read by pypdfium2. Only a few characters of a line are measured."""

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
_PROBES: Final = 4
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
    wide = any(ord(character) > 0xFFFF for character in text)
    for match in _LINE.finditer(text):
        if not match.group().strip(" \t" + LINE_HYPHEN):
            continue
        start, end = match.span()
        if wide:
            start, end = (len(text[:index].encode("utf-16-le")) // 2 for index in (start, end))
        yield _measured(text_page.raw, match.group(), page, (start, end))


def _measured(raw: pdfium_raw.FPDF_TEXTPAGE, text: str, page: int, span: tuple[int, int]) -> Line:
    start, end = span
    step = max(1, (end - start) // _PROBES)
    indexes = [
        pdfium_raw.FPDFText_GetCharIndexFromTextIndex(raw, at)
        for at in sorted({*range(start, end, step), end - 1})
    ]
    boxes = [box for index in indexes if (box := _box(raw, index)) is not None] or [(0.0, 0.0, 0.0, 0.0)]
    # A generated character (a space, a hyphen) has no font.
    fonts = [font for index in indexes if (font := _font(raw, index)) is not None] or [(0.0, False)]
    sizes = sorted(size for size, _ in fonts)
    return Line(
        text=_CONTROL.sub("", text).strip(),
        page=page,
        left=min(box[0] for box in boxes),
        right=max(box[1] for box in boxes),
        bottom=min(box[2] for box in boxes),
        top=max(box[3] for box in boxes),
        size=sizes[len(sizes) // 2],
        bold=all(bold for _, bold in fonts),
    )


def _box(raw: pdfium_raw.FPDF_TEXTPAGE, index: int) -> tuple[float, float, float, float] | None:
    """(left, right, bottom, top) of a character, None for one without a box."""
    rect = pdfium_raw.FS_RECTF()
    if index < 0 or not pdfium_raw.FPDFText_GetLooseCharBox(raw, index, ctypes.byref(rect)):
        return None
    if rect.top <= rect.bottom:
        return None
    return rect.left, rect.right, rect.bottom, rect.top


def _font(raw: pdfium_raw.FPDF_TEXTPAGE, index: int) -> tuple[float, bool] | None:
    """(size in points on the page, bold) of a character. The nominal size is often 1, scaled by the text's matrix."""
    name = ctypes.create_string_buffer(_FONT_NAME_BYTES)
    flags = ctypes.c_int()
    if index < 0 or not pdfium_raw.FPDFText_GetFontInfo(
        raw, index, name, _FONT_NAME_BYTES, ctypes.byref(flags)
    ):
        return None
    matrix = pdfium_raw.FS_MATRIX()
    scale = 1.0
    if pdfium_raw.FPDFText_GetMatrix(raw, index, ctypes.byref(matrix)):
        scale = math.hypot(matrix.c, matrix.d)
    weight = pdfium_raw.FPDFText_GetFontWeight(raw, index)
    bold = weight >= _BOLD_WEIGHT or _BOLD_NAME.search(name.value) is not None
    return pdfium_raw.FPDFText_GetFontSize(raw, index) * scale, bold
