"""Equal work shared by processes: it is done in one of them, and the others hear its events or get its outcome.

Without Redis each process does it for itself. What fails is not shared: whoever waited for it tries for itself.
"""

import asyncio
import queue
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing, suppress
from typing import Any

import orjson

from search.exceptions import CacheUnavailable
from search.flights import Event, Produce
from search.relay import Following, Heard, Lead, Signal, get_relay

LAST = "done"
RESTARTED = Event("status", {"stage": "restarted"})


async def shared_events(key: str, produce: Produce) -> AsyncGenerator[Event, None]:
    """The events of `produce`, made in this process or in the one that leads.

    When that one is gone they are made anew: after tokens that were told already comes `status: restarted`.
    """
    told = False
    while True:
        heard: asyncio.Queue[Heard] = asyncio.Queue()
        joined = await _joined(key, heard)
        if not isinstance(joined, Following):
            if told:
                yield RESTARTED
            async with aclosing(_led(joined, produce)) as events:
                async for event in events:
                    yield event
            return
        try:
            while isinstance(message := await heard.get(), bytes):
                event = Event(*orjson.loads(message))
                told = told or event.name == "token"
                yield event
        finally:
            joined.leave()
        if message is Signal.END:
            return


async def _joined(key: str, heard: "asyncio.Queue[Heard]") -> Lead | Following | None:
    """None without Redis."""
    loop = asyncio.get_running_loop()

    def hear(message: Heard) -> None:
        with suppress(RuntimeError):  # the loop has ended meanwhile, and with it whoever listened
            loop.call_soon_threadsafe(heard.put_nowait, message)

    try:
        return await asyncio.to_thread(get_relay().join, key, hear)
    except CacheUnavailable:
        return None


async def _led(lead: Lead | None, produce: Produce) -> AsyncGenerator[Event, None]:
    """What is made here, told to whoever follows. One that breaks off or is left is abandoned to them.

    The flight is over before its last event is out: who asks after that is answered anew.
    """
    try:
        async with aclosing(produce()) as events:
            async for event in events:
                if lead:
                    lead.tell(orjson.dumps([event.name, event.data], default=str))
                    if event.name == LAST:
                        lead.end()
                        await asyncio.to_thread(get_relay().tick)
                yield event
    finally:
        if lead and lead.closing is None:
            lead.abandon()


def shared_outcome(key: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The outcome of `work`, done in this process or in the one that leads. Raises what `work` raises here."""
    while True:
        heard: queue.SimpleQueue[Heard] = queue.SimpleQueue()
        try:
            joined = get_relay().join(key, heard.put)
        except CacheUnavailable:
            return work()
        if isinstance(joined, Lead):
            return _led_outcome(joined, work)
        outcome = heard.get()
        joined.leave()
        if isinstance(outcome, bytes):
            return dict(orjson.loads(outcome))


def _led_outcome(lead: Lead, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    try:
        outcome = work()
        lead.tell(orjson.dumps(outcome, default=str))
        lead.end()
        get_relay().tick()
    finally:
        if lead.closing is None:
            lead.abandon()
    return outcome
