"""A CrossEncoder of sentence-transformers, in torch: for models that can not be exported to ONNX."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from search.exceptions import RerankUnavailable
from search.reranking.deadlines import Deadline
from search.reranking.pairs import passage, refuse_long_query
from search.types import Hit


@dataclass(kw_only=True)
class CrossEncoderReranker:
    """A CrossEncoder by hub name or folder. Pairs are cut to `max_length` tokens, at the passage's end."""

    model: str
    device: str = "cpu"
    batch_size: int = 8
    max_length: int = 512

    def __post_init__(self) -> None:
        self.name = Path(self.model).name
        self._encoder = _load(self.model, device=self.device, max_length=self.max_length)
        self._lock = threading.Lock()

    def rerank(self, query: str, hits: Sequence[Hit], *, deadline_seconds: float) -> list[float]:
        """The deadline is checked before each batch, so it is passed by one batch at most."""
        deadline = Deadline(deadline_seconds, len(hits))
        scores: list[float] = []
        while len(scores) < len(hits):
            batch = [(query, passage(hit)) for hit in hits[len(scores) : len(scores) + self.batch_size]]
            # The tokenizer keeps its settings between calls: one batch at a time. Waiting counts as well.
            if not self._lock.acquire(timeout=deadline.remaining(done=len(scores))):
                raise deadline.passed(done=len(scores))
            try:
                if not scores:
                    tokens = len(self._encoder.tokenizer(query)["input_ids"])
                    refuse_long_query(tokens, window=self.max_length)
                scores += self._score(batch)
            finally:
                self._lock.release()
        return scores

    def close(self) -> None:
        """Nothing is held that outlives the object."""

    def _score(self, pairs: list[tuple[str, str]]) -> list[float]:
        cut = {"text": {"truncation": "only_second"}}
        try:
            scores = self._encoder.predict(
                pairs, batch_size=len(pairs), show_progress_bar=False, processing_kwargs=cut
            )
        except RuntimeError as error:
            raise RerankUnavailable(f"model: {self.name} failed: {error}") from error
        return [float(score) for score in scores]


def _load(model: str, *, device: str, max_length: int) -> Any:
    from sentence_transformers import CrossEncoder

    try:
        encoder = CrossEncoder(model, device=device, max_length=max_length)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise RerankUnavailable(f"model: {model} can't be loaded: {error}") from error
    if encoder.num_labels != 1:
        raise RerankUnavailable(
            f"model: {model} gives {encoder.num_labels} scores a pair; a reranker gives one"
        )
    return encoder
