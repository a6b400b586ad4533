"""What a tenant's three caches hold, for who manages it: listed, searched, opened, evicted.

The response and the embedding cache lie in Redis, the semantic cache in the index of its tenant's embedder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from search import question_index, redis_cache
from search.caches import EMBEDDING, RESPONSE, as_response, text_digest
from search.question_index import LAYER as SEMANTIC
from search.redis_cache import Entry
from search.types import IndexTarget

LAYERS = (RESPONSE, SEMANTIC, EMBEDDING)


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """An entry of a layer: its id, the question that it answers or what stands for it, since when."""

    id: str
    label: str
    stored_at: datetime


def entries(target: IndexTarget, name: str, *, text: str, start: int, size: int) -> list[ShownEntry]:
    """A tenant's entries of a layer, newest first; those with the words of `text`, an embedding by its whole text.

    Raises CacheUnavailable, OpenSearchUnavailable.
    """
    if name == SEMANTIC:
        found = question_index.listed(target.tenant_uuid, target.variant, text=text, size=size, start=start)
        return [ShownEntry(entry.id, entry.question, entry.stored_at) for entry in found]
    kept = [
        entry
        for entry in redis_cache.listed(name, target.tenant_uuid)
        if _is_meant(entry, name, text, target.variant)
    ]
    return [
        ShownEntry(
            entry.digest, entry.label or entry.digest[:16], datetime.fromtimestamp(entry.stored_at, UTC)
        )
        for entry in kept[start : start + size]
    ]


def _is_meant(entry: Entry, name: str, text: str, variant: str) -> bool:
    if name == EMBEDDING:
        return not text or entry.digest == text_digest(variant, text)
    return all(word in entry.label.casefold() for word in text.casefold().split())


def opened(target: IndexTarget, name: str, entry_id: str) -> dict[str, Any] | None:
    """A stored response; None when it is gone, or is a vector. Raises CacheUnavailable, OpenSearchUnavailable."""
    if name == SEMANTIC:
        return question_index.read_body(target.tenant_uuid, target.variant, entry_id)
    raw = redis_cache.peek(name, target.tenant_uuid, entry_id) if name == RESPONSE else None
    return None if raw is None else as_response(raw).body


def evict(target: IndexTarget, name: str, entry_ids: Sequence[str] | None = None) -> int:
    """Remove these entries of a layer, or all of the tenant's. Raises CacheUnavailable, OpenSearchUnavailable."""
    if name == SEMANTIC:
        return question_index.evict(target.tenant_uuid, target.variant, entry_ids)
    return redis_cache.evict(name, target.tenant_uuid, entry_ids)
