"""The main content of a web page, in a form of which unstructured loses nothing."""

import re
from collections.abc import Iterable
from typing import Final

from lxml import etree
from lxml.html import Element, HtmlElement

# What readers don't read, with all that lies in it.
_REMOVED_TAGS: Final = """
    script style noscript template nav footer aside iframe object embed svg canvas audio video dialog
    select textarea input button datalist map link meta base del
"""
_REMOVED: Final = frozenset(_REMOVED_TAGS.split())
# Unstructured drops these whole, so their content is given a tag that it keeps.
_RENAMED: Final = {
    "details": "div",
    "summary": "p",
    "figure": "div",
    "figcaption": "p",
    "fieldset": "div",
    "form": "div",
    "label": "span",
}
_BLOCK_TAGS: Final = "p div br li tr td th h1 h2 h3 h4 h5 h6 pre ul ol dl dt dd table section article"
_BLOCKS: Final = frozenset(_BLOCK_TAGS.split())
_HEADINGS: Final = frozenset(("h1", "h2", "h3", "h4", "h5", "h6"))
_CHROME: Final = re.compile(
    r"(?:^|[\s_-])(?:cookie|consent|gdpr|breadcrumbs?|skip-?(?:link|nav)|sr-only|visually-hidden|navbar|"
    r"nav-?menu|site-?(?:header|footer|nav)|newsletter|share-buttons?|social-share|adsbygoogle|"
    r"dropdown|pagination|table-of-contents|toc|mw-editsection|mw-jump-link|interlanguage-link)(?:$|[\s_-])",
    re.IGNORECASE,
)
_CHROME_ROLES: Final = frozenset(("navigation", "banner", "contentinfo", "search", "dialog", "alertdialog"))
_HIDDEN_STYLE: Final = re.compile(r"display\s*:\s*none|visibility\s*:\s*hidden", re.IGNORECASE)
_MAIN_SHARE: Final = 0.5
# A wrapper that holds the larger part of the page is the page, whatever its class or tag says.
_CHROME_SHARE: Final = 0.4
_LONGEST_CELL: Final = 1500
# libxml2 drops what is nested deeper than 256, and unstructured is recursive. Blocks of text stay.
_TOO_DEEP: Final = "descendant::*[count(ancestor::*) > 100]"
_KEPT_TAGS: Final = "p li h1 h2 h3 h4 h5 h6 pre table thead tbody tfoot tr td th br"
_KEPT_WHEN_DEEP: Final = frozenset(_KEPT_TAGS.split())


def clean_tree(root: HtmlElement) -> HtmlElement:
    """Remove what is no content from `root` in place; the element that holds the content."""
    body = root.find(".//body")
    content: HtmlElement = body if body is not None else root
    for comment in list(content.iter(etree.Comment, etree.ProcessingInstruction)):
        _drop(comment)
    _remove_all(content, content.iter(*_REMOVED))
    content = _main_part(content)
    _remove_chrome(content)
    for name, replacement in _RENAMED.items():
        for element in list(content.iter(name)):
            element.tag = replacement
    _unwrap_layout_tables(content)
    _flatten_nesting(content)
    _flatten_cells(content)
    _hoist_nested_lists(content)
    return content


def _main_part(body: HtmlElement) -> HtmlElement:
    """`<main>` or the one `<article>` where it has most of the text, else the whole body."""
    whole = _text_length(body)
    for path in (".//main", ".//*[@role='main']", ".//article"):
        found = body.xpath(path)
        if len(found) == 1 and _text_length(found[0]) > _MAIN_SHARE * whole:
            main: HtmlElement = found[0]
            return main
    return body


def _remove_chrome(content: HtmlElement) -> None:
    whole = _text_length(content)
    for element in list(content.iterdescendants()):
        if element.getparent() is None or not isinstance(element.tag, str):
            continue
        if element.tag == "header" and _holds_title(element):
            continue
        if _is_hidden(element) or (_is_chrome(element) and _text_length(element) <= _CHROME_SHARE * whole):
            _drop(element)


def _is_hidden(element: HtmlElement) -> bool:
    return (
        element.get("hidden") is not None
        or element.get("aria-hidden") == "true"
        or bool(_HIDDEN_STYLE.search(element.get("style", "")))
    )


def _is_chrome(element: HtmlElement) -> bool:
    if element.tag in ("header", "form") or element.get("role") in _CHROME_ROLES:
        return True
    return bool(_CHROME.search(f"{element.get('class', '')} {element.get('id', '')}"))


def _holds_title(header: HtmlElement) -> bool:
    """An article's own header has its heading; a site's header has the logo and the menu."""
    return next(header.iter("h1"), None) is not None


def _flatten_nesting(content: HtmlElement) -> None:
    for element in content.xpath(_TOO_DEEP):
        if element.tag not in _KEPT_WHEN_DEEP:
            element.drop_tag()


def _unwrap_layout_tables(content: HtmlElement) -> None:
    """A table that only lays the page out becomes divs; inner tables are seen before outer ones."""
    for table in reversed(list(content.iter("table"))):
        if _is_layout(table):
            for part in list(table.iter("table", "tbody", "thead", "tfoot", "tr", "td", "th", "caption")):
                part.tag = "div"


def _is_layout(table: HtmlElement) -> bool:
    if table.get("role") == "presentation" or table.xpath("descendant::table"):
        return True
    if next(table.iter(*_HEADINGS, "pre"), None) is not None:
        return True
    cells = list(table.iter("td", "th"))
    return len(cells) == 1 or any(_text_length(cell) > _LONGEST_CELL for cell in cells)


def _flatten_cells(content: HtmlElement) -> None:
    """Unstructured puts a space between all parts of a cell (`a , b`): give it one string a cell."""
    for cell in list(content.iter("td", "th")):
        if len(cell):
            text = _spaced_text(cell)
            del cell[:]
            cell.text = text


def _spaced_text(element: HtmlElement) -> str:
    parts: list[str] = []
    for event, node in etree.iterwalk(element, events=("start", "end")):
        block = node.tag in _BLOCKS
        if event == "start":
            parts.append((" " if block else "") + (node.text or ""))
        elif node is not element:
            parts.append((" " if block else "") + (node.tail or ""))
    return " ".join("".join(parts).split())


def _hoist_nested_lists(content: HtmlElement) -> None:
    """Unstructured takes an item with a list in it for prose: the inner list moves behind the item."""
    for item in list(content.iter("li")):
        for inner in reversed([child for child in item if child.tag in ("ul", "ol")]):
            tail, inner.tail = inner.tail, None
            if tail and tail.strip():
                continuation = Element("li")
                continuation.text = tail
                item.addnext(continuation)
            item.addnext(inner)


def _text_length(element: HtmlElement) -> int:
    return sum(len(text.strip()) for text in element.itertext())


def _remove_all(content: HtmlElement, elements: Iterable[HtmlElement]) -> None:
    whole: int | None = None
    for element in list(elements):
        if element.getparent() is None or element is content:
            continue
        if element.tag in ("aside", "nav", "footer"):
            whole = _text_length(content) if whole is None else whole
            if _text_length(element) > _CHROME_SHARE * whole:
                element.tag = "div"
                continue
        _drop(element)


def _drop(element: HtmlElement) -> None:
    """Remove an element and all in it, and keep the text behind it."""
    parent = element.getparent()
    if parent is None:
        return
    if element.tail:
        previous = element.getprevious()
        if previous is not None:
            previous.tail = (previous.tail or "") + element.tail
        else:
            parent.text = (parent.text or "") + element.tail
    parent.remove(element)
