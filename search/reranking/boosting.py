"""Pure: LambdaMART in numpy: trees grown one after the other towards a better nDCG.

Source: Burges, "From RankNet to LambdaRank to LambdaMART" (2010). Small sets of judgements are what it is made for.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

from search.reranking.trees import Node, Trees, side_by_side

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]

_BINS = 32
_DIGITS = 6  # of what is stored, and so of what is grown
_MEASURED = 10  # nDCG@10
_NOWHERE = -1e9  # the score of a place that no hit fills


@dataclass(frozen=True, slots=True)
class Growth:
    """How trees are grown: each adds `step` of what it would take to mend the ranking of now."""

    trees: int = 100
    leaves: int = 5
    step: float = 0.05
    least_in_leaf: int = 40
    feature_share: float = 0.5
    query_share: float = 0.8
    regularisation: float = 5.0
    seed: int = 1


@dataclass(frozen=True, slots=True)
class JudgedHits:
    """One query: features of its hits, shape (hits, features), their grades and the scores to begin with, (hits,)."""

    rows: Floats
    grades: Floats
    start: Floats


def grow(
    queries: Sequence[JudgedHits], growth: Growth, *, progress: Callable[[float], None] = lambda share: None
) -> Trees:
    """Trees for these queries; those whose hits are all of one grade teach nothing and are left out."""
    teaching = [query for query in queries if query.grades.max() > query.grades.min()]
    if not teaching:
        return side_by_side([[Node()]], depth=0)
    table = _Table.of(teaching)
    chance = np.random.default_rng(growth.seed)
    standing = np.where(table.filled, 0.0, _NOWHERE)
    standing[table.filled] = np.concatenate([query.start for query in teaching])
    trees: list[list[Node]] = []
    for number in range(growth.trees):
        pull, stiffness = table.lambdas(standing)
        drawn = np.flatnonzero(chance.random(len(teaching))[table.query] < growth.query_share)
        count = max(1, round(growth.feature_share * table.rows.shape[1]))
        columns = np.sort(chance.choice(table.rows.shape[1], count, replace=False))
        grower = _Grower(table, growth, pull=pull, stiffness=stiffness, columns=columns)
        trees.append(grower.tree(drawn))
        standing[table.filled] += side_by_side([trees[-1]], depth=growth.leaves).score(table.rows)
        progress((number + 1) / growth.trees)
    return side_by_side(trees, depth=growth.leaves - 1)


@dataclass(frozen=True, slots=True)
class _Pairs:
    """Every two hits of a query of which one is better: their rows, their query, and what they differ in."""

    better: Integers
    worse: Integers
    query: Integers
    gain: Floats

    @classmethod
    def of(cls, grades: Floats, row: Integers) -> Self:
        """Of grades (queries, most hits), -1 where there is no hit; `row` says where each stands in the table."""
        query, better, worse = np.nonzero(
            (grades[:, :, None] > grades[:, None, :]) & (grades >= 0)[:, None, :]
        )
        difference = grades[query, better] - grades[query, worse]
        return cls(row[query, better], row[query, worse], query, difference / _best(grades)[query])


@dataclass(frozen=True, slots=True)
class _Table:
    """All queries' hits in one table, with each feature cut into bins at its quantiles."""

    rows: Floats
    query: Integers  # of each row
    filled: npt.NDArray[np.bool_]  # (queries, most hits): where there is a hit
    pairs: _Pairs
    codes: Integers
    edges: Sequence[Floats]

    @classmethod
    def of(cls, queries: Sequence[JudgedHits]) -> Self:
        lengths = np.array([len(query.grades) for query in queries])
        filled = np.arange(lengths.max())[None, :] < lengths[:, None]
        grades = np.full(filled.shape, -1.0)
        grades[filled] = np.concatenate([query.grades for query in queries])
        row = np.zeros(filled.shape, dtype=np.int64)
        row[filled] = np.arange(lengths.sum())
        rows = np.concatenate([query.rows for query in queries])
        edges = [_edges(column) for column in rows.T]
        codes = [np.searchsorted(cut, column) for cut, column in zip(edges, rows.T, strict=True)]
        query = np.repeat(np.arange(len(queries)), lengths)
        return cls(rows, query, filled, _Pairs.of(grades, row), np.column_stack(codes), edges)

    def lambdas(self, standing: Floats) -> tuple[Floats, Floats]:
        """How strongly each row is pulled up or down, and the second derivative, of this ranking."""
        order = np.argsort(-standing, axis=1, kind="stable")
        place = np.argsort(order, axis=1, kind="stable")[self.filled]
        discount, score = 1.0 / np.log2(place + 2.0), standing[self.filled]
        better, worse = self.pairs.better, self.pairs.worse
        change = np.abs(discount[better] - discount[worse]) * self.pairs.gain
        wrong = 1.0 / (1.0 + np.exp(np.clip(score[better] - score[worse], -30.0, 30.0)))
        pull = change * wrong
        total = np.bincount(self.pairs.query, pull, len(standing))
        # As LightGBM has it: a query's pull grows with the logarithm of its pairs', so that none drowns the others.
        scale = np.log2(1.0 + total) / np.maximum(total, 1e-12)
        pull *= scale[self.pairs.query]
        bend = pull * (1.0 - wrong)
        size = len(self.rows)
        up = np.bincount(better, pull, size) - np.bincount(worse, pull, size)
        stiffness = np.bincount(better, bend, size) + np.bincount(worse, bend, size)
        return up.astype(np.float64), stiffness.astype(np.float64)


