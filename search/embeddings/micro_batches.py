"""Calls that come in while a run is under way share the next one. None waits for company: one alone runs at once."""

import threading
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Item = TypeVar("Item")
Outcome = TypeVar("Outcome")


@dataclass(slots=True)
class _Entry(Generic[Item]):
    item: Item
    is_done: bool = False
    outcome: Any = None
    error: BaseException | None = None


class MicroBatches(Generic[Item, Outcome]):
    """`run` takes up to `size` items and gives their outcomes in order; one run at a time, from the caller's thread."""

    def __init__(self, run: Callable[[Sequence[Item]], Iterable[Outcome]], *, size: int) -> None:
        self._run = run
        self._size = size
        self._waiting: list[_Entry[Item]] = []
        self._waiting_lock = threading.Lock()
        self._run_lock = threading.Lock()

    def __call__(self, item: Item) -> Outcome:
        """The outcome for one item. An error of a run is raised to all that shared it."""
        entry = _Entry(item)
        with self._waiting_lock:
            self._waiting.append(entry)
        while not entry.is_done:
            with self._run_lock:
                if not entry.is_done:  # else a run that was under way has taken it along
                    self._run_waiting()
        if entry.error is not None:
            raise entry.error
        outcome: Outcome = entry.outcome
        return outcome

    def _run_waiting(self) -> None:
        with self._waiting_lock:
            batch, self._waiting = self._waiting[: self._size], self._waiting[self._size :]
        try:
            outcomes = self._run([entry.item for entry in batch])
            for entry, outcome in zip(batch, outcomes, strict=True):
                entry.outcome = outcome
        except BaseException as error:
            for entry in batch:
                entry.error = error
        finally:
            for entry in batch:
                entry.is_done = True
