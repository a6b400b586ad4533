"""The query log: requests of tenants that keep queries, written to a stream of the queue's Redis, since a query never
writes to the database, and from there to rows by whoever sweeps.

A request that can't be written down is answered all the same; the log says that one is missing.
"""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any, TypeVar, cast

import orjson
import redis
import structlog
from django.conf import settings
from django.db.models import Q
from django.utils import timezone

from search.exceptions import QueueUnavailable
from search.models import ApiKey, QueryLog, Tenant
from search.redis_connection import connect
from search.types import Principal

T = TypeVar("T")
_STREAM = "ragsite:queries"
_MOST_ENTRIES = 100_000  # kept while nobody sweeps
_ENTRIES_AT_ONCE = 500
logger = structlog.get_logger(__name__)


def write_down(principal: Principal, kind: str, query: str, body: Mapping[str, Any]) -> None:
    """Log a response, given as the API's JSON, and its request. The caller knows that the tenant keeps queries."""
    entry = orjson.dumps(_row(principal, kind, query, body))
    try:
        _asked(lambda client: client.xadd(_STREAM, {"row": entry}, maxlen=_MOST_ENTRIES))
    except QueueUnavailable as error:
        logger.warning("query_not_logged", request_id=body["request_id"], error=error.detail)


def _row(principal: Principal, kind: str, query: str, body: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "tenant_id": principal.tenant_id,
        "api_key_id": principal.key_id,
        "request_id": body["request_id"],
        "kind": kind,
        "query": query.replace("\0", " "),  # which PostgreSQL does not take
        "standalone_question": body.get("standalone_question", "").replace("\0", " "),
        "answer": body.get("answer", "").replace("\0", " "),
        "refused": body.get("refused", False),
        "cache": body["cache"],
        "generator": body.get("generator", ""),
        "hits": _passages(body["hits"]),
        "citations": _passages(body.get("citations", ())),
        "degraded": body["degraded"],
        "asked_at": timezone.now(),
        **body.get("versions", {}),
    }


def _passages(found: Sequence[Mapping[str, Any]]) -> list[dict[str, str]]:
    return [{"document": one["document"]["id"], "chunk": one["chunk"]["id"]} for one in found]


def flush() -> int:
    """Makes rows of what was written down, each request once. Returns how many entries were taken.

    Raises QueueUnavailable.
    """
    entries = _asked(lambda client: cast(list[Any], client.xrange(_STREAM, count=_ENTRIES_AT_ONCE)))
    if not entries:
        return 0
    rows = [orjson.loads(fields[b"row"]) for _, fields in entries]
    QueryLog.objects.bulk_create(_wanted(rows), ignore_conflicts=True)
    _asked(lambda client: client.xdel(_STREAM, *(entry_id for entry_id, _ in entries)))
    return len(entries)


def _wanted(rows: Sequence[dict[str, Any]]) -> list[QueryLog]:
    """Those of tenants that still keep queries, each with its key if that is still there."""
    keeping = set(Tenant.objects.filter(keeps_queries=True).values_list("pk", flat=True))
    keys = set(ApiKey.objects.filter(pk__in={row["api_key_id"] for row in rows}).values_list("pk", flat=True))
    for row in rows:
        row["asked_at"] = datetime.fromisoformat(row["asked_at"])
        row["api_key_id"] = row["api_key_id"] if row["api_key_id"] in keys else None
    return [QueryLog(**row) for row in rows if row["tenant_id"] in keeping]


def clear_old() -> None:
    """What is older than SEARCH_QUERY_LOG_DAYS goes, and all of a tenant that keeps queries no more."""
    before = timezone.now() - timedelta(days=settings.SEARCH_QUERY_LOG_DAYS)
    QueryLog.objects.filter(Q(asked_at__lt=before) | Q(tenant__keeps_queries=False)).delete()


def _asked(ask: Callable[["redis.Redis"], T]) -> T:
    if not settings.REDIS_URL:
        raise QueueUnavailable("No queue is configured: set REDIS_URL.")
    try:
        return ask(_connect(settings.REDIS_URL))
    except redis.RedisError as error:
        raise QueueUnavailable("The queue does not answer.") from error


@lru_cache(maxsize=4)
def _connect(url: str) -> "redis.Redis":
    return connect(url, timeout_seconds=settings.SEARCH_CACHE_TIMEOUT_SECONDS)
