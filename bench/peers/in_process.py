"""faiss and bm25s in one process, fused by rank: what one writes in an afternoon for a corpus that fits memory."""

from collections.abc import Sequence
from typing import Any

import bm25s
import faiss
import numpy as np
import Stemmer

from bench.peers.fusion import reciprocal_ranks
from bench.peers.minilm import MiniLM
from bench.peers.peer import DIMENSION, LEG_DEPTH, Found, Passage, Place, Vectors

_NEIGHBOURS, _EF_SEARCH, _EF_CONSTRUCTION = 16, 100, 100


class InProcess:
    def __init__(self, place: Place) -> None:
        self._model = MiniLM()
        self._stemmer = Stemmer.Stemmer("english")
        self._vectors = faiss.IndexHNSWFlat(DIMENSION, _NEIGHBOURS, faiss.METRIC_INNER_PRODUCT)
        self._vectors.hnsw.efConstruction, self._vectors.hnsw.efSearch = _EF_CONSTRUCTION, _EF_SEARCH
        self._words = bm25s.BM25(k1=0.9, b=0.4)
        self._passages: list[Passage] = []

    def load(self, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        rows = self._model.rows(passages, vectors)
        self._vectors.add(np.ascontiguousarray(rows, dtype=np.float32))
        self._passages.extend(passages)

    def finish(self) -> None:
        """bm25s builds its whole index at once."""
        self._words.index(self._tokens([passage.titled for passage in self._passages]), show_progress=False)

    def _tokens(self, texts: list[str]) -> Any:
        return bm25s.tokenize(texts, stopwords="en", stemmer=self._stemmer, show_progress=False)

    def embed(self, query: str) -> Any:
        return self._model.embed([query])

    def search(self, query: str, vector: Any | None, *, top_k: int) -> list[Found]:
        row = self.embed(query) if vector is None else vector
        near = [int(position) for position in self._vectors.search(row, LEG_DEPTH)[1][0] if position >= 0]
        depth = min(LEG_DEPTH, len(self._passages))
        positions, scores = self._words.retrieve(
            self._tokens([query]), k=depth, show_progress=False, n_threads=0
        )
        worded = [int(p) for p, score in zip(positions[0], scores[0], strict=True) if score > 0]
        fused = reciprocal_ranks([worded, near])[:top_k]
        return [
            Found(self._passages[position].id, self._passages[position].titled, score)
            for position, score in fused
        ]

    def close(self) -> None:
        """Nothing is stored outside of the process."""
