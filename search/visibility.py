"""Candidates → those whose document is live in that edition, not deleted, in its dates and allowed now:
one database query.

The index may lag behind the database; because of this check a drifted index can hide a result but never leak one.
"""

from collections.abc import Iterable
from datetime import datetime

from django.db.models import Q

from search.models import Document, Edition
from search.types import Principal, VisibleDocument


def visible_documents(
    document_ids: Iterable[int], *, principal: Principal, index_id: int, now: datetime
) -> dict[int, VisibleDocument]:
    """Those of the documents that the principal may see now, by id, with the edition that is live in the index."""
    rows = (
        Edition.objects.filter(
            Q(document__visible_from__isnull=True) | Q(document__visible_from__lte=now),
            Q(document__expires_at__isnull=True) | Q(document__expires_at__gt=now),
            document_id__in=set(document_ids),
            document__tenant_id=principal.tenant_id,
            index_id=index_id,
            state=Edition.State.LIVE,
        )
        .exclude(document__state=Document.State.DELETED)
        .values_list(
            "document_id",
            "number",
            "document__public_id",
            "document__title",
            "document__url",
            "document__metadata",
            "document__access",
        )
    )
    return {
        document_id: VisibleDocument(document_id, public_id, title or public_id, url, metadata, edition)
        for document_id, edition, public_id, title, url, metadata, access in rows
        if principal.may_see(access)
    }


def allowed_public_ids(
    public_ids: Iterable[str], *, principal: Principal, index_id: int, now: datetime
) -> set[str]:
    """Those of the public ids that the principal may see now; what a cached response is rechecked with."""
    wanted = set(public_ids)
    ids = Document.objects.filter(tenant_id=principal.tenant_id, public_id__in=wanted).values_list(
        "pk", flat=True
    )
    visible = visible_documents(ids, principal=principal, index_id=index_id, now=now)
    return {document.public_id for document in visible.values()}
