"""Pure: a reranker's scores and the fused ones become the order of the window."""

from collections.abc import Sequence
from dataclasses import replace

from search.types import Hit


def blended(hits: Sequence[Hit], scores: Sequence[float], *, blend: float) -> tuple[Hit, ...]:
    """The window in its new order. `blend` is the reranker's part: 0 leaves the fused order, 1 asks the reranker alone.

    Both are scaled to 0..1 over the window. The shown score stays within what the window's fused scores spanned, so
    that no hit from behind the window seems better than one of it.
    """
    fused = [hit.score for hit in hits]
    parts = zip(_scaled(scores), _scaled(fused), strict=True)
    shares = [blend * by_reranker + (1.0 - blend) * by_fusion for by_reranker, by_fusion in parts]
    lowest, span = min(fused), max(fused) - min(fused)
    order = sorted(range(len(hits)), key=lambda position: -shares[position])
    return tuple(
        replace(
            hits[position],
            score=lowest + shares[position] * span,
            scores=replace(hits[position].scores, rerank=scores[position]),
        )
        for position in order
    )


def _scaled(values: Sequence[float]) -> list[float]:
    lowest, span = min(values), max(values) - min(values)
    return [(value - lowest) / span if span > 0 else 0.0 for value in values]
