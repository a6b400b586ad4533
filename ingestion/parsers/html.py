"""HTML to elements: cleaned first, then partitioned by unstructured, headings and tables kept."""

import re
from collections.abc import Iterator
from typing import Final

from lxml import etree
from lxml import html as lxml_html
from lxml.html import HtmlElement

from ingestion.exceptions import ParserLimit
from ingestion.parsers.elements import Element, ElementKind, ParsedDocument, first_title
from ingestion.parsers.encodings import decode_text
from ingestion.parsers.html_cleaning import clean_tree
from ingestion.parsers.language import declared_language
from ingestion.parsers.offline import UnstructuredElement, partition_html

_CHARSET: Final = re.compile(
    rb"<meta[^>]{0,200}?charset\s*=\s*[\"']?\s*([\w-]+)|<\?xml[^>]{0,100}?encoding=[\"']([\w-]+)",
    re.IGNORECASE,
)
_XML_DECLARATION: Final = re.compile(r"^\s*<\?xml[^>]*\?>")
# After these errors libxml2 gives what it has so far as if it were the page.
_CUT: Final = (etree.ErrorTypes.ERR_RESOURCE_LIMIT, etree.ErrorTypes.ERR_NO_MEMORY)
_KINDS: Final[dict[str, ElementKind]] = {
    "Title": "title",
    "ListItem": "list_item",
    "Table": "table",
    "CodeSnippet": "code",
}
_META: Final = {
    "description": ("description", "og:description", "dc.description", "twitter:description"),
    "author": ("author", "dc.creator"),
    "date": ("date", "article:published_time", "dc.date", "dc.date.issued", "pubdate", "last-modified"),
    "keywords": ("keywords",),
}


def parse(data: bytes) -> ParsedDocument:
    match = _CHARSET.search(data[:4096])
    charset = (match.group(1) or match.group(2)).decode("ascii") if match else None
    return parse_html(decode_text(data, declared=charset))


def parse_html(text: str) -> ParsedDocument:
    root = _tree(text)
    if root is None:
        return ParsedDocument(title=None, language=None, metadata={}, elements=())
    page_title = _page_title(root)
    language = declared_language(
        root.get("lang") or root.get("xml:lang") or _meta(root, ("content-language",))
    )
    metadata: dict[str, object] = {
        name: value for name, keys in _META.items() if (value := _meta(root, keys)) is not None
    }
    elements = tuple(_elements(clean_tree(root)))
    return ParsedDocument(
        title=_better_title(page_title, elements), language=language, metadata=metadata, elements=elements
    )


def _tree(text: str) -> HtmlElement | None:
    """The parsed page. libxml2 silently drops what is nested beyond its limit: an error here."""
    text = _XML_DECLARATION.sub("", text)
    if not text.strip():
        return None
    parser = lxml_html.HTMLParser(huge_tree=True)
    try:
        root = lxml_html.document_fromstring(text, parser=parser)
    except etree.ParserError:
        root = None
    cut = {entry.type for entry in parser.error_log}.intersection(_CUT)
    if cut:
        raise ParserLimit("The page is nested deeper, or larger, than the parser's limit.")
    return root


def _elements(content: HtmlElement) -> Iterator[Element]:
    content.tag = "body"
    source = lxml_html.tostring(content, encoding="unicode", with_tail=False)
    for found in partition_html(text=f"<html>{source}</html>"):
        element = _element(found)
        if element.text:
            yield element


def _element(found: UnstructuredElement) -> Element:
    kind = _KINDS.get(found.category, "text")
    if kind == "title":
        return Element(kind="title", text=found.text.strip(), level=(found.metadata.category_depth or 0) + 1)
    if kind == "table":
        return Element(kind="table", text=table_rows(found.metadata.text_as_html or "") or found.text)
    if kind == "code":
        return Element(kind="code", text=found.text.strip("\n").rstrip())
    return Element(kind=kind, text=found.text.strip())


def table_rows(source: str) -> str:
    """An HTML table as one line a row, cells divided by ` | `."""
    if not source:
        return ""
    rows: list[str] = []
    for row in lxml_html.fragment_fromstring(source, create_parent="div").iter("caption", "tr"):
        cells = [" ".join(cell.text_content().split()) for cell in row.iter("caption", "td", "th")]
        if any(cells):
            rows.append(" | ".join(cells))
    return "\n".join(rows)


def _page_title(root: HtmlElement) -> str | None:
    found = root.find(".//head/title")
    found = root.find(".//title") if found is None else found
    title = " ".join(found.text_content().split()) if found is not None else ""
    return title or None


def _better_title(page_title: str | None, elements: tuple[Element, ...]) -> str | None:
    """`<title>`, or the heading where the former is only the heading with the site's name around it."""
    heading = first_title(elements)
    if page_title is None:
        return heading
    if heading and len(heading) > 3 and heading in page_title:
        return heading
    return page_title


def _meta(root: HtmlElement, names: tuple[str, ...]) -> str | None:
    found: dict[str, str] = {}
    for element in root.iter("meta"):
        key = element.get("name") or element.get("property") or element.get("http-equiv") or ""
        content = " ".join((element.get("content") or "").split())
        if content:
            found.setdefault(key.lower(), content)
    return next((found[name] for name in names if name in found), None)
