"""Flights shared by processes, by the cache's Redis: one process leads, the others hear its events.

A leader holds a lease of a second, which one thread a process renews for all of its flights. A lease that is gone
without an end marker may be taken by whoever follows. Nothing here outlives its flight by more than some seconds.
"""

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import Enum
from functools import lru_cache
from typing import Any, cast
from uuid import uuid4

import structlog

from search.exceptions import CacheUnavailable
from search.redis_cache import cache_answers, cache_client

logger = structlog.get_logger(__name__)
LEASE_SECONDS = 1.0
TICK_SECONDS = 0.03
_RENEW_AFTER_SECONDS = 0.3
_STREAM_SECONDS, _ENDED_STREAM_SECONDS = 120, 5
_RENEW = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('pexpire', KEYS[1], ARGV[2]) end return 0"
_RELEASE = "if redis.call('get', KEYS[1]) == ARGV[1] then return redis.call('del', KEYS[1]) end return 0"


class Signal(Enum):
    """What a follower hears beside events: the flight has ended, or its leader is gone without having ended it."""

    END = "end"
    LOST = "lost"


Heard = bytes | Signal


@dataclass(eq=False)
class Lead:
    """A flight that this process leads. `tell` its events, then `end` it, or `abandon` it to whoever follows."""

    key: str
    token: str
    pending: list[bytes] = field(default_factory=list)
    told: int = 0
    closing: Signal | None = None
    renewed_at: float = field(default_factory=time.monotonic)

    def tell(self, event: bytes) -> None:
        self.pending.append(event)

    def end(self) -> None:
        self.closing = Signal.END

    def abandon(self) -> None:
        self.closing = Signal.LOST


@dataclass(eq=False)
class Following:
    """A flight that another process leads. `hear` is called from the relay's thread, a signal being the last call."""

    key: str
    token: str
    hear: Callable[[Heard], None]
    next_number: int = 0
    read_up_to: bytes = b"0"
    seen_at: float = field(default_factory=time.monotonic)
    is_over: bool = False

    def leave(self) -> None:
        self.is_over = True


class Relay:
    """This process's flights, and the thread that speaks for all of them in one pipeline a tick."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._ticking = threading.Lock()
        self._leads: list[Lead] = []
        self._followings: list[Following] = []
        self._thread: threading.Thread | None = None

    def join(self, key: str, hear: Callable[[Heard], None]) -> Lead | Following:
        """Lead the flight if nobody does, else follow it. Raises CacheUnavailable."""
        token = uuid4().hex
        with cache_answers():
            answer = cache_client().set(_lease(key), token, nx=True, get=True, px=int(LEASE_SECONDS * 1000))
        leader = cast(bytes | None, answer)
        joined = Lead(key, token) if leader is None else Following(key, leader.decode(), hear)
        with self._changed:
            if isinstance(joined, Lead):
                self._leads.append(joined)
            else:
                self._followings.append(joined)
            self._start()
            self._changed.notify()
        return joined

    def _start(self) -> None:
        if self._thread is None or not self._thread.is_alive():  # a forked process has not inherited it
            self._thread = threading.Thread(target=self._run, name="relay", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._leads or self._followings)
            try:
                self.tick()
            except Exception:  # the boundary of a thread that others wait for
                logger.exception("relay_tick_failed")
                self._lose_all()
            time.sleep(TICK_SECONDS)

    def _lose_all(self) -> None:
        """Whoever follows goes on alone."""
        with self._changed:
            followings, self._followings = self._followings, []
        for following in followings:
            _close(following, Signal.LOST)

    def tick(self) -> None:
        """Tell and renew what is led, hear what is followed; what is over is left. One at a time, from any thread."""
        with self._ticking:
            self._tick()

    def _tick(self) -> None:
        with self._changed:
            leads, followings = list(self._leads), list(self._followings)
        told = [_untold(lead) for lead in leads]
        followings = [following for following in followings if not following.is_over]
        try:
            answers = _exchange(told, followings)
        except CacheUnavailable:
            _lose(followings)
        else:
            for lead, count, _ in told:
                del lead.pending[:count]
                lead.told += count
            for following, answer in zip(followings, answers, strict=True):
                _deliver(following, *answer)
        gone = {lead for lead, _, closing in told if closing}  # also where that could not be told
        with self._changed:
            self._leads = [lead for lead in self._leads if lead not in gone]
            self._followings = [following for following in self._followings if not following.is_over]


def _untold(lead: Lead) -> tuple[Lead, int, Signal | None]:
    """The closing is read first: what was told before it is then counted."""
    closing = lead.closing
    return lead, len(lead.pending), closing


Answer = tuple[bytes | None, Sequence[tuple[bytes, dict[bytes, bytes]]]]


def _exchange(
    told: Sequence[tuple[Lead, int, Signal | None]], followings: Sequence[Following]
) -> list[Answer]:
    """One round trip. For each following: who holds its lease, and what is new. Raises CacheUnavailable."""
    with cache_answers():
        pipeline = cache_client().pipeline(transaction=True)
        for lead, count, closing in told:
            _write(pipeline, lead, lead.pending[:count], closing)
        written = len(pipeline)
        for following in followings:
            pipeline.get(_lease(following.key))
            pipeline.xrange(_stream(following.key, following.token), min=b"(" + following.read_up_to)
        answers = pipeline.execute()[written:]
    return list(zip(answers[::2], answers[1::2], strict=True))


def _write(pipeline: Any, lead: Lead, events: Sequence[bytes], closing: Signal | None) -> None:
    """Events by number, so that one which was told twice is heard once."""
    lease, stream = _lease(lead.key), _stream(lead.key, lead.token)
    for number, event in enumerate(events, start=lead.told):
        pipeline.xadd(stream, {"number": number, "event": event})
    if closing is Signal.END:
        pipeline.xadd(stream, {"end": 1})
    if closing:
        pipeline.expire(stream, _ENDED_STREAM_SECONDS)
        pipeline.eval(_RELEASE, 1, lease, lead.token)
    elif time.monotonic() - lead.renewed_at >= _RENEW_AFTER_SECONDS:
        lead.renewed_at = time.monotonic()
        pipeline.expire(stream, _STREAM_SECONDS)
        pipeline.eval(_RENEW, 1, lease, lead.token, int(LEASE_SECONDS * 1000))


def _deliver(
    following: Following, holder: bytes | None, entries: Sequence[tuple[bytes, dict[bytes, bytes]]]
) -> None:
    """The lease was read first: a leader that ended meanwhile has left its end marker in the stream."""
    following.seen_at = time.monotonic()
    for entry_id, fields in entries:
        following.read_up_to = entry_id
        if b"end" in fields:
            _close(following, Signal.END)
            return
        if int(fields[b"number"]) == following.next_number:
            following.next_number += 1
            following.hear(fields[b"event"])
    if holder is None or holder.decode() != following.token:
        _close(following, Signal.LOST)


def _lose(followings: Sequence[Following]) -> None:
    """Without Redis a leader can't be heard; after the time of a lease it is taken for gone."""
    for following in followings:
        if time.monotonic() - following.seen_at > LEASE_SECONDS:
            _close(following, Signal.LOST)


def _close(following: Following, signal: Signal) -> None:
    if not following.is_over:
        following.is_over = True
        following.hear(signal)


def _lease(key: str) -> str:
    return f"ragsite:flight:{key}"


def _stream(key: str, token: str) -> str:
    return f"ragsite:flight:{key}:{token}"


@lru_cache(maxsize=1)
def get_relay() -> Relay:
    """This process's."""
    return Relay()
