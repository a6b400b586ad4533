"""Pure: what is to be done with a document in an index (nothing, its fields only, a new edition), and how it is cut."""

import hashlib
import json
from enum import StrEnum

from ingestion.chunking import CHUNKING_VERSION, Chunk, ChunkingSettings, CountTokens, chunk_elements
from ingestion.parsers import ParsedDocument

NOTHING_TOKENS_SHARE = 3


class Action(StrEnum):
    NOTHING = "nothing"
    FIELDS = "fields"
    EDITION = "edition"


def edition_hash(text_hash: str, *, title: str, language: str, settings: ChunkingSettings) -> str:
    """Of everything that an edition's chunks are made from: equal hashes have equal text, headings and vectors."""
    parts = [text_hash, title, language, CHUNKING_VERSION, settings.max_tokens, settings.overlap_tokens]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()


def action(
    *, wanted_hash: str, wanted_revision: int, live_hash: str | None, live_revision: int | None
) -> Action:
    """What an index needs, given what its live edition of the document holds (None: it has none)."""
    if live_hash != wanted_hash:
        return Action.EDITION
    return Action.NOTHING if live_revision == wanted_revision else Action.FIELDS


def chunks_of(
    parsed: ParsedDocument, *, title: str, settings: ChunkingSettings, count_tokens: CountTokens
) -> list[Chunk]:
    return chunk_elements(parsed.elements, title=title, settings=settings, count_tokens=count_tokens)


def chunking_settings(*, max_tokens: int, overlap_tokens: int, window: int) -> ChunkingSettings:
    """The sizes to cut with: the given ones, the default made smaller where the embedder's window is."""
    size = min(max_tokens, window)
    return ChunkingSettings(max_tokens=size, overlap_tokens=min(overlap_tokens, size // NOTHING_TOKENS_SHARE))
