"""Pure: gradient-boosted trees as plain arrays, scored with numpy alone. No learning library is needed to ask them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.int64]
LEAF = -1


@dataclass(frozen=True, slots=True)
class Trees:
    """Trees side by side, shape (trees, nodes): node 0 is a root; `feature` is LEAF where `value` counts.

    A row goes to node `left` where its feature is at most `threshold`, else to the next one. `depth`: steps from any
    root to any leaf at most.
    """

    feature: Integers
    threshold: Floats
    left: Integers
    value: Floats
    depth: int

    def score(self, rows: Floats) -> Floats:
        """The sum of the leaves that each row (n, features) falls into: shape (n,)."""
        total: Floats = self.leaves(rows).sum(axis=1)
        return total

    def leaves(self, rows: Floats) -> Floats:
        """The leaf of each tree that each row falls into: shape (n, trees)."""
        trees = np.arange(len(self.feature))[None, :]
        row = np.arange(len(rows))[:, None]
        node = np.zeros((len(rows), len(self.feature)), dtype=np.int64)
        for _ in range(self.depth):
            feature = self.feature[trees, node]
            is_left = rows[row, feature] <= self.threshold[trees, node]
            below = self.left[trees, node] + ~is_left
            node = np.where(feature == LEAF, node, below)
        values: Floats = self.value[trees, node]
        return values

    def first(self, count: int) -> "Trees":
        columns = ("feature", "threshold", "left", "value")
        return Trees(**{name: getattr(self, name)[:count] for name in columns}, depth=self.depth)

    def __add__(self, other: "Trees") -> "Trees":
        """Both sets side by side: scores add up."""
        width = max(self.feature.shape[1], other.feature.shape[1])
        first, second = self._widened(width), other._widened(width)
        columns = ("feature", "threshold", "left", "value")
        joined = {name: np.vstack([getattr(first, name), getattr(second, name)]) for name in columns}
        return Trees(**joined, depth=max(self.depth, other.depth))

    def _widened(self, width: int) -> "Trees":
        """With more leaves that nothing reaches."""
        more = ((0, 0), (0, width - self.feature.shape[1]))
        filled = {name: np.pad(getattr(self, name), more) for name in ("threshold", "left", "value")}
        return Trees(feature=np.pad(self.feature, more, constant_values=LEAF), **filled, depth=self.depth)

    def to_json(self) -> dict[str, Any]:
        return {
            "feature": self.feature.tolist(),
            "threshold": self.threshold.tolist(),
            "left": self.left.tolist(),
            "value": self.value.tolist(),
            "depth": self.depth,
        }

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        whole, real = np.int64, np.float64
        return cls(
            feature=np.asarray(stored["feature"], dtype=whole),
            threshold=np.asarray(stored["threshold"], dtype=real),
            left=np.asarray(stored["left"], dtype=whole),
            value=np.asarray(stored["value"], dtype=real),
            depth=int(stored["depth"]),
        )


@dataclass(frozen=True, slots=True)
class Node:
    """A node while a tree grows."""

    feature: int = LEAF
    threshold: float = 0.0
    left: int = 0
    value: float = 0.0


def side_by_side(trees: Sequence[Sequence[Node]], *, depth: int) -> Trees:
    """Grown trees as arrays, filled up with leaves that nothing reaches."""
    width = max(map(len, trees), default=1)
    rows = [[*tree, *[Node()] * (width - len(tree))] for tree in trees]

    def array(name: str, kind: Any) -> Any:
        return np.asarray([[getattr(node, name) for node in row] for row in rows], dtype=kind)

    return Trees(
        feature=array("feature", np.int64),
        threshold=array("threshold", np.float64),
        left=array("left", np.int64),
        value=array("value", np.float64),
        depth=depth,
    )
