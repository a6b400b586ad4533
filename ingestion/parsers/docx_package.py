"""The zip package of a Word document, checked and rewritten so that python-docx sees all of its text.

It skips content controls, tracked insertions and text boxes, and doesn't open the format's strict variant.
"""

import zlib
from collections.abc import Iterator
from io import BytesIO
from typing import Final
from zipfile import ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from lxml import etree

from ingestion.exceptions import CorruptFile, EncryptedFile, ParserLimit
from ingestion.parsers.media_types import OLE_MAGIC

_UNPACKED_LIMIT_BYTES: Final = 400 * 1024 * 1024
_BODY: Final = "word/document.xml"
_ENCRYPTED_MARK: Final = "EncryptedPackage".encode("utf-16-le")
_W: Final = "{http://schemas.openxmlformats.org/wordprocessingml/2006/main}"
_FALLBACK: Final = "{http://schemas.openxmlformats.org/markup-compatibility/2006}Fallback"
# Each stands around content that is part of the text; only the wrapper goes.
_TRANSPARENT: Final = tuple(
    _W + name for name in ("sdt", "sdtContent", "ins", "smartTag", "moveTo", "customXml")
)
_REMOVED: Final = (
    _FALLBACK,
    *(_W + name for name in ("del", "moveFrom", "sdtPr", "sdtEndPr", "smartTagPr", "customXmlPr")),
)
_STRICT: Final = b"http://purl.oclc.org/ooxml/"
_STRICT_NAMESPACES: Final = (
    (
        b"http://purl.oclc.org/ooxml/officeDocument/relationships",
        b"http://schemas.openxmlformats.org/officeDocument/2006/relationships",
    ),
    (
        b"http://purl.oclc.org/ooxml/wordprocessingml/main",
        b"http://schemas.openxmlformats.org/wordprocessingml/2006/main",
    ),
    (b"http://purl.oclc.org/ooxml/drawingml/main", b"http://schemas.openxmlformats.org/drawingml/2006/main"),
    (
        b"http://purl.oclc.org/ooxml/drawingml/wordprocessingDrawing",
        b"http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing",
    ),
    (
        b"http://purl.oclc.org/ooxml/drawingml/picture",
        b"http://schemas.openxmlformats.org/drawingml/2006/picture",
    ),
    (
        b"http://purl.oclc.org/ooxml/officeDocument/",
        b"http://schemas.openxmlformats.org/officeDocument/2006/",
    ),
)


def open_package(data: bytes) -> bytes:
    """A package that python-docx reads in full. Raises EncryptedFile, CorruptFile or ParserLimit."""
    if data.startswith(OLE_MAGIC):
        if _ENCRYPTED_MARK in data:
            raise EncryptedFile("The Word document is protected by a password.")
        raise CorruptFile("The file is named .docx, but is of an older Office format.")
    try:
        with ZipFile(BytesIO(data)) as package:
            return _rewritten(package)
    except (BadZipFile, zlib.error, EOFError, NotImplementedError, etree.XMLSyntaxError) as error:
        raise CorruptFile(f"The Word document is broken: {error}") from error
    except RuntimeError as error:
        raise EncryptedFile("The Word document is protected by a password.") from error


def _rewritten(package: ZipFile) -> bytes:
    parts = package.infolist()
    if sum(part.file_size for part in parts) > _UNPACKED_LIMIT_BYTES:
        raise ParserLimit("The Word document unpacks to more than its limit.")
    target = BytesIO()
    with ZipFile(target, "w", ZIP_STORED) as rewritten:
        for part in parts:
            # Nothing reads pictures, fonts and embedded files, but their parts are named by others.
            content = package.read(part) if _is_text(part) else b""
            if _STRICT in content:
                content = _transitional(content)
            if part.filename == _BODY:
                content = _with_all_text(content)
            rewritten.writestr(part.filename, content)
    return target.getvalue()


def _is_text(part: ZipInfo) -> bool:
    return part.filename.lower().endswith((".xml", ".rels"))


def _transitional(content: bytes) -> bytes:
    for strict, transitional in _STRICT_NAMESPACES:
        content = content.replace(strict, transitional)
    return content


def _with_all_text(source: bytes) -> bytes:
    root = etree.fromstring(source, etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=True))
    etree.strip_elements(root, *_REMOVED, with_tail=False)
    etree.strip_tags(root, *_TRANSPARENT)
    for paragraph in list(root.iter(_W + "p")):
        for box in list(_text_boxes(paragraph)):
            _move_behind(paragraph, box)
    return bytes(etree.tostring(root, xml_declaration=True, encoding="UTF-8", standalone=True))


def _text_boxes(paragraph: etree._Element) -> Iterator[etree._Element]:
    """The boxes anchored in this paragraph, not those inside its boxes."""
    for box in paragraph.iter(_W + "txbxContent"):
        if next(box.iterancestors(_W + "p"), None) is paragraph:
            yield box


def _move_behind(paragraph: etree._Element, box: etree._Element) -> None:
    for block in reversed(list(box)):
        paragraph.addnext(block)
