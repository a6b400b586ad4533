"""Stored responses: an equal request by whoever may see the same gets the response of before, while its
documents are all still visible."""

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from search import caches
from search.asked import Asked
from search.caches import CacheScope
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


def stored_response(scope: CacheScope, principal: Principal, target: IndexTarget) -> dict[str, Any] | None:
    """A stored response whose documents are all still visible. Raises CacheUnavailable."""
    clock = StageClock()
    with clock.stage("response_cache"):
        stored = caches.read_response(scope)
        if stored is None or not _still_visible(stored, principal, target):
            return None
    return stored | {"request_id": str(uuid4()), "cache": "response", "timings": clock.total()}


def keep_response(
    scope: CacheScope, target: IndexTarget, body: dict[str, Any], *, since: datetime
) -> dict[str, Any]:
    """The response to what was asked at `since`, stored unless it is degraded."""
    ttl_seconds = _ttl_seconds(target.tenant_id, since)
    if not body["degraded"] and ttl_seconds > 0:
        try:
            caches.write_response(scope, body, ttl_seconds=ttl_seconds)
        except CacheUnavailable as error:
            return with_degraded(body, error.code)
    return body


def _ttl_seconds(tenant_id: int, since: datetime) -> float:
    """Not beyond the moment at which a document comes or goes: it might belong to the answer, or count in its total."""
    longest = float(settings.SEARCH_RESPONSE_CACHE_TTL_SECONDS)
    turn = next_turn(tenant_id, since)
    return longest if turn is None else min(longest, (turn - timezone.now()).total_seconds())


def _still_visible(body: Mapping[str, Any], principal: Principal, target: IndexTarget) -> bool:
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
