"""Reads a document's own passages in order, for the page that a citation leads to. The same door and
visibility as a search."""

from dataclasses import dataclass

from django.utils import timezone

from search import filters, retrieval
from search.context import without_overlap
from search.exceptions import NotFound
from search.models import Document, Edition
from search.query import Legs
from search.tenants import left_out, live_target
from search.types import IndexTarget, Mode, Principal, VisibleDocument
from search.visibility import visible_documents

PASSAGES_AT_ONCE = 40


@dataclass(frozen=True, slots=True)
class Passage:
    """`text` leaves out what the passage before it has said already: neighbours overlap."""

    ordinal: int
    text: str
    headings: tuple[str, ...]
    page: int | None


@dataclass(frozen=True, slots=True)
class DocumentPart:
    """A document's passages from `first` on, of `count`."""

    document: VisibleDocument
    passages: tuple[Passage, ...]
    first: int
    count: int


def read_document(principal: Principal, public_id: str, *, at: int) -> DocumentPart:
    """The part of a document that holds its passage `at`. Raises NotFound, OpenSearchUnavailable."""
    target = live_target(principal.tenant_id)
    document = _visible(principal, target, public_id) if target else None
    if target is None or document is None:
        raise NotFound("There is no such document, or it is not for you.")
    edition = Edition.objects.filter(document_id=document.id, number=document.edition)
    count = edition.values_list("chunk_count", flat=True).get()
    first = max(0, min(at, count - 1)) // PASSAGES_AT_ONCE * PASSAGES_AT_ONCE
    ordinals = range(first, min(first + PASSAGES_AT_ONCE, count))
    return DocumentPart(document, _passages(principal, target, document, ordinals), first, count)


def _visible(principal: Principal, target: IndexTarget, public_id: str) -> VisibleDocument | None:
    ids = Document.objects.filter(tenant_id=principal.tenant_id, public_id=public_id).values_list(
        "pk", flat=True
    )
    found = visible_documents(ids, principal=principal, index_id=target.index_id, now=timezone.now())
    return next(iter(found.values()), None)


def _passages(
    principal: Principal, target: IndexTarget, document: VisibleDocument, ordinals: range
) -> tuple[Passage, ...]:
    ids = [f"{document.id}:{document.edition}:{ordinal}" for ordinal in ordinals]
    if not ids:
        return ()
    hidden, off = left_out(principal.tenant_id)
    door = filters.door(principal, now=timezone.now(), hidden=hidden, disabled=off)
    legs = Legs("", target.languages, None, Mode.LEXICAL)
    chunks = retrieval.read_page(target.name, legs, chunk_ids=ids, door=door, highlight=False)
    read = sorted(chunks.values(), key=lambda chunk: chunk.ordinal)
    before = ["", *(chunk.text for chunk in read)]
    return tuple(
        Passage(chunk.ordinal, without_overlap(previous, chunk.text), chunk.headings, chunk.page)
        for previous, chunk in zip(before, read, strict=False)
    )
