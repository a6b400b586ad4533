"""Streams in flight, in one event loop: equal questions share a producer, and each follower hears all of it.

A producer is cancelled when its last follower has left: a client that is gone costs no tokens. One that came to its
end is kept for seconds, for a follower who lost its stream.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Event:
    """A server-sent event: its name and its JSON."""

    name: str
    data: dict[str, Any]


Produce = Callable[[], AsyncGenerator[Event, None]]
_END = None
ENDED_SECONDS = 5.0


class Flight:
    """One producer's events so far, and those who listen."""

    def __init__(self, produce: Produce, on_end: Callable[[], None]) -> None:
        self.events: list[Event | Exception | None] = []
        self.queues: set[asyncio.Queue[Event | Exception | None]] = set()
        self._task = asyncio.get_running_loop().create_task(self._run(produce))
        self._task.add_done_callback(lambda _: on_end())

    async def _run(self, produce: Produce) -> None:
        try:
            async with aclosing(produce()) as events:
                async for event in events:
                    self._tell(event)
        except Exception as error:  # a job boundary: the followers raise it
            self._tell(error)
        self._tell(_END)

    def _tell(self, event: Event | Exception | None) -> None:
        self.events.append(event)
        for queue in self.queues:
            queue.put_nowait(event)

    @property
    def is_whole(self) -> bool:
        """Whether it came to its end, and without an error."""
        return self.events[-1:] == [_END] and not any(isinstance(event, Exception) for event in self.events)

    def join(self) -> "Follower":
        queue: asyncio.Queue[Event | Exception | None] = asyncio.Queue()
        for event in self.events:
            queue.put_nowait(event)
        self.queues.add(queue)
        return Follower(self, queue)

    def leave(self, queue: asyncio.Queue[Event | Exception | None]) -> None:
        self.queues.discard(queue)
        if not self.queues:
            self._task.cancel()


class Follower:
    """One listener. `leave` when done; it may be called twice."""

    def __init__(self, flight: Flight, queue: asyncio.Queue[Event | Exception | None]) -> None:
        self._flight = flight
        self._queue = queue
        self._first: Event | Exception | None = None

    async def begin(self) -> None:
        """Waits for the first event, which `events` then gives. Raises what the producer raised before it."""
        self._first = await self._queue.get()
        if isinstance(self._first, Exception):
            raise self._first

    async def events(self, *, silence_seconds: float | None = None) -> AsyncIterator[Event | None]:
        """Every event; None after each `silence_seconds` without one. Raises what the producer raised."""
        event = self._first
        while True:
            if isinstance(event, Exception):
                raise event
            if event is not None:
                yield event
            try:
                async with asyncio.timeout(silence_seconds):
                    event = await self._queue.get()
            except TimeoutError:
                event = None
                yield None
                continue
            if event is _END:
                return

    def leave(self) -> None:
        self._flight.leave(self._queue)


class Flights:
    """The flights of this process by key; without a key nothing is shared."""

    def __init__(self) -> None:
        self._flights: dict[str, Flight] = {}
        self._ended: dict[str, Flight] = {}

    def join(self, key: str | None, produce: Produce, *, again: bool = False) -> Follower:
        """Follow the flight under this key, else a new one. `again`: one that has just ended will do."""
        flight = self._flights.get(key) if key else None
        if flight is None and key and again:
            flight = self._ended.get(key)
        if flight is None or not (
            flight.queues or flight.is_whole
        ):  # one without listeners is being cancelled
            flight = self._start(key, produce)
        return flight.join()

    def _start(self, key: str | None, produce: Produce) -> Flight:
        if key is None:
            return Flight(produce, on_end=lambda: None)
        flight = Flight(produce, on_end=lambda: self._end(key, flight))
        self._flights[key] = flight
        return flight

    def _end(self, key: str, flight: Flight) -> None:
        _forget(self._flights, key, flight)
        if flight.is_whole:
            self._ended[key] = flight
            asyncio.get_running_loop().call_later(ENDED_SECONDS, _forget, self._ended, key, flight)


def _forget(flights: dict[str, Flight], key: str, flight: Flight) -> None:
    if flights.get(key) is flight:
        del flights[key]
