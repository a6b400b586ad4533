"""Bytes of a text file to a string. Marks and UTF-8 first; a guess is made only for what is neither."""

import codecs
import re
from typing import Final

from charset_normalizer import from_bytes

from ingestion.exceptions import CorruptFile

# UTF-32's mark starts with UTF-16's, so the longer ones come first.
_MARKS: Final = (
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_LINE_END: Final = re.compile(r"\r\n?|[\x0b\x0c\x85\u2028\u2029]")
_CONTROL: Final = re.compile(r"[\x00-\x08\x0e-\x1f\x7f\ufffe\uffff]")
_GUESS_BYTES: Final = 65_536
# Where a guess is asked for, short text in one of these is far more likely than any other.
_COMMON: Final = ("cp1252", "latin_1", "cp1250", "cp1251", "shift_jis", "gb18030", "big5", "euc_kr")


def decode_text(data: bytes, *, declared: str | None = None) -> str:
    """The text of `data` with line ends as `\\n` and without control characters.

    `declared` is what the document says about itself. Raises CorruptFile where no encoding fits.
    """
    text = _LINE_END.sub("\n", _decoded(data, declared))
    return _CONTROL.sub("", text)


def _decoded(data: bytes, declared: str | None) -> str:
    for mark, name in _MARKS:
        if data.startswith(mark):
            return data.decode(name, "replace")
    if (wide := _wide_encoding(data)) is not None:
        return data.decode(wide, "replace")
    for encoding in ("utf-8", declared):
        text = _strictly(data, encoding)
        if text is not None:
            return text
    return data.decode(_guess(data), "replace")


def _strictly(data: bytes, encoding: str | None) -> str | None:
    if encoding is None:
        return None
    try:
        return data.decode(encoding)
    except (UnicodeDecodeError, LookupError):
        return None


def _wide_encoding(data: bytes) -> str | None:
    """UTF-16 without a mark shows as zeros in every other byte of Latin text."""
    sample = data[:1024]
    if len(sample) < 4 or len(data) % 2:
        return None
    half = len(sample) // 2
    if sample[1::2].count(0) > 0.7 * half and sample[::2].count(0) < 0.1 * half:
        return "utf-16-le"
    if sample[::2].count(0) > 0.7 * half and sample[1::2].count(0) < 0.1 * half:
        return "utf-16-be"
    return None


def _guess(data: bytes) -> str:
    sample = data[:_GUESS_BYTES]
    if sample.count(0) > len(sample) // 100:
        raise CorruptFile("The file is named as text, but its content is binary.")
    # A few dozen bytes are too little for statistics, which then name rare encodings.
    if sum(byte > 127 for byte in sample) < 16:
        return "cp1252"
    best = from_bytes(sample, cp_isolation=list(_COMMON)).best()
    return best.encoding if best is not None else "cp1252"
