"""Titles that go on what a reader has begun to type: prefixes of their words, with a slip or two.

The same door and visibility as a search; titles are those that the database has now, so that none is betrayed.
"""

from collections.abc import Mapping
from typing import Any

from django.utils import timezone

from search import filters, retrieval
from search.collections import chosen
from search.metrics import StageClock
from search.tenants import live_target
from search.types import IndexTarget, Principal, VisibleDocument
from search.visibility import visible_documents

NEEDS_REBUILD = "suggestions_need_rebuild"  # the index was made before titles could be suggested from
_CANDIDATES_PER_SUGGESTION = 5  # several documents may have one title


def suggest(principal: Principal, text: str, *, size: int, collection: str | None = None) -> dict[str, Any]:
    """At most `size` suggestions as the API's JSON. Raises NotFound for a collection, OpenSearchUnavailable."""
    within = chosen(principal, collection).filters if collection else None
    clock = StageClock()
    degraded: list[str] = []
    documents: list[VisibleDocument] = []
    target = live_target(principal.tenant_id)
    if target is not None and text.strip():
        if retrieval.has_suggestions(target.name):
            documents = _documents(principal, target, text, within, size=size, clock=clock)
        else:
            degraded.append(NEEDS_REBUILD)
    return {
        "suggestions": [{"text": document.title, "document": document.public_id} for document in documents],
        "timings": clock.total(),
        "degraded": degraded,
    }


def _documents(
    principal: Principal,
    target: IndexTarget,
    text: str,
    within: Mapping[str, Any] | None,
    *,
    size: int,
    clock: StageClock,
) -> list[VisibleDocument]:
    """Visible documents whose titles match, best first, one a title."""
    now = timezone.now()
    with clock.stage("retrieve"):
        door = filters.door(principal, now=now, filters=filters.parse(within, target.schema))
        found = retrieval.suggested(target.name, text, door=door, size=size * _CANDIDATES_PER_SUGGESTION)
    with clock.stage("visibility"):
        ids = {candidate.document_id for candidate in found}
        visible = visible_documents(ids, principal=principal, index_id=target.index_id, now=now)
    by_title: dict[str, VisibleDocument] = {}
    for candidate in found:
        document = visible.get(candidate.document_id)
        if (
            document is not None and document.edition == candidate.edition
        ):  # a former edition had another title
            by_title.setdefault(document.title.casefold(), document)
    return list(by_title.values())[:size]
