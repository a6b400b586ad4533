"""Where a document's text comes from: the stored elements when its content has not changed, else its bytes, parsed."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import zstandard

from ingestion import former
from ingestion.connectors import open_connector
from ingestion.exceptions import SourceItemError
from ingestion.models import SourceItem, StoredElements, StoredOriginal
from ingestion.parsers import ParsedDocument, ParserChild
from ingestion.parsers.elements import document_from_json, document_to_json
from search.models import Document


@dataclass(frozen=True, slots=True)
class Text:
    """A document's parsed content, and the hash of the bytes it was parsed from."""

    parsed: ParsedDocument
    content_hash: str
    is_new: bool


def content_hash(data: bytes, media_type: str) -> str:
    return hashlib.sha256(media_type.encode() + b"\x00" + data).hexdigest()


class KeptContent:
    """What is kept of some documents' content (uploaded bytes, items of sources, parsed elements), read at once."""

    def __init__(self, document_ids: Iterable[int]) -> None:
        ids = set(document_ids)
        originals = StoredOriginal.objects.filter(document__in=ids)
        self._originals = {original.document_id: original for original in originals}
        items = SourceItem.objects.select_related("source").filter(document__in=ids - set(self._originals))
        self._items = {item.document_id: item for item in items}
        self._elements = {row.document_id: row for row in StoredElements.objects.filter(document__in=ids)}

    def filename(self, document: Document) -> str:
        """The name that an upload came with, "" without one."""
        original = self._originals.get(document.pk)
        return original.filename if original else ""

    def text_of(self, document: Document, parser: ParserChild) -> Text:
        """The parsed content of a document. Raises children of ParseError, SourceError or SourceItemError."""
        original, item = self._originals.get(document.pk), self._items.get(document.pk)
        expected = original.content_hash if original else item.content_hash if item else ""
        stored = self._elements.get(document.pk)
        if stored is not None and stored.content_hash == expected:
            return Text(document_from_json(zstandard.decompress(stored.data)), expected, is_new=False)
        data = former.original_bytes(original) if original else _source_bytes(item)
        found = content_hash(data, document.media_type)
        return Text(parser.parse(data, document.media_type), found, is_new=True)


def _source_bytes(item: SourceItem | None) -> bytes:
    if item is None:
        raise SourceItemError("Nothing is kept of this document's content; sync its source again.")
    return open_connector(item.source.kind, item.source.config).read(item.external_id)


def keep(texts: Mapping[int, Text]) -> None:
    """Store parsed content by document id, so that the same content is never parsed again. What it replaces is kept
    for a while."""
    rows = [
        StoredElements(
            document_id=document_id,
            content_hash=text.content_hash,
            data=zstandard.compress(document_to_json(text.parsed)),
        )
        for document_id, text in texts.items()
        if text.is_new
    ]
    replaced = StoredElements.objects.filter(document__in=[row.document_id for row in rows])
    hashes = {row.document_id: row.content_hash for row in rows}
    former.keep_elements([old for old in replaced if old.content_hash != hashes[old.document_id]])
    StoredElements.objects.bulk_create(
        rows, update_conflicts=True, unique_fields=["document"], update_fields=["content_hash", "data"]
    )
