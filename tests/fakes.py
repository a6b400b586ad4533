"""Fakes that stand in for models in tests: deterministic, instant, and never a proof of quality."""

import hashlib
import re
import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from search.embeddings.batching import Vector, Vectors, refuse_too_long, unit_rows
from search.reranking.deadlines import Deadline
from search.reranking.pairs import passage
from search.types import Hit

WORD = re.compile(r"\w+")
SPECIAL_TOKENS = 2


def words(text: str) -> list[str]:
    return WORD.findall(text.lower())


@dataclass(kw_only=True)
class FakeEmbedder:
    """Hashed bags of words as unit vectors: texts that share words are near. A word is a token."""

    dimension: int = 32
    max_tokens: int = 256
    variant: str = "fake-bag-of-words@1"

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(words(text)) + SPECIAL_TOKENS for text in texts]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        refuse_too_long(self.count_tokens(texts), self.max_tokens)
        return self._vectors([words(text) for text in texts])

    def embed_query(self, text: str) -> Vector:
        vector: Vector = self._vectors([words(text)[: self.max_tokens - SPECIAL_TOKENS]])[0]
        return vector

    def _vectors(self, bags: Sequence[list[str]]) -> Vectors:
        rows = np.zeros((len(bags), self.dimension), dtype=np.float32)
        for row, bag in zip(rows, bags, strict=True):
            for word in bag or ["(nothing)"]:
                digest = hashlib.sha256(word.encode()).digest()
                row[int.from_bytes(digest[:4], "big") % self.dimension] += 1.0
        return unit_rows(rows, dimension=self.dimension)

    def close(self) -> None:
        pass


@dataclass(kw_only=True)
class FakeReranker:
    """Scores by the share of the query's words that a passage holds; `seconds_per_passage` makes it slow."""

    name: str = "fake-word-overlap"
    seconds_per_passage: float = 0.0

    def rerank(self, query: str, hits: Sequence[Hit], *, deadline_seconds: float) -> list[float]:
        deadline = Deadline(deadline_seconds, len(hits))
        wanted = set(words(query))
        scores: list[float] = []
        for hit in hits:
            deadline.remaining(done=len(scores))
            time.sleep(self.seconds_per_passage)
            scores.append(len(wanted & set(words(passage(hit)))) / max(len(wanted), 1))
        return scores

    def close(self) -> None:
        pass
