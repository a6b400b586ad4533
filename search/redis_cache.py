"""The cache's Redis: its client, and entries of a layer kept within a bound for each tenant, the oldest going first.

A list beside the entries says which a tenant has, with a label each, so that they can be counted, shown and removed.
A Redis that does not answer is CacheUnavailable; a layer that is off holds nothing.
"""

import time
from collections.abc import Collection
from dataclasses import dataclass
from functools import lru_cache
from typing import cast
from uuid import UUID

import redis
from django.conf import settings

from search.exceptions import CacheUnavailable
from search.metrics import CACHE_EVICTED, CACHE_READS
from search.redis_connection import connect

PREFIX = "ragsite"
_DIGEST_LENGTH = 64
_LABEL_LENGTH = 200


class cache_answers:  # noqa: N801  reads as a statement: `with cache_answers():`
    """A Redis that does not answer is CacheUnavailable."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, redis.RedisError):
            raise CacheUnavailable("The cache does not answer.") from error


def cache_client() -> "redis.Redis":
    """The process's client, with a pool of connections. Raises CacheUnavailable when none is configured."""
    if not settings.REDIS_CACHE_URL:
        raise CacheUnavailable("No cache is configured: set REDIS_CACHE_URL.")
    return _connect(settings.REDIS_CACHE_URL)


@lru_cache(maxsize=4)
def _connect(url: str) -> "redis.Redis":
    return connect(url, timeout_seconds=settings.SEARCH_CACHE_TIMEOUT_SECONDS)


@dataclass(frozen=True, slots=True)
class Layer:
    """A cache by its settings. `entries` is the most that a tenant has."""

    name: str
    is_on: bool
    ttl_seconds: float
    entries: int


def layer(name: str) -> Layer:
    """`response`, `embedding` or `semantic`, as it is set now."""
    stem = f"SEARCH_{name.upper()}_CACHE"
    values = (getattr(settings, f"{stem}{ending}") for ending in ("", "_TTL_SECONDS", "_ENTRIES"))
    return Layer(name, *values)


@dataclass(frozen=True, slots=True)
class Entry:
    """One of a tenant's entries: its digest, what it is about, and since when it is there (seconds since 1970)."""

    digest: str
    label: str
    stored_at: float


def read(name: str, tenant: UUID, digest: str, *, counts_misses: bool = True) -> bytes | None:
    """An entry's bytes; None when there is none, or the layer is off. Raises CacheUnavailable.

    Who looks again before the work is done does not count a miss at the first look.
    """
    key = _key(name, tenant, digest)
    return _counted_read(name, key, counts_misses=counts_misses) if layer(name).is_on else None


def write(name: str, tenant: UUID, entry: Entry, body: bytes, *, ttl_seconds: float) -> None:
    """Keep an entry for at most the layer's time, and the tenant's within their bound. Raises CacheUnavailable."""
    limits, listing = layer(name), _listing(name, tenant)
    if not limits.is_on:
        return
    with cache_answers():
        pipeline = cache_client().pipeline(transaction=False)
        pipeline.set(_key(name, tenant, entry.digest), body, px=max(1, int(ttl_seconds * 1000)))
        pipeline.zadd(listing, {_member(entry): entry.stored_at})
        pipeline.expire(listing, int(limits.ttl_seconds) + 1)
        pipeline.zremrangebyscore(listing, 0, time.time() - limits.ttl_seconds)
        pipeline.zcard(listing)
        surplus = pipeline.execute()[-1] - limits.entries
        if surplus > 0:
            oldest = cast(list[tuple[bytes, float]], cache_client().zpopmin(listing, surplus))
            removed = cache_client().unlink(*(_key(name, tenant, _entry(*each).digest) for each in oldest))
            CACHE_EVICTED.labels(name).inc(removed)


def listed(name: str, tenant: UUID) -> list[Entry]:
    """A tenant's entries, newest first; some may just have expired. Raises CacheUnavailable."""
    with cache_answers():
        found = cache_client().zrevrange(_listing(name, tenant), 0, -1, withscores=True)
    rows = cast(list[tuple[bytes, float]], found)
    return [_entry(member, score) for member, score in rows]


def peek(name: str, tenant: UUID, digest: str) -> bytes | None:
    """An entry's bytes, not counted as a read. Raises CacheUnavailable."""
    with cache_answers():
        return cast(bytes | None, cache_client().get(_key(name, tenant, digest)))


def evict(name: str, tenant: UUID, digests: Collection[str] | None = None) -> int:
    """Remove these entries of a tenant, or all. Returns how many were still there. Raises CacheUnavailable."""
    chosen = [entry for entry in listed(name, tenant) if digests is None or entry.digest in digests]
    if not chosen:
        return 0
    with cache_answers():
        pipeline = cache_client().pipeline(transaction=False)
        pipeline.unlink(*(_key(name, tenant, entry.digest) for entry in chosen))
        pipeline.zrem(_listing(name, tenant), *map(_member, chosen))
        removed = int(pipeline.execute()[0])
    CACHE_EVICTED.labels(name).inc(removed)
    return removed


def _member(entry: Entry) -> bytes:
    return (entry.digest + entry.label[:_LABEL_LENGTH]).encode()


def _entry(member: bytes, score: float) -> Entry:
    text = member.decode()
    return Entry(text[:_DIGEST_LENGTH], text[_DIGEST_LENGTH:], score)


def _key(name: str, tenant: UUID, digest: str) -> str:
    return f"{PREFIX}:{name}:{tenant}:{digest}"


def _listing(name: str, tenant: UUID) -> str:
    return f"{PREFIX}:{name}s:{tenant}"


def read_unlisted(name: str, tenant: UUID, digest: str) -> bytes | None:
    """What has neither a switch nor a bound but its time. Raises CacheUnavailable."""
    return _counted_read(name, _key(name, tenant, digest))


def write_unlisted(name: str, tenant: UUID, digest: str, body: bytes, *, ttl_seconds: float) -> None:
    """Raises CacheUnavailable."""
    with cache_answers():
        cache_client().set(_key(name, tenant, digest), body, px=max(1, int(ttl_seconds * 1000)))


def _counted_read(name: str, key: str, *, counts_misses: bool = True) -> bytes | None:
    try:
        with cache_answers():
            raw = cast(bytes | None, cache_client().get(key))
    except CacheUnavailable:
        CACHE_READS.labels(name, "unavailable").inc()
        raise
    if raw is not None or counts_misses:
        CACHE_READS.labels(name, "miss" if raw is None else "hit").inc()
    return raw
