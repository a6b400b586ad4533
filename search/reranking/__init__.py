"""Rerankers: the Protocol. Which one there is stands in `choice`; each adapter is a module.

A reranker scores all hits within its deadline or raises; the caller then keeps the fused order.
"""

from collections.abc import Sequence
from typing import Protocol

from search.types import Hit


class Reranker(Protocol):
    """What scores hits against a query. Safe to use from several threads."""

    @property
    def name(self) -> str: ...

    def rerank(self, query: str, hits: Sequence[Hit], *, deadline_seconds: float) -> list[float]:
        """A score for each hit, in the order given, higher is better. Raises RerankUnavailable."""
        ...

    def close(self) -> None:
        """Gives connections back. May be called twice."""
        ...
