"""Pure: whether one run is better than another over the same queries, or only looks so.

Queries are paired. What chance decides is drawn from a fixed seed: equal runs compare equally.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from math import sqrt
from typing import Any

import numpy as np

Values = np.ndarray[Any, np.dtype[np.float64]]
TIE = 1e-9
LEVEL = 0.05
_DRAWS = 10_000
_EXACT = 13  # 2^13 sign flips are fewer than the draws: they are all tried
_CELLS = 2_000_000  # of one block of draws: 16 MB
_SEED = 20_260_101


@dataclass(frozen=True)
class Comparison:
    """A second run against a first: per query second − first, and what the mean of it is worth.

    `p` is of the sign-flip test, `p_t` of the paired t-test, both two-sided; `low` and `high` bound the mean
    difference at 95 % (bootstrap over queries); `effect` is Cohen's d of the differences.
    """

    differences: Mapping[str, float]
    first: float
    second: float
    p: float
    p_t: float
    effect: float
    low: float
    high: float

    @property
    def difference(self) -> float:
        return self.second - self.first

    @cached_property
    def gains(self) -> dict[str, float]:
        """Queries that gained, the greatest gain first."""
        gained = [(query, value) for query, value in self.differences.items() if value > TIE]
        return dict(sorted(gained, key=lambda item: -item[1]))

    @cached_property
    def losses(self) -> dict[str, float]:
        """Queries that lost, the greatest loss first."""
        lost = [(query, value) for query, value in self.differences.items() if value < -TIE]
        return dict(sorted(lost, key=lambda item: item[1]))

    @property
    def ties(self) -> int:
        return len(self.differences) - len(self.gains) - len(self.losses)

    def is_significantly_worse(self, *, level: float = LEVEL) -> bool:
        """One-sided: whether chance alone would seldom make the second look this much worse."""
        return self.difference < -TIE and self.p / 2 < level

    def is_significantly_better(self, *, level: float = LEVEL) -> bool:
        return self.difference > TIE and self.p / 2 < level


def compare(first: Mapping[str, float], second: Mapping[str, float]) -> Comparison:
    """Compare a measure's values by query. Only queries of both count. Raises ValueError when there is none."""
    shared = [query for query in first if query in second]
    if not shared:
        raise ValueError("The two runs have no query in common.")
    before = np.array([first[query] for query in shared])
    after = np.array([second[query] for query in shared])
    differences = after - before
    low, high = bootstrap_interval(differences)
    return Comparison(
        differences=dict(zip(shared, differences.tolist(), strict=True)),
        first=float(before.mean()),
        second=float(after.mean()),
        p=sign_flip_p(differences),
        p_t=paired_t_p(differences),
        effect=effect_size(differences),
        low=low,
        high=high,
    )


def sign_flip_p(differences: Values) -> float:
    """Two-sided p of Fisher's randomization test: were the runs equal, each sign could as well be the other.

    Exact for up to 13 queries, else from 10,000 draws, the observed one counted with them.
    Source: Smucker, Allan and Carterette, CIKM 2007.
    """
    observed = abs(differences.sum()) - 1e-12
    if len(differences) <= _EXACT:
        flips = np.arange(2 ** len(differences))[:, None] >> np.arange(len(differences)) & 1
        return float((np.abs((1 - 2 * flips) @ differences) >= observed).mean())
    extreme = sum(
        int((np.abs(block @ differences) >= observed).sum())
        for block in _draws(len(differences), lambda rng, shape: 1 - 2 * rng.integers(0, 2, shape, np.int8))
    )
    return (extreme + 1) / (_DRAWS + 1)


def paired_t_p(differences: Values) -> float:
    """Two-sided p of Student's paired t-test; 1 where all differences are the same and none."""
    from scipy.special import stdtr  # 26 MiB, which a web process that compares nothing need not have

    count = len(differences)
    deviation = float(differences.std(ddof=1)) if count > 1 else 0.0
    mean = float(differences.mean())
    if deviation == 0.0:
        return 1.0 if mean == 0.0 or count < 2 else 0.0
    return float(2.0 * stdtr(count - 1, -abs(mean) / (deviation / sqrt(count))))


def effect_size(differences: Values) -> float:
    """Cohen's d of paired differences: their mean in standard deviations; 0 where they do not differ."""
    deviation = float(differences.std(ddof=1)) if len(differences) > 1 else 0.0
    return float(differences.mean()) / deviation if deviation else 0.0


def bootstrap_interval(differences: Values) -> tuple[float, float]:
    """The middle 95 % of the mean over 10,000 sets of queries drawn with replacement (percentile bootstrap)."""
    count = len(differences)
    draws = _draws(count, lambda rng, shape: rng.integers(0, count, shape))
    means = np.concatenate([differences[block].mean(axis=1) for block in draws])
    low, high = np.percentile(means, [2.5, 97.5])
    return float(low), float(high)


def _draws(count: int, draw: Callable[[np.random.Generator, tuple[int, int]], Any]) -> Iterator[Any]:
    """10,000 rows of `count` draws, in blocks of bounded memory."""
    rng = np.random.default_rng(_SEED)
    rows = max(1, _CELLS // count)
    for start in range(0, _DRAWS, rows):
        yield draw(rng, (min(rows, _DRAWS - start), count))
