"""The embedding cache and the response cache, on a Redis that may forget. A cache that is down is a miss,
said once as `degraded`.

Every key carries its tenant. A response is kept under its whole scope: whatever may change the answer is in CacheScope.
"""

import hashlib
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, TypeVar
from uuid import UUID

import numpy as np
import orjson
from django.conf import settings

from search import redis_cache
from search.pipelines import FusionSpec
from search.redis_cache import Entry
from search.types import RetrievalSettings

T = TypeVar("T")
RESPONSE, EMBEDDING = "response", "embedding"


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
        """A digest of all of it."""
        return _digest(self)

    @property
    def question(self) -> str:
        """What was asked or searched for."""
        return str(self.request["question"])

    @property
    def kept_question(self) -> str:
        """The question as it may be kept; none of one that was made from the messages before it."""
        return "" if self.request.get("history") else self.question

    def without_question(self) -> str:
        """Equal for all questions whose answers depend on the same."""
        request = {name: value for name, value in self.request.items() if name != "question"}
        return _digest(replace(self, request=request))


def _digest(scope: CacheScope) -> str:
    return hashlib.sha256(orjson.dumps(scope, option=orjson.OPT_SORT_KEYS)).hexdigest()


@dataclass(frozen=True, slots=True)
class StoredResponse:
    """A response's body, what was asked, and when."""

    question: str
    stored_at: datetime
    body: dict[str, Any]


def read_response(scope: CacheScope, *, counts_misses: bool = True) -> StoredResponse | None:
    """A stored response. Raises CacheUnavailable."""
    raw = redis_cache.read(RESPONSE, scope.tenant, scope.key(), counts_misses=counts_misses)
    return None if raw is None else as_response(raw)


def as_response(raw: bytes) -> StoredResponse:
    stored = orjson.loads(raw)
    return StoredResponse(stored["question"], datetime.fromisoformat(stored["stored_at"]), stored["body"])


def write_response(scope: CacheScope, response: StoredResponse, *, until: datetime) -> None:
    """Keep a response. The caller never passes an error or a degraded answer. Raises CacheUnavailable."""
    entry = Entry(scope.key(), f"{scope.kind}: {scope.kept_question}", response.stored_at.timestamp())
    ttl_seconds = (until - datetime.now(UTC)).total_seconds()
    redis_cache.write(RESPONSE, scope.tenant, entry, orjson.dumps(response), ttl_seconds=ttl_seconds)


def read_embedding(tenant: UUID, variant: str, text: str) -> np.ndarray[Any, np.dtype[np.float32]] | None:
    """A query's embedding, float32 (dimension,). Raises CacheUnavailable."""
    raw = redis_cache.read(EMBEDDING, tenant, text_digest(variant, text))
    return None if raw is None else np.frombuffer(raw, dtype="<f4")


def write_embedding(
    tenant: UUID, variant: str, text: str, vector: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    """The text is not kept: it may come from a conversation. Raises CacheUnavailable."""
    entry = Entry(text_digest(variant, text), "", time.time())
    ttl_seconds = settings.SEARCH_EMBEDDING_CACHE_TTL_SECONDS
    redis_cache.write(EMBEDDING, tenant, entry, vector.astype("<f4").tobytes(), ttl_seconds=ttl_seconds)


def text_digest(model: str, text: str) -> str:
    """What an embedding is found by."""
    return hashlib.sha256(f"{model}\x00{text}".encode()).hexdigest()


def read_rewritten(tenant: UUID, rewriter: str, text: str) -> str | None:
    """A query as `rewriter` has rewritten it. Raises CacheUnavailable."""
    raw = redis_cache.read_unlisted("rewrite", tenant, text_digest(rewriter, text))
    return None if raw is None else raw.decode()


def write_rewritten(tenant: UUID, rewriter: str, text: str, rewritten: str) -> None:
    """Raises CacheUnavailable."""
    digest, ttl_seconds = text_digest(rewriter, text), settings.SEARCH_EMBEDDING_CACHE_TTL_SECONDS
    redis_cache.write_unlisted("rewrite", tenant, digest, rewritten.encode(), ttl_seconds=ttl_seconds)


def write_request(tenant: UUID, request_id: str, body: bytes, *, ttl_seconds: int) -> None:
    """Remember a request under its id. Raises CacheUnavailable."""
    redis_cache.write_unlisted("request", tenant, request_id, body, ttl_seconds=ttl_seconds)


def read_request(tenant: UUID, request_id: str) -> bytes | None:
    """What was remembered of a request; None when it is forgotten. Raises CacheUnavailable."""
    return redis_cache.read_unlisted("request", tenant, request_id)


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
