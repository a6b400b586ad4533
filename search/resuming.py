"""Streams taken up again by the id of the last event that came, for a few seconds after their reader was lost.

An id is the stream's name, which its first event tells, and the event's number. Whoever asks the same once more with
`Last-Event-ID` hears what came after it; where that stream is gone, everything anew after `status: restarted`.
"""

from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass

from search.flights import Event
from search.shared_flights import RESTARTED


@dataclass(frozen=True, slots=True)
class EventId:
    """Where an event stands in which stream; numbers begin with 1."""

    stream: str
    number: int

    def __str__(self) -> str:
        return f"{self.stream}:{self.number}"


def event_id(header: str | None) -> EventId | None:
    """What `Last-Event-ID` says; None for none, and for one that is not ours."""
    stream, _, number = (header or "").rpartition(":")
    return EventId(stream, int(number)) if stream and number.isascii() and number.isdigit() else None


async def numbered(
    events: AsyncIterator[Event | None], last: EventId | None
) -> AsyncGenerator[tuple[EventId | None, Event | None], None]:
    """Events with their ids, those after `last` alone; as they come where nothing is taken up or nothing has a name."""
    here: EventId | None = None
    async for event in events:
        if event is None:
            yield None, None
            continue
        if here is None or "stream" in event.data:
            here = EventId(event.data.get("stream", ""), 0)
            if last and here.stream != last.stream:
                yield None, RESTARTED
                last = None
        here = EventId(here.stream, here.number + 1)
        if last is None or here.number > last.number:
            last = None
            yield here if here.stream else None, event
