"""Calls at the same time share runs; a call alone does not wait."""

import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

import pytest

from search.embeddings.micro_batches import MicroBatches

WAIT_SECONDS = 10.0


class Doubling:
    """Doubles numbers; each run waits until the test lets it go on."""

    def __init__(self) -> None:
        self.runs: list[list[int]] = []
        self.has_begun = threading.Event()
        self.may_end = threading.Event()

    def __call__(self, numbers: Sequence[int]) -> list[int]:
        self.runs.append(list(numbers))
        self.has_begun.set()
        assert self.may_end.wait(WAIT_SECONDS)
        if 13 in numbers:
            raise ValueError("Thirteen.")
        return [2 * number for number in numbers]


def test_a_call_alone_runs_at_once() -> None:
    doubling = Doubling()
    doubling.may_end.set()
    batches = MicroBatches(doubling, size=4)
    assert [batches(1), batches(2)] == [2, 4]
    assert doubling.runs == [[1], [2]]


def test_what_comes_in_during_a_run_shares_the_next_ones() -> None:
    doubling = Doubling()
    batches = MicroBatches(doubling, size=4)
    with ThreadPoolExecutor(7) as pool:
        first = pool.submit(batches, 0)
        assert doubling.has_begun.wait(WAIT_SECONDS)
        rest = [pool.submit(batches, number) for number in range(1, 7)]
        wait_for_waiting(batches, 6)
        doubling.may_end.set()
        assert [first.result(), *(future.result() for future in rest)] == [0, 2, 4, 6, 8, 10, 12]
    assert [len(run) for run in doubling.runs] == [1, 4, 2]


def test_an_error_is_raised_to_all_that_shared_the_run_and_to_nobody_else() -> None:
    doubling = Doubling()
    batches = MicroBatches(doubling, size=4)
    with ThreadPoolExecutor(3) as pool:
        first = pool.submit(batches, 1)
        assert doubling.has_begun.wait(WAIT_SECONDS)
        rest = [pool.submit(batches, number) for number in (2, 13)]
        wait_for_waiting(batches, 2)
        doubling.may_end.set()
        assert first.result() == 2
        for future in rest:
            with pytest.raises(ValueError, match="Thirteen"):
                future.result()
    assert batches(3) == 6


def wait_for_waiting(batches: "MicroBatches[int, int]", count: int) -> None:
    pause = threading.Event()
    for _ in range(1000):
        if len(batches._waiting) == count:
            return
        pause.wait(WAIT_SECONDS / 1000)
    raise AssertionError(f"{len(batches._waiting)} wait, not {count}.")
