"""Pure: what the rounds of a comparison add up to. A figure is the median of the rounds, with its least and most."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median


@dataclass(frozen=True, slots=True)
class Block:
    """Some searches of one system in one round. CPU seconds are of its own processes, and of the engine beside them."""

    requests: int
    requests_per_second: float
    p50_ms: float
    p95_ms: float
    own_cpu_seconds: float
    engine_cpu_seconds: float


def spread(values: Sequence[float], *, digits: int = 1) -> dict[str, float]:
    """Median, least and most."""
    named = {"median": median(values), "min": min(values), "max": max(values)}
    return {name: round(value, digits) for name, value in named.items()}


def summary(blocks: Sequence[Block]) -> dict[str, dict[str, float]]:
    return {
        "requests_per_second": spread([block.requests_per_second for block in blocks]),
        "p50_ms": spread([block.p50_ms for block in blocks]),
        "p95_ms": spread([block.p95_ms for block in blocks]),
        "own_cpu_ms": spread([block.own_cpu_seconds / block.requests * 1000 for block in blocks]),
        "engine_cpu_ms": spread([block.engine_cpu_seconds / block.requests * 1000 for block in blocks]),
    }


def ratios(of: Sequence[float], to: Sequence[float]) -> dict[str, float]:
    """`of` divided by `to`, round by round: what a busy moment does to both cancels out."""
    return spread([one / other for one, other in zip(of, to, strict=True)], digits=2)


def near_best(ndcg: Mapping[str, float], *, within: float) -> list[str]:
    """The systems whose mean nDCG is within a share of the best: only their speed counts."""
    best = max(ndcg.values())
    return sorted(name for name, value in ndcg.items() if value >= best * (1 - within))
