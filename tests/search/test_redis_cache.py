"""Entries of a layer in a real Valkey: switch, time, bound, listing, eviction, and no way to another tenant's."""

import time
from typing import Any
from uuid import UUID

import pytest
from prometheus_client import REGISTRY

from search import redis_cache
from search.exceptions import CacheUnavailable
from search.redis_cache import Entry

pytestmark = pytest.mark.usefixtures("redis")
ONE, OTHER = UUID(int=1), UUID(int=2)


def entry(number: int, label: str = "") -> Entry:
    return Entry(f"{number:064d}", label or f"question {number}", time.time() + number / 1000)


def write(number: int, *, tenant: UUID = ONE, ttl_seconds: float = 60.0, label: str = "") -> None:
    body = f"body {number}".encode()
    redis_cache.write("response", tenant, entry(number, label), body, ttl_seconds=ttl_seconds)


def read(number: int, *, tenant: UUID = ONE) -> bytes | None:
    return redis_cache.read("response", tenant, entry(number).digest)


def labels(tenant: UUID = ONE) -> list[str]:
    return [listed.label for listed in redis_cache.listed("response", tenant)]


def evicted() -> float:
    return REGISTRY.get_sample_value("ragsite_cache_evicted_total", {"layer": "response"}) or 0.0


def test_an_entry_is_found_by_its_tenant_alone_and_only_for_its_time() -> None:
    write(1, ttl_seconds=0.2)
    assert (read(1), read(1, tenant=OTHER)) == (b"body 1", None)
    time.sleep(0.25)
    assert read(1) is None


def test_a_layer_that_is_off_holds_nothing_and_asks_nobody(settings: Any) -> None:
    write(1)
    settings.SEARCH_RESPONSE_CACHE = False
    write(2)
    settings.REDIS_CACHE_URL = "unix:///nonexistent.sock"
    assert read(1) is None


def test_beyond_its_bound_the_oldest_go_and_are_counted(settings: Any) -> None:
    settings.SEARCH_RESPONSE_CACHE_ENTRIES = 3
    before = evicted()
    for number in range(5):
        write(number)
    write(9, tenant=OTHER)
    assert [read(number) for number in range(5)] == [None, None, b"body 2", b"body 3", b"body 4"]
    assert (labels(), labels(OTHER)) == (["question 4", "question 3", "question 2"], ["question 9"])
    assert evicted() - before == 2


def test_one_that_is_written_again_is_listed_once() -> None:
    write(1)
    write(1)
    assert labels() == ["question 1"]


def test_entries_that_have_expired_leave_the_list_with_the_next_one(settings: Any) -> None:
    settings.SEARCH_RESPONSE_CACHE_TTL_SECONDS = 1
    write(1, ttl_seconds=0.1)
    time.sleep(1.1)
    write(2)
    assert labels() == ["question 2"]


def test_chosen_entries_or_all_are_removed_of_one_tenant() -> None:
    for number in (1, 2, 3):
        write(number)
    write(1, tenant=OTHER)
    assert redis_cache.evict("response", ONE, [entry(2).digest, "x" * 64]) == 1
    assert labels() == ["question 3", "question 1"]
    assert redis_cache.evict("response", ONE) == 2
    assert (labels(), read(1), read(1, tenant=OTHER)) == ([], None, b"body 1")
    assert redis_cache.evict("response", ONE) == 0


def test_a_label_of_any_length_and_script_is_cut_and_kept_readable() -> None:
    write(1, label="ß日本語" * 100)
    assert labels() == [("ß日本語" * 100)[:200]]


def test_a_redis_that_is_down_is_said(settings: Any) -> None:
    settings.REDIS_CACHE_URL = "unix:///nonexistent.sock"
    for call in (
        lambda: read(1),
        lambda: write(1),
        lambda: redis_cache.listed("response", ONE),
        lambda: redis_cache.evict("response", ONE),
    ):
        with pytest.raises(CacheUnavailable):
            call()
