"""Percentiles by the nearest rank, and a closed loop of clients."""

import threading

import pytest

from search.evaluation.latency import latency, percentile, throughput


def test_a_percentile_is_a_value_that_was_measured() -> None:
    values = [5.0, 1.0, 4.0, 2.0, 3.0]
    assert [percentile(values, share) for share in (0.5, 0.95, 0.2, 0.21)] == [3.0, 5.0, 1.0, 2.0]


def test_latencies_are_in_milliseconds() -> None:
    found = latency([0.001] * 98 + [0.5, 1.0])
    assert (found.p50_ms, found.p95_ms, found.p99_ms, found.requests) == (1.0, 1.0, 500.0, 100)


def test_every_request_is_sent_once_by_as_many_clients_as_asked() -> None:
    met, sent = threading.Barrier(3, timeout=30), []

    def call(number: int) -> None:
        if number < 3:
            met.wait()  # passes only when three are under way at once
        sent.append(number)

    found = throughput(call, requests=20, clients=3)
    assert sorted(sent) == list(range(20))
    assert found.latency.requests == 20
    assert found.requests_per_second > 0


def test_an_error_of_one_request_ends_the_measurement() -> None:
    def call(number: int) -> None:
        if number == 2:
            raise ValueError("two")

    with pytest.raises(ValueError, match="two"):
        throughput(call, requests=5, clients=2)
