"""Pinned documents as candidates: through the same door and visibility as any hit, by their best passage for the query.

A pin that the principal may not see, that is expired, deleted or not live is simply not there.
"""

from collections.abc import Sequence

from django.utils import timezone

from search import query, retrieval
from search.asked import Asked
from search.types import Candidate, VisibleDocument
from search.visibility import visible_documents

Seen = tuple[Candidate, VisibleDocument]
PASSAGES_PER_PIN = 3  # when results are passages rather than documents


def pinned(
    asked: Asked, document_ids: Sequence[int], *, legs: query.Legs, door: query.Body
) -> tuple[Seen, ...]:
    """The passages of the pinned documents that may be seen, in the pins' order."""
    documents = visible_documents(
        document_ids, principal=asked.principal, index_id=asked.target.index_id, now=timezone.now()
    )
    if not documents:
        return ()
    per_document = 1 if asked.request.group_by == "document" else PASSAGES_PER_PIN
    found = retrieval.best_passages(
        asked.target.name,
        legs,
        editions={document.id: document.edition for document in documents.values()},
        door=door,
        per_document=per_document,
    )
    return tuple(
        (candidate, documents[document_id])
        for document_id in document_ids
        for candidate in found.get(document_id, ())
    )


def with_pins(kept: Sequence[Seen], pins: Sequence[Seen], *, by_document: bool) -> tuple[Seen, ...]:
    """Pins first, then what was found without them. A pinned passage that was found keeps its fused score."""
    found = {candidate.chunk_id: candidate for candidate, _ in kept}
    first = [(found.get(candidate.chunk_id, candidate), document) for candidate, document in pins]
    chunks = {candidate.chunk_id for candidate, _ in pins}
    documents = {document.id for _, document in pins} if by_document else set()
    rest = [
        (candidate, document)
        for candidate, document in kept
        if candidate.chunk_id not in chunks and document.id not in documents
    ]
    return (*first, *rest)
