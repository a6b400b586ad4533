"""Answered questions in an index of the engine, one an embedder variant, where near ones are found by their vectors.

An entry is found under its tenant and scope alone. The index is a cache: whatever is here may be lost.
"""

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from django.conf import settings

from search.caches import CacheScope
from search.client import ResponseError, get_client, get_write_client
from search.index import engine_errors
from search.mapping import VECTOR_FIELD, VectorSettings, vector_mapping
from search.metrics import CACHE_EVICTED
from search.types import IndexTarget

NEAREST = 5
LAYER = "semantic"
_TRIM_EVERY_SECONDS = 60.0
_NOT_THERE = 404
_trimmed: dict[UUID, float] = {}


@dataclass(frozen=True, slots=True)
class StoredQuestion:
    """An entry without its body. `cosine` is its nearness to what was looked for; 1 where that is nothing."""

    id: str
    question: str
    stored_at: datetime
    cosine: float = 1.0


def nearest(target: IndexTarget, scope: CacheScope, vector: Any, *, now: datetime) -> list[StoredQuestion]:
    """The nearest questions that were asked under the scope, nearest first. Raises OpenSearchUnavailable."""
    conditions = [
        *_of_tenant(target.tenant_uuid),
        {"term": {"scope": scope.without_question()}},
        {"range": {"expires_at": {"gt": now.isoformat()}}},
    ]
    near = {"vector": vector, "k": NEAREST, "filter": {"bool": {"filter": conditions}}}
    body = {"size": NEAREST, "query": {"knn": {VECTOR_FIELD: near}}}
    return [_stored(hit, cosine=2.0 * hit["_score"] - 1.0) for hit in _hits(target.variant, body)]


def read_body(tenant: UUID, variant: str, entry_id: str) -> dict[str, Any] | None:
    """The response that an entry holds; None when it is gone. Raises OpenSearchUnavailable."""
    query = {"bool": {"filter": [*_of_tenant(tenant), {"ids": {"values": [entry_id]}}]}}
    hits = _hits(variant, {"size": 1, "query": query}, fields=("body",))
    return dict(hits[0]["_source"]["body"]) if hits else None


@dataclass(frozen=True, slots=True)
class Answered:
    """A question's vector and its response, to be kept from `since` up to `until`."""

    vector: Any
    body: Mapping[str, Any]
    since: datetime
    until: datetime


def keep(target: IndexTarget, scope: CacheScope, answered: Answered) -> None:
    """Store a response under the scope and its question. Raises OpenSearchUnavailable, BulkRefused."""
    entry = {
        "tenant": str(target.tenant_uuid),
        "scope": scope.without_question(),
        "question": scope.question,
        "stored_at": answered.since.isoformat(),
        "expires_at": answered.until.isoformat(),
        VECTOR_FIELD: answered.vector,
        "body": dict(answered.body),
    }
    entry_id = hashlib.sha256(scope.key().encode()).hexdigest()[:32]
    with engine_errors():
        try:
            _write(target.variant, entry_id, entry)
        except ResponseError as error:
            if error.status_code != _NOT_THERE:
                raise
            _create(target)
            _write(target.variant, entry_id, entry)
    _trim_now_and_then(target.tenant_uuid, target.variant, answered.since)


def _write(variant: str, entry_id: str, entry: dict[str, Any]) -> None:
    """By the alias, which must be there: the engine would make up a mapping for an index that was lost."""
    get_client().index(
        index=_alias(variant), id=entry_id, body=entry, params=_within_time(require_alias="true")
    )


def _create(target: IndexTarget) -> None:
    """Harmless when another process has just done so."""
    vectors = VectorSettings(
        dimension=target.dimension,
        engine=settings.OPENSEARCH_KNN_ENGINE,
        mode="in_memory",
        compression="1x",
    )
    alias, keyword, date = _alias(target.variant), {"type": "keyword"}, {"type": "date"}
    properties = {
        "tenant": keyword,
        "scope": keyword,
        "question": {"type": "text"},
        "stored_at": date,
        "expires_at": date,
        VECTOR_FIELD: vector_mapping(vectors),
        "body": {"type": "object", "enabled": False},
    }
    index: dict[str, Any] = {"knn": True, "number_of_shards": 1, "refresh_interval": "1s"}
    index["number_of_replicas"] = settings.OPENSEARCH_REPLICAS
    body = {
        "settings": {"index": index},
        "mappings": {"dynamic": "strict", "_meta": {"variant": target.variant}, "properties": properties},
        "aliases": {alias: {}},
    }
    get_write_client().indices.create(index=f"{alias}-v1", body=body, ignore=400)


