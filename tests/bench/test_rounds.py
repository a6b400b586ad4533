"""What the rounds of a comparison add up to."""

from bench.peers.fusion import reciprocal_ranks
from bench.peers.rounds import Block, near_best, ratios, summary


def block(rate: float, *, cpu: float) -> Block:
    return Block(
        10, rate, p50_ms=1000 / rate, p95_ms=2000 / rate, own_cpu_seconds=cpu, engine_cpu_seconds=0.0
    )


def test_a_figure_is_the_median_of_its_rounds_with_the_least_and_the_most() -> None:
    figures = summary([block(10.0, cpu=0.1), block(40.0, cpu=0.3), block(20.0, cpu=0.2)])
    assert figures["requests_per_second"] == {"median": 20.0, "min": 10.0, "max": 40.0}
    assert figures["own_cpu_ms"] == {"median": 20.0, "min": 10.0, "max": 30.0}


def test_a_ratio_is_taken_round_by_round_so_that_a_busy_moment_cancels_out() -> None:
    assert ratios([10.0, 1.0], [5.0, 0.5]) == {"median": 2.0, "min": 2.0, "max": 2.0}


def test_only_systems_within_one_percent_of_the_best_ndcg_are_near_it() -> None:
    assert near_best({"a": 0.5, "b": 0.4951, "c": 0.4949}, within=0.01) == ["a", "b"]


def test_what_both_legs_found_comes_before_what_one_found() -> None:
    fused = reciprocal_ranks([[7, 3], [3, 9]])
    assert [item for item, _ in fused] == [3, 7, 9]
    assert fused[0][1] == 1 / 62 + 1 / 61
