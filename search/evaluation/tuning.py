"""Pure: the best fusion by judged queries, where what is shown is never of a query that was tuned on.

The queries are halved. What is best on one half is shown on the other, and the other way round.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from hashlib import sha256

import numpy as np

from search.evaluation.fusing import LegScores, ranking
from search.evaluation.measures import Judgements, measure
from search.evaluation.significance import Comparison, compare
from search.fusion import Floats
from search.pipelines import FusionSpec
from search.types import Fusion

LEAST_QUERIES = 10
_STEPS = 20  # of the vector's weight, from 0 to 1
_RANK_CONSTANTS = (10, 60)
_ALIKE = 1e-6


@dataclass(frozen=True, slots=True)
class TunedQuery:
    """A judged query with what the legs found for it, and how they are fused for it now: weights go by language."""

    public_id: str
    legs: LegScores
    judgements: Judgements
    now: FusionSpec


@dataclass(frozen=True, slots=True)
class Tuned:
    """What was found. `held_out` sets the choice of the other half against what there is now, on each query once;
    `best` is the choice by all queries, and its figure in `curve` is therefore too good. `baseline` is the fusion that
    most queries have now.
    """

    baseline: FusionSpec
    best: FusionSpec
    halves: tuple[FusionSpec, FusionSpec]
    held_out: Comparison
    curve: Mapping[FusionSpec, float]


def fusions(baseline: FusionSpec) -> list[FusionSpec]:
    """All that are tried: each technique with each weight of meaning in steps of .05, and what there is now."""
    forms = [
        replace(baseline, technique=Fusion.MIN_MAX),
        replace(baseline, technique=Fusion.Z_SCORE),
        *(replace(baseline, technique=Fusion.RRF, rank_constant=constant) for constant in _RANK_CONSTANTS),
    ]
    tried = [
        replace(form, vector_weight=round(step / _STEPS, 4)) for form in forms for step in range(_STEPS + 1)
    ]
    return list(dict.fromkeys((baseline, *tried)))


def tune(queries: Sequence[TunedQuery], *, name: str) -> Tuned:
    """The best of the fusions by a measure's mean. Raises ValueError for fewer than ten queries."""
    if len(queries) < LEAST_QUERIES:
        raise ValueError(
            f"{len(queries)} judged queries are too few to tune on: {LEAST_QUERIES} are the least."
        )
    baseline, _ = Counter(query.now for query in queries).most_common(1)[0]
    specs = fusions(baseline)
    now = np.array([measure(name, ranking(query.legs, query.now), query.judgements) for query in queries])
    values = _values(queries, specs, name)
    first, second = halves([query.public_id for query in queries])
    by_first, by_second = (_best(values[:, half], specs, baseline) for half in (first, second))
    shown = np.empty_like(now)
    shown[second] = values[specs.index(by_first), second]
    shown[first] = values[specs.index(by_second), first]
    return Tuned(
        baseline=baseline,
        best=_best(values, specs, baseline),
        halves=(by_first, by_second),
        held_out=compare(_named(queries, now), _named(queries, shown)),
        curve={spec: float(mean) for spec, mean in zip(specs, values.mean(axis=1), strict=True)},
    )


def halves(names: Sequence[str]) -> tuple[list[int], list[int]]:
    """Positions of two halves, by the hash of the names: the same names are always halved alike."""
    order = by_hash(names)
    return sorted(order[::2]), sorted(order[1::2])


def by_hash(names: Sequence[str]) -> list[int]:
    """Positions in an order that looks like chance and is always the same for the same names."""
    return sorted(range(len(names)), key=lambda position: sha256(names[position].encode()).hexdigest())


def _values(queries: Sequence[TunedQuery], specs: Sequence[FusionSpec], name: str) -> Floats:
    """The measure of each fusion (rows) on each query (columns)."""
    return np.array(
        [[measure(name, ranking(query.legs, spec), query.judgements) for query in queries] for spec in specs]
    )


def _best(values: Floats, specs: Sequence[FusionSpec], baseline: FusionSpec) -> FusionSpec:
    """The highest mean; among equals the one nearest to what there is now."""
    means = values.mean(axis=1)
    alike = [spec for spec, mean in zip(specs, means, strict=True) if mean >= means.max() - _ALIKE]
    return min(
        alike,
        key=lambda spec: (
            spec.technique is not baseline.technique,
            abs(spec.vector_weight - baseline.vector_weight),
        ),
    )


def _named(queries: Sequence[TunedQuery], values: Floats) -> dict[str, float]:
    return dict(zip((query.public_id for query in queries), values.tolist(), strict=True))
