"""Builders of hits and passages for the tests of answers."""

from typing import Any

from search.types import ContextPassage, Hit, Scores, VisibleDocument


def make_document(number: int = 1, *, title: str = "", **options: Any) -> VisibleDocument:
    fields: dict[str, Any] = {"url": f"https://example.org/{number}", "metadata": {}, "edition": 1}
    return VisibleDocument(id=number, public_id=f"doc/{number}", title=title, **fields | options)


def make_hit(
    number: int, text: str, *, title: str = "", headings: tuple[str, ...] = (), **options: Any
) -> Hit:
    fields: dict[str, Any] = {"page": None, "score": 1.0 / number, "scores": Scores(vector=0.7)}
    return Hit(
        document=make_document(number, title=title),
        chunk_id=f"{number}:1:0",
        ordinal=0,
        text=text,
        headings=headings,
        **fields | options,
    )


def make_passages(*texts: str, title: str = "") -> tuple[ContextPassage, ...]:
    hits = [make_hit(number, text, title=title) for number, text in enumerate(texts, 1)]
    return tuple(ContextPassage(number, hit, hit.text) for number, hit in enumerate(hits, 1))
