"""Stored responses: an equal request by whoever may see the same gets the response of before, while its
documents are all still visible."""

from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from search import caches
from search.asked import Asked
from search.caches import CacheScope, StoredResponse
from search.exceptions import CacheUnavailable
from search.metrics import DEGRADED, StageClock
from search.types import IndexTarget, Principal, parse_chunk_id
from search.visibility import next_turn, visible_documents


def cached(scope: CacheScope, asked: Asked, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """A stored response whose documents are all still visible, else `work`'s, stored unless it is degraded."""
    try:
        stored = stored_response(scope, asked.principal, asked.target)
    except CacheUnavailable as error:
        return with_degraded(work(), error.code)
    return keep_response(scope, asked.target, work(), since=asked.rules.moment) if stored is None else stored


def stored_response(
    scope: CacheScope, principal: Principal, target: IndexTarget, *, counts_misses: bool = True
) -> dict[str, Any] | None:
    """A stored response whose documents are all still visible. Raises CacheUnavailable."""
    clock = StageClock()
    with clock.stage("response_cache"):
        stored = caches.read_response(scope, counts_misses=counts_misses)
        if stored is None or not are_visible(stored.body, principal, target):
            return None
    hit = as_hit(stored.body, "response", question=scope.question, stored_at=stored.stored_at)
    return hit | {"timings": clock.total()}


def as_hit(body: dict[str, Any], layer: str, *, question: str, stored_at: datetime) -> dict[str, Any]:
    """A stored body that says so: from which cache, the question that it answered, its age."""
    age = max(0.0, (timezone.now() - stored_at).total_seconds())
    cached = {"question": question, "age_seconds": round(age, 3)}
    return body | {"request_id": str(uuid4()), "cache": layer, "cached": cached}


def keep_response(
    scope: CacheScope, target: IndexTarget, body: dict[str, Any], *, since: datetime
) -> dict[str, Any]:
    """The response to what was asked at `since`, stored unless it is degraded."""
    until = valid_until(target.tenant_id, since, settings.SEARCH_RESPONSE_CACHE_TTL_SECONDS)
    if not body["degraded"] and until > timezone.now():
        try:
            caches.write_response(scope, StoredResponse(scope.kept_question, since, body), until=until)
        except CacheUnavailable as error:
            return with_degraded(body, error.code)
    return body


def valid_until(tenant_id: int, since: datetime, ttl_seconds: float) -> datetime:
    """Not beyond the moment at which a document comes or goes: it might belong to the answer, or count in its total."""
    longest = since + timedelta(seconds=ttl_seconds)
    turn = next_turn(tenant_id, since)
    return longest if turn is None else min(longest, turn)


def are_visible(body: Mapping[str, Any], principal: Principal, target: IndexTarget) -> bool:
    """Looked up by the chunks' ids: for public ids SQLite reads every live edition of the index."""
    shown = [parse_chunk_id(hit["chunk"]["id"]) for hit in body["hits"]]
    live = visible_documents(
        (document_id for document_id, _, _ in shown),
        principal=principal,
        index_id=target.index_id,
        now=timezone.now(),
    )
    return all(
        document_id in live and live[document_id].edition == edition for document_id, edition, _ in shown
    )


def with_degraded(body: dict[str, Any], reason: str) -> dict[str, Any]:
    if reason in body["degraded"]:
        return body
    DEGRADED.labels(reason).inc()
    return body | {"degraded": [*body["degraded"], reason]}
