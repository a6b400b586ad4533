"""Where a document's text comes from: the stored elements when its content has not changed, else its bytes, parsed."""

import hashlib
from dataclasses import dataclass

import zstandard

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


def text_of(document: Document, parser: ParserChild) -> Text:
    """The parsed content of a document. Raises children of ParseError, SourceError or SourceItemError."""
    original = StoredOriginal.objects.filter(document=document).first()
    item = None if original else SourceItem.objects.select_related("source").filter(document=document).first()
    expected = original.content_hash if original else item.content_hash if item else ""
    stored = StoredElements.objects.filter(document=document).first()
    if stored is not None and stored.content_hash == expected:
        return Text(document_from_json(zstandard.decompress(stored.data)), expected, is_new=False)
    data = _original_bytes(original) if original else _source_bytes(item)
    found = content_hash(data, document.media_type)
    return Text(parser.parse(data, document.media_type), found, is_new=True)


def _original_bytes(original: StoredOriginal) -> bytes:
    if original.data is not None:
        return zstandard.decompress(original.data)
    with original.file.open("rb") as file:
        return bytes(file.read())


def _source_bytes(item: SourceItem | None) -> bytes:
    if item is None:
        raise SourceItemError("Nothing is kept of this document's content; sync its source again.")
    return open_connector(item.source.kind, item.source.config).read(item.external_id)


def keep(document: Document, text: Text) -> None:
    """Store the parsed content, so that the same content is never parsed again."""
    data = zstandard.compress(document_to_json(text.parsed))
    StoredElements.objects.update_or_create(
        document=document, defaults={"content_hash": text.content_hash, "data": data}
    )
