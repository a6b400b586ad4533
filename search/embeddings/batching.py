"""Pure: which texts go through the model together, and their vectors back in the order given.

Texts of like length share a batch, whatever document they come from, so that little is spent on padding.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from search.exceptions import EmbeddingUnavailable, InputTooLong

Vector = npt.NDArray[np.float32]
Vectors = npt.NDArray[np.float32]


def refuse_too_long(counts: Sequence[int], max_tokens: int) -> None:
    """Raises InputTooLong if any text is longer than the window: a passage is never cut."""
    longest = max(counts, default=0)
    if longest > max_tokens:
        over = sum(count > max_tokens for count in counts)
        raise InputTooLong(
            f"{over} of {len(counts)} passages exceed the window of {max_tokens} tokens (longest {longest})."
        )


def length_sorted_batches(lengths: Sequence[int], *, size: int, budget: int | None = None) -> list[list[int]]:
    """Positions in batches of at most `size` texts and, if given, `budget` tokens, longest first.

    Longest first: memory is taken once, and lack of it shows at once.
    A text longer than the budget gets a batch of its own.
    """
    batches: list[list[int]] = []
    used = 0
    for position in sorted(range(len(lengths)), key=lambda p: (-lengths[p], p)):
        full = not batches or len(batches[-1]) == size
        if full or (budget is not None and used + lengths[position] > budget):
            batches.append([])
            used = 0
        batches[-1].append(position)
        used += lengths[position]
    return batches


def embed_in_batches(
    batches: Sequence[Sequence[int]],
    embed: Callable[[Sequence[int]], npt.NDArray[Any]],
    *,
    dimension: int,
    map_batches: Callable[..., Iterable[npt.NDArray[Any]]] = map,
) -> Vectors:
    """Vectors (n, dimension) of all positions; `embed` is called with each batch's positions.

    `map_batches` may call it from several threads at once, as an executor's `map` does.
    """
    vectors = np.empty((sum(map(len, batches)), dimension), dtype=np.float32)
    for positions, rows in zip(batches, map_batches(embed, batches), strict=True):
        vectors[list(positions)] = unit_rows(rows, dimension=dimension)
    return vectors


def unit_rows(vectors: npt.NDArray[Any], *, dimension: int) -> Vectors:
    """Rows scaled to length 1. A wrong dimension, a zero or a NaN is a broken model."""
    rows = np.asarray(vectors, dtype=np.float32)
    if rows.ndim != 2 or rows.shape[1] != dimension:
        raise EmbeddingUnavailable(
            f"The model gave vectors of {rows.shape[-1]} dimensions where {dimension} are expected."
        )
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    if not (np.isfinite(norms).all() and (norms > 0).all()):
        raise EmbeddingUnavailable("The model gave a vector that is zero or not finite.")
    return np.asarray(rows / norms, dtype=np.float32)
