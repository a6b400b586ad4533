"""all-MiniLM-L6-v2 by sentence-transformers, for the peers that bring no embedder of their own."""

from collections.abc import Sequence
from typing import Any

from sentence_transformers import SentenceTransformer

from bench.peers.peer import Passage, Vectors, minilm_folder


class MiniLM:
    def __init__(self) -> None:
        self._model = SentenceTransformer(minilm_folder(), device="cpu")

    def rows(self, passages: Sequence[Passage], vectors: Vectors | None) -> Any:
        """A row a passage: the given ones, or embedded."""
        return self.embed([passage.titled for passage in passages]) if vectors is None else vectors

    def embed(self, texts: Sequence[str]) -> Any:
        """Unit rows (n, dimension)."""
        return self._model.encode(
            list(texts), batch_size=32, normalize_embeddings=True, show_progress_bar=False
        )