def listed(
    tenant: UUID, variant: str, *, text: str = "", size: int = 50, start: int = 0
) -> list[StoredQuestion]:
    """A tenant's entries, newest first; those whose question has the words of `text`. Raises OpenSearchUnavailable."""
    words = [{"match": {"question": {"query": text, "operator": "and"}}}] if text else []
    query = {"bool": {"filter": [*_of_tenant(tenant), *words]}}
    body = {"size": size, "from": start, "query": query, "sort": [{"stored_at": "desc"}]}
    return [_stored(hit) for hit in _hits(variant, body)]


def evict(tenant: UUID, variant: str, entry_ids: Sequence[str] | None = None) -> int:
    """Remove these entries of a tenant, or all of them. Returns how many there were. Raises OpenSearchUnavailable."""
    chosen = [] if entry_ids is None else [{"ids": {"values": list(entry_ids)}}]
    return _delete(variant, [*_of_tenant(tenant), *chosen], refresh="true")


def _trim_now_and_then(tenant: UUID, variant: str, now: datetime) -> None:
    if time.monotonic() - _trimmed.get(tenant, -_TRIM_EVERY_SECONDS) >= _TRIM_EVERY_SECONDS:
        _trimmed[tenant] = time.monotonic()
        trim(tenant, variant, now=now)


def trim(tenant: UUID, variant: str, *, now: datetime) -> int:
    """Remove what has expired, and the oldest beyond SEARCH_SEMANTIC_CACHE_ENTRIES. Returns how many were removed."""
    mine = _of_tenant(tenant)
    removed = _delete(variant, [*mine, {"range": {"expires_at": {"lte": now.isoformat()}}}])
    beyond = listed(tenant, variant, size=1, start=settings.SEARCH_SEMANTIC_CACHE_ENTRIES)
    if beyond:
        oldest = {"range": {"stored_at": {"lte": beyond[0].stored_at.isoformat()}}}
        removed += _delete(variant, [*mine, oldest])
    CACHE_EVICTED.labels(LAYER).inc(removed)
    return removed


def _delete(variant: str, conditions: list[dict[str, Any]], **options: str) -> int:
    options |= {"conflicts": "proceed", "ignore_unavailable": "true"}
    with engine_errors():
        answer = get_write_client().delete_by_query(
            index=_alias(variant), body={"query": {"bool": {"filter": conditions}}}, params=options
        )
    return int(answer["deleted"])


def _hits(
    variant: str, body: dict[str, Any], *, fields: Sequence[str] = ("question", "stored_at")
) -> list[Any]:
    """No index yet: no hits."""
    options = _within_time(ignore_unavailable="true")
    body = body | {"_source": list(fields), "track_total_hits": False}
    with engine_errors():
        answer = get_client().search(index=_alias(variant), body=body, params=options)
    return list(answer["hits"]["hits"])


def _stored(hit: Mapping[str, Any], *, cosine: float = 1.0) -> StoredQuestion:
    source = hit["_source"]
    return StoredQuestion(hit["_id"], source["question"], datetime.fromisoformat(source["stored_at"]), cosine)


def _of_tenant(tenant: UUID) -> list[dict[str, Any]]:
    return [{"term": {"tenant": str(tenant)}}]


def _within_time(**options: Any) -> dict[str, Any]:
    """A cache that is slow is worth less than the answer made anew."""
    return options | {"request_timeout": settings.SEARCH_SEMANTIC_CACHE_TIMEOUT_SECONDS}


def _alias(variant: str) -> str:
    digest = hashlib.sha256(variant.encode()).hexdigest()[:12]
    return f"{settings.OPENSEARCH_INDEX_PREFIX}-questions-{digest}"
