"""Readers' ratings and clicks, and what connects one with its query: request ids, remembered for a while in the cache.

The words are remembered, and kept with a rating, only for a tenant that keeps queries.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import orjson
from django.conf import settings
from django.utils import timezone

from search import caches, query_log
from search.exceptions import CacheUnavailable, InvalidRequest
from search.metrics import FEEDBACK
from search.models import Document, Feedback
from search.tenants import keeps_queries, live_target
from search.types import Principal
from search.visibility import visible_documents


@dataclass(frozen=True, slots=True)
class Rating:
    """A validated rating: of a whole response, or of one document in it."""

    request_id: UUID
    value: Feedback.Rating
    document: str = ""
    comment: str = ""


def remember(principal: Principal, kind: str, query: str, response: Mapping[str, Any]) -> None:
    """Keep a request's words for as long as a rating of it is likely, and log it with its response; nothing for a
    tenant that keeps no queries."""
    if not keeps_queries(principal.tenant_id):
        return
    query_log.write_down(principal, kind, query, response)
    words, seconds = orjson.dumps({"kind": kind, "query": query}), settings.SEARCH_FEEDBACK_TTL_SECONDS
    try:
        caches.write_request(principal.tenant_uuid, response["request_id"], words, ttl_seconds=seconds)
    except CacheUnavailable:
        return  # the response says so in `degraded`; a rating of it comes without its words


def rate(principal: Principal, rating: Rating) -> Feedback:
    """Keep a rating; a second one of the same takes its place, but a click that of no thumb.

    Raises InvalidRequest for a document that the principal may not see, as for one that there is not, and for a click
    that says nothing: on no document, or after words that are not remembered.
    """
    if rating.document and not _may_see(principal, rating.document):
        raise InvalidRequest("There is no such document.", fields={"document": ["Unknown document."]})
    kind, query = _remembered(principal, rating.request_id)
    is_click = rating.value is Feedback.Rating.CLICK
    if is_click and not (rating.document and query):
        raise InvalidRequest("A click is on a document that a remembered request found.")
    said = {"rating": rating.value, "comment": rating.comment}
    row, _ = Feedback.objects.update_or_create(
        tenant_id=principal.tenant_id,
        request_id=rating.request_id,
        document=rating.document,
        defaults={} if is_click else said,
        create_defaults=said | {"kind": kind, "query": query},
    )
    FEEDBACK.labels(kind or "unknown", rating.value.name.lower()).inc()
    return row


def _may_see(principal: Principal, public_id: str) -> bool:
    target = live_target(principal.tenant_id)
    found = Document.objects.filter(tenant_id=principal.tenant_id, public_id=public_id)
    ids = list(found.values_list("pk", flat=True))
    return target is not None and bool(
        visible_documents(ids, principal=principal, index_id=target.index_id, now=timezone.now())
    )


def _remembered(principal: Principal, request_id: UUID) -> tuple[str, str]:
    """(kind, query) of a request; both empty when it is forgotten."""
    if not keeps_queries(principal.tenant_id):
        return "", ""
    try:
        body = caches.read_request(principal.tenant_uuid, str(request_id))
    except CacheUnavailable:
        return "", ""
    if body is None:
        return "", ""
    asked = orjson.loads(body)
    return str(asked["kind"]), str(asked["query"])
