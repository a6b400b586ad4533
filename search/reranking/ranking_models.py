"""Pure: a learned ranking: the fused order and what trees add to it. Kept as JSON, asked with numpy alone."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from search.exceptions import RerankUnavailable
from search.reranking.features import BASE, FEATURES_VERSION
from search.reranking.trees import Trees

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class RankingModel:
    """score = `start` × the fused score's spread + the trees. Higher is better; nothing absolute is said by it."""

    start: float
    trees: Trees

    def score(self, rows: Floats) -> Floats:
        """Of the rows that search.reranking.features makes, shape (n, features): shape (n,)."""
        total: Floats = self.start * rows[:, BASE] + self.trees.score(rows)
        return total

    def with_more(self, trees: Trees) -> Self:
        return type(self)(self.start, self.trees + trees)

    def to_json(self) -> dict[str, Any]:
        return {"features": FEATURES_VERSION, "start": self.start, "trees": self.trees.to_json()}

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> Self:
        """Raises RerankUnavailable for a model of other features than those of now."""
        if stored["features"] != FEATURES_VERSION:
            raise RerankUnavailable(
                f"model: trained on version {stored['features']} of the features,"
                f" not {FEATURES_VERSION}: train it again"
            )
        return cls(float(stored["start"]), Trees.from_json(stored["trees"]))
