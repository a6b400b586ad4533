"""Flights shared by processes: two relays on one real Redis stand for two processes."""

import queue
import time
from collections.abc import Callable
from typing import Any

import pytest

from search.exceptions import CacheUnavailable
from search.redis_cache import cache_client
from search.relay import LEASE_SECONDS, Following, Heard, Lead, Relay, Signal

pytestmark = pytest.mark.usefixtures("redis")


class Ticking(Relay):
    """A relay whose ticks the test gives."""

    def _start(self) -> None:
        """No thread."""


def lead(relay: Relay, key: str = "k") -> Lead:
    joined = relay.join(key, _unheard)
    assert isinstance(joined, Lead)
    return joined


def follow(relay: Relay, key: str = "k") -> tuple[Following, list[Heard]]:
    heard: list[Heard] = []
    joined = relay.join(key, heard.append)
    assert isinstance(joined, Following)
    return joined, heard


def _unheard(message: Heard) -> None:
    raise AssertionError(message)


def test_what_the_leader_tells_is_heard_in_order_and_then_its_end() -> None:
    here, there = Ticking(), Ticking()
    leading = lead(here)
    leading.tell(b"before")
    here.tick()
    _, heard = follow(there)
    there.tick()
    leading.tell(b"one")
    leading.tell(b"two")
    here.tick()
    there.tick()
    assert heard == [b"before", b"one", b"two"]
    leading.tell(b"three")
    leading.end()
    here.tick()
    there.tick()
    assert heard[3:] == [b"three", Signal.END]


def test_the_next_question_after_the_end_is_led_anew() -> None:
    here, there = Ticking(), Ticking()
    lead(here).end()
    here.tick()
    assert isinstance(there.join("k", _unheard), Lead)


def test_each_key_has_a_flight_of_its_own() -> None:
    here, there = Ticking(), Ticking()
    lead(here, "a")
    lead(there, "b")


def test_a_flight_that_is_abandoned_is_lost_to_its_followers_who_may_lead() -> None:
    here, there = Ticking(), Ticking()
    leading = lead(here)
    _, heard = follow(there)
    leading.tell(b"half")
    leading.abandon()
    here.tick()
    there.tick()
    assert heard == [b"half", Signal.LOST]
    lead(there)


def test_a_leader_that_no_longer_renews_is_lost_after_its_lease() -> None:
    here, there = Ticking(), Ticking()
    lead(here)
    _, heard = follow(there)
    there.tick()
    assert heard == []
    time.sleep(LEASE_SECONDS + 0.05)
    there.tick()
    assert heard == [Signal.LOST]


def test_a_leader_that_renews_keeps_its_lease() -> None:
    here, there = Ticking(), Ticking()
    lead(here)
    _, heard = follow(there)
    for _ in range(8):
        time.sleep(LEASE_SECONDS / 4)
        here.tick()
        there.tick()
    assert heard == []


def test_a_leader_that_comes_back_late_neither_renews_nor_ends_the_flight_of_the_next() -> None:
    here, there, third = Ticking(), Ticking(), Ticking()
    late = lead(here)
    time.sleep(LEASE_SECONDS + 0.05)
    lead(there)
    late.end()
    here.tick()
    _, heard = follow(third)
    third.tick()
    assert heard == []


def test_who_leaves_hears_nothing_more() -> None:
    here, there = Ticking(), Ticking()
    leading = lead(here)
    following, heard = follow(there)
    following.leave()
    leading.tell(b"one")
    here.tick()
    there.tick()
    assert heard == []


def test_what_is_told_twice_is_heard_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As when Redis has done a tick's work and its answer is lost."""
    here, there = Ticking(), Ticking()
    leading = lead(here)
    _, heard = follow(there)
    leading.tell(b"one")
    exchange = here_exchange(monkeypatch)
    here.tick()
    exchange.undo()
    here.tick()
    there.tick()
    assert heard == [b"one"]


def here_exchange(monkeypatch: pytest.MonkeyPatch) -> Any:
    from search import relay

    done: Callable[..., Any] = relay._exchange

    def answer_lost(*args: Any) -> Any:
        done(*args)
        raise CacheUnavailable("The cache does not answer.")

    patch = pytest.MonkeyPatch()
    patch.setattr(relay, "_exchange", answer_lost)
    return patch


def test_without_redis_nobody_joins_and_followers_give_up_after_a_lease(settings: Any) -> None:
    here, there = Ticking(), Ticking()
    lead(here)
    following, heard = follow(there)
    settings.REDIS_CACHE_URL = "unix:///nonexistent.sock"
    with pytest.raises(CacheUnavailable):
        here.join("other", _unheard)
    there.tick()
    assert heard == []
    following.seen_at -= LEASE_SECONDS
    there.tick()
    assert heard == [Signal.LOST]


def test_the_thread_ticks_while_there_is_something_to_tell() -> None:
    here, there = Relay(), Relay()
    leading = lead(here)
    heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
    there.join("k", heard.put)
    leading.tell(b"one")
    assert heard.get(timeout=2) == b"one"
    time.sleep(LEASE_SECONDS * 1.5)  # renewed meanwhile
    leading.tell(b"two")
    leading.end()
    assert [heard.get(timeout=2), heard.get(timeout=2)] == [b"two", Signal.END]


def test_nothing_outlives_a_flight_for_long() -> None:
    here = Ticking()
    leading = lead(here)
    leading.tell(b"one")
    leading.end()
    here.tick()
    keys = list(cache_client().scan_iter("ragsite:flight:*"))
    assert len(keys) == 1
    assert 0 < cache_client().ttl(keys[0]) <= 5
