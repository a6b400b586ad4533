"""Word documents to elements by unstructured; headings by their styles, tables as one line a row."""

import datetime
from collections.abc import Iterator
from io import BytesIO
from zipfile import BadZipFile

import docx
from docx.opc.exceptions import OpcError
from lxml import etree

from ingestion.exceptions import CorruptFile
from ingestion.parsers.docx_package import open_package
from ingestion.parsers.elements import Element, ElementKind, ParsedDocument, first_title
from ingestion.parsers.html import table_rows
from ingestion.parsers.language import declared_language
from ingestion.parsers.offline import UnstructuredElement, partition_docx

_DROPPED = frozenset(("Header", "Footer", "PageBreak", "Image"))
_KINDS: dict[str, ElementKind] = {"ListItem": "list_item", "Table": "table", "CodeSnippet": "code"}
# What python-docx raises for packages that lack a part, or hold one of the wrong kind.
_BROKEN = (BadZipFile, OpcError, KeyError, ValueError, AttributeError, IndexError, etree.XMLSyntaxError)


def parse(data: bytes) -> ParsedDocument:
    package = open_package(data)
    try:
        found = partition_docx(file=BytesIO(package))
        title, language, metadata = _properties(package)
    except _BROKEN as error:
        raise CorruptFile(f"The Word document is broken: {type(error).__name__}.") from error
    elements = tuple(_elements(found))
    return ParsedDocument(
        title=title or first_title(elements), language=language, metadata=metadata, elements=elements
    )


def _elements(found: list[UnstructuredElement]) -> Iterator[Element]:
    for item in found:
        if item.category in _DROPPED:
            continue
        page = item.metadata.page_number
        text = item.text.strip()
        if item.category == "Title":
            text, level = " ".join(text.split()), (item.metadata.category_depth or 0) + 1
            yield Element(kind="title", text=text, level=level, page=page)
            continue
        if item.category == "Table":
            text = table_rows(item.metadata.text_as_html or "") or text
        if text:
            yield Element(kind=_KINDS.get(item.category, "text"), text=text, page=page)


def _properties(package: bytes) -> tuple[str | None, str | None, dict[str, object]]:
    core = docx.Document(BytesIO(package)).core_properties
    title = " ".join((core.title or "").split())
    metadata: dict[str, object] = {
        name: value
        for name in ("author", "subject", "keywords", "category")
        if (value := getattr(core, name))
    }
    # python-docx's template has this author and date; they say nothing about a document.
    if metadata.get("author") == "python-docx":
        del metadata["author"]
    elif isinstance(core.modified, datetime.datetime):
        metadata["date"] = core.modified.date().isoformat()
    sane = title if title.lower() not in ("", "word document", "document", "untitled") else None
    return sane, declared_language(core.language), metadata