def _edges(column: Floats) -> Floats:
    """Cuts between values that occur: a row's bin is the number of cuts below it."""
    values = np.unique(column)
    if len(values) > _BINS:
        values = np.unique(np.quantile(column, np.linspace(0, 1, _BINS), method="lower"))
    middles: Floats = (values[:-1] + values[1:]) / 2
    return middles


def _best(grades: Floats) -> Floats:
    """The discounted gain of each query's best order."""
    first = np.maximum(-np.sort(-grades, axis=1)[:, :_MEASURED], 0.0)
    ideal: Floats = (first / np.log2(np.arange(first.shape[1]) + 2.0)).sum(axis=1)
    return ideal


@dataclass(frozen=True, slots=True)
class _Split:
    gain: float
    column: int
    cut: int
    rows: Integers


class _Grower:
    """One tree, best split first, by the gain of Newton steps (as XGBoost has it)."""

    def __init__(
        self, table: _Table, growth: Growth, *, pull: Floats, stiffness: Floats, columns: Integers
    ) -> None:
        self._table, self._growth, self._columns = table, growth, columns
        self._pull, self._stiffness = pull, stiffness
        self._codes = table.codes[:, columns] + np.arange(len(columns)) * _BINS

    def tree(self, rows: Integers) -> list[Node]:
        nodes = [self._leaf(rows)]
        open_splits = {0: self._best_split(rows)}
        for _ in range(self._growth.leaves - 1):
            number = max(open_splits, key=lambda n: open_splits[n].gain)
            split = open_splits.pop(number)
            if split.gain <= 0:
                break
            goes_left = self._table.codes[split.rows, split.column] <= split.cut
            threshold = round(float(self._table.edges[split.column][split.cut]), _DIGITS)
            nodes[number] = Node(split.column, threshold, left=len(nodes))
            for side in (split.rows[goes_left], split.rows[~goes_left]):
                open_splits[len(nodes)] = self._best_split(side)
                nodes.append(self._leaf(side))
        return nodes

    def _leaf(self, rows: Integers) -> Node:
        growth = self._growth
        weight = self._stiffness[rows].sum() + growth.regularisation
        return Node(value=round(float(growth.step * self._pull[rows].sum() / weight), _DIGITS))

    def _best_split(self, rows: Integers) -> _Split:
        codes = self._codes[rows].ravel()
        size, width = len(self._columns) * _BINS, len(self._columns)
        pull, stiffness, count = (
            np.bincount(codes, weights, size).reshape(width, _BINS).cumsum(axis=1)
            for weights in (
                np.repeat(self._pull[rows], width),
                np.repeat(self._stiffness[rows], width),
                None,
            )
        )
        least, lam = self._growth.least_in_leaf, self._growth.regularisation
        all_pull, all_stiffness = pull[:, -1:], stiffness[:, -1:]
        gain = pull**2 / (stiffness + lam) + (all_pull - pull) ** 2 / (all_stiffness - stiffness + lam)
        gain -= all_pull**2 / (all_stiffness + lam)
        fits = (count >= least) & (len(rows) - count >= least)
        gain = np.where(fits, gain, 0.0)
        column, cut = divmod(int(gain.argmax()), _BINS)
        return _Split(float(gain[column, cut]), int(self._columns[column]), cut, rows)
