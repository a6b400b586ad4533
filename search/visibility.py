"""Candidates → those whose document is live in that edition, not deleted, in its dates and allowed now:
one database query.

The index may lag behind the database; because of this check a drifted index can hide a result but never leak one.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.db.models import QuerySet

from search.models import Document, Edition
from search.prepared import PreparedQuery
from search.types import Principal, VisibleDocument


def _live(ids: list[Any], tenant_id: int, index_id: int) -> "QuerySet[Edition, tuple[Any, ...]]":
    return (
        Edition.objects.filter(
            document__tenant_id=tenant_id, index_id=index_id, state=Edition.State.LIVE, document_id__in=ids
        )
        .exclude(document__state=Document.State.DELETED)
        .values_list(
            "document_id",
            "document__public_id",
            "document__title",
            "document__url",
            "document__metadata",
            "number",
            "document__access",
            "document__visible_from",
            "document__expires_at",
            "document__published_at",
        )
    )


_live_by_id = PreparedQuery(_live, lists=("ids",))


def visible_documents(
    document_ids: Iterable[int], *, principal: Principal, index_id: int, now: datetime
) -> dict[int, VisibleDocument]:
    """Those of the documents that the principal may see now, by id, with the edition that is live in the index."""
    ids = list(set(document_ids))
    if not ids:
        return {}
    visible: dict[int, VisibleDocument] = {}
    for row in _live_by_id.rows(ids=ids, tenant_id=principal.tenant_id, index_id=index_id):
        (
            document_id,
            public_id,
            title,
            url,
            metadata,
            edition,
            access,
            visible_from,
            expires_at,
            published_at,
        ) = row
        is_current = (visible_from is None or visible_from <= now) and (
            expires_at is None or expires_at > now
        )
        if is_current and principal.may_see(access):
            visible[document_id] = VisibleDocument(
                document_id,
                public_id,
                title or public_id,
                url,
                metadata,
                edition,
                published_at and published_at.date(),
            )
    return visible


def next_turn(tenant_id: int, since: datetime) -> datetime | None:
    """The first moment after `since` at which a document of the tenant comes or goes by its dates; None for never."""
    documents = Document.objects.filter(tenant_id=tenant_id)
    turns = (
        documents.filter(**{f"{name}__gt": since}).order_by(name).values_list(name, flat=True).first()
        for name in ("visible_from", "expires_at")
    )
    return min((turn for turn in turns if turn is not None), default=None)
