"""Which kinds of file are supported, by name and content. Where these disagree it is an error, no guess."""

from collections.abc import Mapping
from pathlib import PurePath
from types import MappingProxyType
from typing import Final

import filetype

from ingestion.exceptions import CorruptFile, UnsupportedType

HTML: Final = "text/html"
MARKDOWN: Final = "text/markdown"
TEXT: Final = "text/plain"
PDF: Final = "application/pdf"
DOCX: Final = "application/vnd.openxmlformats-officedocument.wordprocessingml.document"

OLE_MAGIC: Final = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
ZIP_MAGIC: Final = b"PK\x03\x04"
# Readers look for the mark of a PDF in the first kilobyte, not only at the start.
PDF_MAGIC: Final = b"%PDF-"
PDF_MAGIC_WINDOW: Final = 1024
UNICODE_MARKS: Final = (b"\xff\xfe", b"\xfe\xff", b"\xef\xbb\xbf")

EXTENSIONS: Final[Mapping[str, str]] = MappingProxyType(
    {
        ".html": HTML,
        ".htm": HTML,
        ".xhtml": HTML,
        ".md": MARKDOWN,
        ".markdown": MARKDOWN,
        ".txt": TEXT,
        ".text": TEXT,
        ".pdf": PDF,
        ".docx": DOCX,
    }
)
PARSER_MODULES: Final[Mapping[str, str]] = MappingProxyType(
    {
        HTML: "ingestion.parsers.html",
        MARKDOWN: "ingestion.parsers.markdown",
        TEXT: "ingestion.parsers.text",
        PDF: "ingestion.parsers.pdf",
        DOCX: "ingestion.parsers.docx",
    }
)
SUPPORTED_MEDIA_TYPES: Final = frozenset(PARSER_MODULES)


def media_type_of(filename: str, head: bytes) -> str:
    """The media type of a file by its extension, checked against its first bytes (a kilobyte is enough).

    Raises UnsupportedType for an extension that no parser knows, CorruptFile where content and name disagree.
    """
    suffix = PurePath(filename).suffix.lower()
    if not suffix:
        return _sniffed(filename, head)
    media_type = EXTENSIONS.get(suffix)
    if media_type is None:
        raise UnsupportedType(f"Files of type {suffix} are not supported.")
    check_content(media_type, head)
    return media_type


def check_content(media_type: str, head: bytes) -> None:
    """Raise CorruptFile where `head` cannot be the start of such a file."""
    if media_type == PDF:
        if PDF_MAGIC not in head[:PDF_MAGIC_WINDOW]:
            raise CorruptFile("The file is named as a PDF, but its content is none.")
    elif media_type == DOCX:
        # An encrypted docx is an OLE container: the docx parser tells it from other OLE files.
        if not head.startswith((ZIP_MAGIC, OLE_MAGIC)):
            raise CorruptFile("The file is named as a Word document, but its content is none.")
    elif (binary := _binary_type(head)) is not None:
        raise CorruptFile(f"The file is named as text, but its content is {binary}.")


def _sniffed(filename: str, head: bytes) -> str:
    """A file without an extension: a PDF, HTML or plain text by its content."""
    if PDF_MAGIC in head[:PDF_MAGIC_WINDOW]:
        return PDF
    if _binary_type(head) is not None:
        raise UnsupportedType(f"{PurePath(filename).name} has no extension, and its content is no text.")
    start = head.lstrip()[:15].lower()
    return HTML if start.startswith((b"<!doctype html", b"<html")) else TEXT


def _binary_type(head: bytes) -> str | None:
    if head.startswith(UNICODE_MARKS):
        return None
    if head.startswith((PDF_MAGIC, OLE_MAGIC, ZIP_MAGIC)):
        return "binary"
    kind = filetype.guess(head)
    return None if kind is None or kind.mime.startswith("text/") else str(kind.mime)
