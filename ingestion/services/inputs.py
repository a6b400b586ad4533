"""Counts what was given to the embedder for a tenant: its documents are cut again and matched with the vectors."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

import zstandard
from django.conf import settings

from ingestion import planning
from ingestion.models import StoredElements, StoredVector
from ingestion.parsers.elements import document_from_json
from search.embeddings import Embedder
from search.models import Document, Tenant


@dataclass(frozen=True, slots=True)
class Inputs:
    """Texts embedded for the live documents; `unmatched` ones have no stored vector, so others were embedded."""

    texts: int
    longest_tokens: int
    window: int
    over_window: int
    unmatched: int


def count_inputs(tenant: Tenant, embedder: Embedder) -> Inputs:
    """Of documents that were cut with the platform's default sizes."""
    stored = StoredVector.objects.filter(tenant=tenant, variant=embedder.variant)
    known = {bytes(digest) for digest in stored.values_list("text_hash", flat=True).iterator()}
    texts = longest = over = unmatched = 0
    for part in _embedded_texts(tenant, embedder):
        counts = embedder.count_tokens(part)
        texts += len(part)
        longest = max([longest, *counts])
        over += sum(count > embedder.max_tokens for count in counts)
        unmatched += sum(hashlib.sha256(text.encode()).digest() not in known for text in part)
    return Inputs(texts, longest, embedder.max_tokens, over, unmatched)


def _embedded_texts(tenant: Tenant, embedder: Embedder) -> Iterator[list[str]]:
    """Of each live document."""
    sizes = planning.chunking_settings(
        max_tokens=settings.INGESTION_CHUNK_TOKENS,
        overlap_tokens=settings.INGESTION_OVERLAP_TOKENS,
        window=embedder.max_tokens,
    )
    live = StoredElements.objects.filter(document__tenant=tenant, document__state=Document.State.LIVE)
    for row in live.select_related("document").iterator(chunk_size=100):
        parsed = document_from_json(zstandard.decompress(row.data))
        chunks = planning.chunks_of(
            parsed, title=row.document.title, settings=sizes, count_tokens=embedder.count_tokens
        )
        yield [chunk.embedding_text for chunk in chunks]
