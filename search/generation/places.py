"""So many calls at once to one provider: the next one waits for a place. Shared by all threads and event loops."""

import asyncio
import threading
from collections import deque
from collections.abc import AsyncIterator
from concurrent.futures import Future
from contextlib import asynccontextmanager


class Places:
    """`count` places of this process; those who wait are served in order."""

    def __init__(self, count: int) -> None:
        self._free = count
        self._waiting: deque[Future[None]] = deque()
        self._lock = threading.Lock()

    @property
    def is_full(self) -> bool:
        return self._free == 0

    @asynccontextmanager
    async def place(self, *, until: float) -> AsyncIterator[None]:
        """A place, had by `until` in the running loop's time. Raises TimeoutError."""
        async with asyncio.timeout_at(until):
            await self._take()
        try:
            yield
        finally:
            self._give_back()

    async def _take(self) -> None:
        with self._lock:
            if self._free:
                self._free -= 1
                return
            turn: Future[None] = Future()
            self._waiting.append(turn)
        try:
            await asyncio.wrap_future(turn)
        except asyncio.CancelledError:
            if not turn.cancel() and not turn.cancelled():  # the place came at the same moment
                self._give_back()
            raise

    def _give_back(self) -> None:
        with self._lock:
            while self._waiting:
                turn = self._waiting.popleft()
                if turn.set_running_or_notify_cancel():
                    turn.set_result(None)
                    return
            self._free += 1
