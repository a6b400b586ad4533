"""The embedding cache and the response cache, on a Redis that may forget. A cache that is down is a miss,
said once as `degraded`.

Every key carries its tenant. A response is kept under its whole scope: whatever may change the answer is in CacheScope.
"""

import hashlib
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar, cast
from uuid import UUID

import numpy as np
import orjson
import redis
from django.conf import settings

from search.exceptions import CacheUnavailable
from search.metrics import CACHE_READS
from search.pipelines import FusionSpec
from search.types import RetrievalSettings

T = TypeVar("T")
_PREFIX = "ragsite"


@dataclass(frozen=True, slots=True)
class CacheScope:
    """All that a stored response depends on. Two requests with equal scopes have the same answer."""

    kind: str
    tenant: UUID
    index: str
    content_version: int
    curation: str
    access: str
    request: Mapping[str, Any]
    filters: Mapping[str, Any] | None
    profile: RetrievalSettings
    fusion: FusionSpec
    models: tuple[str, ...]
    prompt_version: str

    def key(self) -> str:
        body = orjson.dumps(self, option=orjson.OPT_SORT_KEYS)
        return f"{_PREFIX}:response:{self.tenant}:{hashlib.sha256(body).hexdigest()}"


def read_response(scope: CacheScope) -> dict[str, Any] | None:
    """A stored response body. Raises CacheUnavailable."""
    raw = _read("response", scope.key())
    return None if raw is None else dict(orjson.loads(raw))


def write_response(scope: CacheScope, body: Mapping[str, Any], *, ttl_seconds: float) -> None:
    """Keep a response body. The caller never passes an error or a degraded answer. Raises CacheUnavailable."""
    _write(scope.key(), orjson.dumps(body), ttl_seconds=ttl_seconds)


def read_embedding(tenant: UUID, variant: str, text: str) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """A query's embedding, float32 (dimension,). Raises CacheUnavailable."""
    raw = _read("embedding", _embedding_key(tenant, variant, text))
    return None if raw is None else np.frombuffer(raw, dtype="<f4")


def write_embedding(
    tenant: UUID, variant: str, text: str, vector: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    """Raises CacheUnavailable."""
    body = vector.astype("<f4").tobytes()
    _write(
        _embedding_key(tenant, variant, text), body, ttl_seconds=settings.SEARCH_EMBEDDING_CACHE_TTL_SECONDS
    )


def _embedding_key(tenant: UUID, variant: str, text: str) -> str:
    digest = hashlib.sha256(f"{variant}\x00{text}".encode()).hexdigest()
    return f"{_PREFIX}:embedding:{tenant}:{digest}"


def read_rewritten(tenant: UUID, rewriter: str, text: str) -> str | None:
    """A query as `rewriter` has rewritten it. Raises CacheUnavailable."""
    raw = _read("rewrite", _rewrite_key(tenant, rewriter, text))
    return None if raw is None else raw.decode()


def write_rewritten(tenant: UUID, rewriter: str, text: str, rewritten: str) -> None:
    """Raises CacheUnavailable."""
    key = _rewrite_key(tenant, rewriter, text)
    _write(key, rewritten.encode(), ttl_seconds=settings.SEARCH_EMBEDDING_CACHE_TTL_SECONDS)


def _rewrite_key(tenant: UUID, rewriter: str, text: str) -> str:
    digest = hashlib.sha256(f"{rewriter}\x00{text}".encode()).hexdigest()
    return f"{_PREFIX}:rewrite:{tenant}:{digest}"


def write_request(tenant: UUID, request_id: str, body: bytes, *, ttl_seconds: int) -> None:
    """Remember a request under its id. Raises CacheUnavailable."""
    _write(_request_key(tenant, request_id), body, ttl_seconds=ttl_seconds)


def read_request(tenant: UUID, request_id: str) -> bytes | None:
    """What was remembered of a request; None when it is forgotten. Raises CacheUnavailable."""
    return _read("request", _request_key(tenant, request_id))


def _request_key(tenant: UUID, request_id: str) -> str:
    return f"{_PREFIX}:request:{tenant}:{request_id}"


def _read(layer: str, key: str) -> bytes | None:
    try:
        raw = cast(bytes | None, _client().get(key))
    except redis.RedisError as error:
        CACHE_READS.labels(layer, "unavailable").inc()
        raise CacheUnavailable("The cache does not answer.") from error
    CACHE_READS.labels(layer, "miss" if raw is None else "hit").inc()
    return raw


def _write(key: str, body: bytes, *, ttl_seconds: float) -> None:
    try:
        _client().set(key, body, px=max(1, int(ttl_seconds * 1000)))
    except redis.RedisError as error:
        raise CacheUnavailable("The cache does not answer.") from error


def _client() -> "redis.Redis":
    if not settings.REDIS_CACHE_URL:
        raise CacheUnavailable("No cache is configured: set REDIS_CACHE_URL.")
    return _connect(settings.REDIS_CACHE_URL)


@lru_cache(maxsize=4)
def _connect(url: str) -> "redis.Redis":
    timeout = settings.SEARCH_CACHE_TIMEOUT_SECONDS
    return redis.Redis.from_url(url, socket_timeout=timeout, socket_connect_timeout=timeout)


class SingleFlight:
    """Equal work that is under way in this process at the same time is done once; the others wait for its outcome."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._flights: dict[str, Future[Any]] = {}

    def run(self, key: str, work: Callable[[], T]) -> tuple[T, bool]:
        """(outcome, whether it was shared). An error is shared too."""
        with self._lock:
            flight = self._flights.get(key)
            leads = flight is None
            if flight is None:
                flight = self._flights[key] = Future()
        if not leads:
            return flight.result(), True
        try:
            outcome = work()
        except BaseException as error:
            flight.set_exception(error)
            raise
        else:
            flight.set_result(outcome)
            return outcome, False
        finally:
            with self._lock:
                del self._flights[key]
