"""What a parser gives back: frozen elements in reading order, and their JSON (stored; sent over pipes)."""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, cast

ElementKind = Literal["title", "text", "list_item", "table", "code"]


@dataclass(frozen=True)
class Element:
    """One block of a document. `level` is 1 (outermost) or more for titles, None for the rest."""

    kind: ElementKind
    text: str
    level: int | None = None
    page: int | None = None


@dataclass(frozen=True)
class ParsedDocument:
    """A parsed document. `language` is an ISO 639-1 code; `metadata` holds JSON scalars and lists of them."""

    title: str | None
    language: str | None
    metadata: dict[str, object]
    elements: tuple[Element, ...]


def elements_to_json(elements: Iterable[Element]) -> str:
    return json.dumps([_to_row(element) for element in elements], ensure_ascii=False, separators=(",", ":"))


def elements_from_json(text: str | bytes) -> tuple[Element, ...]:
    return tuple(_from_row(row) for row in json.loads(text))


def document_to_json(document: ParsedDocument) -> bytes:
    fields = {
        "title": document.title,
        "language": document.language,
        "metadata": document.metadata,
        "elements": [_to_row(element) for element in document.elements],
    }
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace")


def document_from_json(data: bytes) -> ParsedDocument:
    fields = json.loads(data)
    return ParsedDocument(
        title=fields["title"],
        language=fields["language"],
        metadata=fields["metadata"],
        elements=tuple(_from_row(row) for row in fields["elements"]),
    )


def first_title(elements: Iterable[Element]) -> str | None:
    return next((element.text for element in elements if element.kind == "title"), None)


def _to_row(element: Element) -> list[str | int | None]:
    return [element.kind, element.text, element.level, element.page]


def _from_row(row: list[str | int | None]) -> Element:
    kind, text, level, page = cast("tuple[ElementKind, str, int | None, int | None]", row)
    return Element(kind=kind, text=text, level=level, page=page)
