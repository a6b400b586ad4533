"""What is written to an index: one chunk, and what all chunks of a document carry. Plain data: no Django, no I/O."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID


@dataclass(frozen=True, slots=True)
class ChunkRecord:
    """One chunk as it is written to an index. `vector` holds `dimension` float32."""

    document_id: int
    edition: int
    ordinal: int
    text: str
    headings: tuple[str, ...]
    page: int | None
    vector: Any

    @property
    def chunk_id(self) -> str:
        return f"{self.document_id}:{self.edition}:{self.ordinal}"


@dataclass(frozen=True, slots=True)
class DocumentFields:
    """What every chunk of a document carries beside its own text; updated in place when it changes."""

    tenant_uuid: UUID
    public_id: str
    title: str
    url: str
    source: str
    media_type: str
    language: str
    access: tuple[str, ...] | None
    published_at: datetime | None
    visible_from: datetime | None
    expires_at: datetime | None
    metadata: Mapping[str, Any]
