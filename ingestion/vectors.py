"""Vectors of passages: those stored before, and the rest from the embedder. The same text is never
embedded twice in a tenant."""

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import islice

import numpy as np
from django.db import transaction

from ingestion.models import StoredVector
from search.embeddings import Embedder, Vector, Vectors
from search.metrics import EMBEDDINGS

_LOOKUP_ROWS = 500
_EMBED_ROWS = 256  # vectors are kept as often as this, so that a killed worker loses little


def vectors_for(
    tenant_id: int, texts: Sequence[str], embedder: Embedder, *, before_part: Callable[[], None]
) -> Vectors:
    """Vectors (n, dimension) of the texts, in their order; `before_part` may raise to end the work early.

    Raises EmbeddingUnavailable, InputTooLong.
    """
    hashes = [hashlib.sha256(text.encode()).digest() for text in texts]
    known = _stored(tenant_id, embedder.variant, set(hashes))
    missing = {digest: text for digest, text in zip(hashes, texts, strict=True) if digest not in known}
    EMBEDDINGS.labels("stored").inc(len(texts) - len(missing))
    ordered = sorted(missing.items(), key=lambda entry: len(entry[1]))
    for start in range(0, len(ordered), _EMBED_ROWS):
        before_part()
        known |= _embed(tenant_id, ordered[start : start + _EMBED_ROWS], embedder)
    if not hashes:
        return np.empty((0, embedder.dimension), dtype=np.float32)
    return np.stack([known[digest] for digest in hashes])


def _embed(tenant_id: int, part: Sequence[tuple[bytes, str]], embedder: Embedder) -> dict[bytes, Vector]:
    vectors = embedder.embed_passages([text for _, text in part])
    EMBEDDINGS.labels("embedded").inc(len(part))
    embedded = {digest: vector for (digest, _), vector in zip(part, vectors, strict=True)}
    _keep(tenant_id, embedder.variant, embedded)
    return embedded


def keep(tenant_id: int, variant: str, vectors: Mapping[str, Vector]) -> None:
    """Store vectors by their texts, as if these had been embedded here."""
    _keep(
        tenant_id,
        variant,
        {hashlib.sha256(text.encode()).digest(): vector for text, vector in vectors.items()},
    )


def _keep(tenant_id: int, variant: str, vectors: Mapping[bytes, Vector]) -> None:
    rows = [
        StoredVector(
            tenant_id=tenant_id, variant=variant, text_hash=digest, vector=vector.astype("<f4").tobytes()
        )
        for digest, vector in vectors.items()
    ]
    with transaction.atomic():
        StoredVector.objects.bulk_create(rows, ignore_conflicts=True, batch_size=_LOOKUP_ROWS)


def _stored(tenant_id: int, variant: str, hashes: Iterable[bytes]) -> dict[bytes, Vector]:
    found: dict[bytes, Vector] = {}
    remaining = iter(hashes)
    while part := list(islice(remaining, _LOOKUP_ROWS)):
        rows = StoredVector.objects.filter(tenant_id=tenant_id, variant=variant, text_hash__in=part)
        for digest, vector in rows.values_list("text_hash", "vector"):
            found[bytes(digest)] = np.frombuffer(bytes(vector), dtype="<f4")
    return found
