"""How long calls take, one after the other or from several clients at once."""

import math
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import count


@dataclass(frozen=True, slots=True)
class Latency:
    """Milliseconds; percentiles by the nearest rank."""

    p50_ms: float
    p95_ms: float
    p99_ms: float
    mean_ms: float
    requests: int


@dataclass(frozen=True, slots=True)
class Throughput:
    """Closed loop: each client sends its next request when the last is answered."""

    requests_per_second: float
    latency: Latency


def percentile(values: Sequence[float], share: float) -> float:
    """The smallest value that at least `share` of all are no larger than."""
    return sorted(values)[max(math.ceil(share * len(values)) - 1, 0)]


def latency(seconds: Sequence[float]) -> Latency:
    milliseconds = [value * 1000 for value in seconds]
    p50, p95, p99 = (round(percentile(milliseconds, share), 3) for share in (0.50, 0.95, 0.99))
    return Latency(p50, p95, p99, round(sum(milliseconds) / len(milliseconds), 3), len(milliseconds))


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    started = time.perf_counter()
    call()
    return time.perf_counter() - started


def throughput(call: Callable[[int], object], *, requests: int, clients: int) -> Throughput:
    """`call(n)` for each n below `requests`, from `clients` threads; the first error ends it."""
    numbers = count()
    seconds: list[float] = []

    def client() -> None:
        while (number := next(numbers)) < requests:
            seconds.append(timed(lambda number=number: call(number)))  # type: ignore[misc]

    started = time.perf_counter()
    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(client) for _ in range(clients)]:
            future.result()
    elapsed = time.perf_counter() - started
    return Throughput(round(len(seconds) / elapsed, 1), latency(seconds))
