"""What documents were made from before their content changed: kept for a while, so that it can be put back.

Of each document the newest few, within a size; a deletion forgets them with the document's text.
"""

import difflib
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from functools import partial

import zstandard
from django.conf import settings
from django.db import transaction
from django.utils import timezone

from ingestion.models import FormerContent, StoredElements, StoredOriginal
from ingestion.parsers.elements import document_from_json
from search.models import Document

_SHOWN_CHARACTERS = 400


@dataclass(frozen=True, slots=True)
class Difference:
    """Blocks of text that stood in one place, before and after; either may be empty."""

    before: tuple[str, ...]
    after: tuple[str, ...]


def keep_originals(document_ids: Collection[int]) -> None:
    """Of documents whose originals are about to be replaced: those, and the text that was parsed from them. In the
    caller's transaction."""
    parsed = {row.document_id: row for row in StoredElements.objects.filter(document__in=document_ids)}
    rows = []
    for original in StoredOriginal.objects.filter(document__in=document_ids):
        elements = parsed.get(original.document_id)
        is_same = elements is not None and elements.content_hash == original.content_hash
        rows.append(_of_original(original, elements if is_same else None))
    _add(rows)


def _of_original(original: StoredOriginal, elements: StoredElements | None) -> FormerContent:
    stored = original.file.size if original.file else len(original.data or b"")
    text = bytes(elements.data) if elements else None
    return FormerContent(
        document_id=original.document_id,
        content_hash=original.content_hash,
        media_type=original.media_type,
        filename=original.filename,
        data=original.data,
        file=original.file.name,
        elements=text,
        size=stored + len(text or b""),
    )


def keep_elements(rows: Sequence[StoredElements]) -> None:
    """Those that are about to be replaced, of documents whose originals are at their source."""
    pushed = StoredOriginal.objects.filter(document__in=[row.document_id for row in rows])
    kept_as_original = set(pushed.values_list("document_id", flat=True))
    _add(
        [
            FormerContent(
                document_id=row.document_id,
                content_hash=row.content_hash,
                elements=bytes(row.data),
                size=len(row.data),
            )
            for row in rows
            if row.document_id not in kept_as_original
        ]
    )


def _add(rows: Sequence[FormerContent]) -> None:
    FormerContent.objects.bulk_create(rows)
    by_document: dict[int, list[FormerContent]] = {}
    newest_first = FormerContent.objects.filter(document__in={row.document_id for row in rows})
    for row in newest_first.defer("data", "elements").order_by("-pk"):
        by_document.setdefault(row.document_id, []).append(row)
    remove(row for kept in by_document.values() for row in _too_many(kept))


def _too_many(newest_first: Iterable[FormerContent]) -> Iterator[FormerContent]:
    total = 0
    for number, row in enumerate(newest_first):
        total += row.size
        if number >= settings.INGESTION_FORMER_EDITIONS or total > settings.INGESTION_FORMER_BYTES:
            yield row


def forget(documents: Iterable[Document]) -> None:
    """Remove all that is kept of some documents, in the caller's transaction."""
    remove(FormerContent.objects.filter(document__in=documents).defer("data", "elements"))


def clear_old() -> None:
    """Remove what was replaced too long ago."""
    oldest = timezone.now() - timedelta(days=settings.INGESTION_FORMER_DAYS)
    remove(FormerContent.objects.filter(replaced_at__lt=oldest).defer("data", "elements"))


def remove(rows: Iterable[FormerContent]) -> None:
    """Remove rows, and after the commit their files."""
    gone = list(rows)
    with transaction.atomic():
        FormerContent.objects.filter(pk__in=[row.pk for row in gone]).delete()
        for row in gone:
            if name := row.file.name:
                transaction.on_commit(partial(row.file.storage.delete, name))


def original_bytes(row: "FormerContent | StoredOriginal") -> bytes:
    """What was pushed, from the database or from Django's storage."""
    if row.data is not None:
        return zstandard.decompress(row.data)
    with row.file.open("rb") as file:
        return bytes(file.read())


def differences(row: FormerContent) -> list[Difference]:
    """Where the document's text now differs from what it was then, block by block; [] where either is not known."""
    now = StoredElements.objects.filter(document=row.document_id).first()
    if row.elements is None or now is None:
        return []
    before, after = _blocks(row.elements), _blocks(now.data)
    matcher = difflib.SequenceMatcher(None, before, after, autojunk=False)
    return [
        Difference(_shown(before[i:j]), _shown(after[k:m]))
        for kind, i, j, k, m in matcher.get_opcodes()
        if kind != "equal"
    ]


def _blocks(elements: bytes | memoryview) -> list[str]:
    return [element.text for element in document_from_json(zstandard.decompress(elements)).elements]


def _shown(blocks: Iterable[str]) -> tuple[str, ...]:
    return tuple(
        block if len(block) <= _SHOWN_CHARACTERS else f"{block[:_SHOWN_CHARACTERS]}…" for block in blocks
    )
