"""Passages that a content manager switches off and on. No search, answer or page has what is off, from the next request
on; later editions leave it out too, as long as it says the same.

What a passage shares with the one beside it (their overlap) stays in that one.
"""

from dataclasses import dataclass

from django.db import transaction
from django.db.models import F, QuerySet

from search import retrieval
from search.exceptions import NotFound, PassageRefused
from search.models import DisabledPassage, Document, Edition, Tenant
from search.query import Body

MAX_DISABLED = 1000  # of a tenant: every query names them
AT_ONCE = 40
_READ_AT_ONCE = 500
_ANY: Body = {"match_all": {}}


@dataclass(frozen=True, slots=True)
class ManagedPassage:
    """A passage as a content manager sees it, whoever may read it. `disabled` is None while it is on."""

    ordinal: int
    text: str
    disabled: DisabledPassage | None


def passages(document: Document, *, first: int) -> tuple[tuple[ManagedPassage, ...], int]:
    """The passages of the edition that serves from `first` on, AT_ONCE at most, and how many there are.

    Raises OpenSearchUnavailable.
    """
    edition = _serving(document)
    if edition is None:
        return (), 0
    off = {chunk_id: one for one in document.disabled_passages.all() for chunk_id in one.chunk_ids}
    found = _texts(edition, range(first, min(first + AT_ONCE, edition.chunk_count)))
    rows = (
        ManagedPassage(ordinal, text, off.get(_chunk_id(edition, ordinal)))
        for ordinal, text in sorted(found.items())
    )
    return tuple(rows), edition.chunk_count


def disable(document: Document, ordinal: int) -> DisabledPassage:
    """Switch off a passage of the edition that serves, and all of the document that have its text.

    Raises NotFound, PassageRefused, OpenSearchUnavailable.
    """
    serving = _serving(document)
    text = _texts(serving, range(ordinal, ordinal + 1)).get(ordinal) if serving else None
    if text is None:
        raise NotFound(f"{document} has no passage {ordinal}.")
    live = list(_live(document))
    chunk_ids = [chunk_id for edition in live for chunk_id in _with_text(edition, text)]
    with transaction.atomic():
        document = Document.objects.select_for_update().get(pk=document.pk)
        if {edition.pk for edition in live} != set(_live(document).values_list("pk", flat=True)):
            raise PassageRefused(f"{document} has just changed. Look at its passages again.")
        if (known := document.disabled_passages.filter(text=text).first()) is not None:
            return known
        _refuse_too_many(document.tenant_id)
        made = DisabledPassage.objects.create(
            tenant_id=document.tenant_id, document=document, text=text, chunk_ids=chunk_ids
        )
        _changed(document.tenant_id)
    return made


@transaction.atomic
def enable(passage: DisabledPassage) -> None:
    """Switch a passage on again."""
    passage.delete()
    _changed(passage.tenant_id)


def enable_at(document: Document, ordinal: int) -> None:
    """Switch on a passage of the edition that serves; harmless when it is on. Raises NotFound."""
    edition = _serving(document)
    if edition is None or not 0 <= ordinal < edition.chunk_count:
        raise NotFound(f"{document} has no passage {ordinal}.")
    chunk_id = _chunk_id(edition, ordinal)
    for passage in document.disabled_passages.all():
        if chunk_id in passage.chunk_ids:
            enable(passage)


def _serving(document: Document) -> Edition | None:
    return _live(document).filter(index=document.tenant.live_index_id).first()


def _live(document: Document) -> "QuerySet[Edition]":
    return document.editions.filter(state=Edition.State.LIVE).select_related("index")


def _chunk_id(edition: Edition, ordinal: int) -> str:
    return f"{edition.document_id}:{edition.number}:{ordinal}"


def _texts(edition: Edition, ordinals: range) -> dict[int, str]:
    """Texts by ordinal, of those that the index has."""
    ids = [_chunk_id(edition, ordinal) for ordinal in ordinals if 0 <= ordinal < edition.chunk_count]
    if not ids:
        return {}
    found = retrieval.read_texts(edition.index.name, ids, door=_ANY)
    return {neighbour.ordinal: neighbour.text for neighbour in found.values()}


def _with_text(edition: Edition, text: str) -> list[str]:
    starts = range(0, edition.chunk_count, _READ_AT_ONCE)
    parts = (_texts(edition, range(start, start + _READ_AT_ONCE)) for start in starts)
    same = (ordinal for part in parts for ordinal, said in part.items() if said == text)
    return [_chunk_id(edition, ordinal) for ordinal in sorted(same)]


def _refuse_too_many(tenant_id: int) -> None:
    """Chunks count, not passages: they are what a query names."""
    rows = DisabledPassage.objects.filter(tenant=tenant_id).values_list("chunk_ids", flat=True)
    if sum(map(len, rows)) >= MAX_DISABLED:
        raise PassageRefused(f"{MAX_DISABLED} passages are switched off already; no more may be.")


def _changed(tenant_id: int) -> None:
    """What is stored of earlier answers no longer stands, and expectations are asked again."""
    Tenant.objects.filter(pk=tenant_id).update(content_version=F("content_version") + 1)
