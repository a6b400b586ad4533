"""A cross-encoder by onnxruntime and tokenizers alone: exported once from its folder; no torch in this process.

Pairs of like length share a small batch, and batches run on several cores at once.
"""

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings
from tokenizers import Encoding

from search.embeddings.batching import length_sorted_batches
from search.embeddings.exported import Exporter, GraphManifest, Precision, ensure_exported, log_progress
from search.embeddings.onnx import OnnxModel
from search.exceptions import EmbeddingUnavailable, RerankUnavailable
from search.reranking.deadlines import Deadline
from search.reranking.pairs import passage, refuse_long_query
from search.types import Hit


@dataclass(frozen=True, kw_only=True)
class CrossEncoderManifest(GraphManifest):
    """`furthest`: the largest distance of a score from the fp32 torch model's, in standard deviations of those."""

    furthest: float


CROSS_ENCODER = Exporter("search.reranking.export", CrossEncoderManifest)


@dataclass(kw_only=True)
class OnnxReranker:
    """`model` (hub name or folder of a CrossEncoder) is exported once into `cache_dir` and checked.

    `threads`: batches at once; 0: one a core. A pair is cut to `max_length` tokens, at the passage's end.
    """

    model: str
    precision: Precision = "int8"
    cache_dir: Path | str | None = None
    threads: int = 0
    batch_size: int = 8
    batch_tokens: int = 512
    max_length: int = 512
    report: Callable[[str], None] = log_progress

    def __post_init__(self) -> None:
        try:
            exported = ensure_exported(
                self.model,
                precision=self.precision,
                cache_dir=Path(self.cache_dir or settings.SEARCH_MODEL_CACHE_DIR),
                exporter=CROSS_ENCODER,
                report=self.report,
            )
        except EmbeddingUnavailable as error:
            raise RerankUnavailable(f"model: {error.detail}") from error
        self.name = exported.variant
        self._model = OnnxModel(exported.folder, exported.manifest)
        self._window = min(self.max_length, exported.manifest.max_tokens)
        self._model.cutting_tokenizer.enable_truncation(self._window, strategy="only_second")
        self._pool = ThreadPoolExecutor(self.threads or os.cpu_count(), thread_name_prefix="rerank")

    def rerank(self, query: str, hits: Sequence[Hit], *, deadline_seconds: float) -> list[float]:
        """The deadline is checked before each batch; those that have begun then end unheard."""
        deadline = Deadline(deadline_seconds, len(hits))
        refuse_long_query(len(self._model.tokenizer.encode(query).ids), window=self._window)
        encodings = self._model.cutting_tokenizer.encode_batch_fast([(query, passage(hit)) for hit in hits])
        lengths = [len(encoding.ids) for encoding in encodings]
        batches = length_sorted_batches(lengths, size=self.batch_size, budget=self.batch_tokens)
        scoring = _Scoring(self._model, encodings, deadline)
        scores = [0.0] * len(hits)
        for positions, found in zip(batches, self._pool.map(scoring.score, batches), strict=True):
            for position, score in zip(positions, found, strict=True):
                scores[position] = score
        return scores

    def close(self) -> None:
        """Nothing is held that outlives the object: an executor's threads end with it."""


class _Scoring:
    """One query's batches, from several threads; knows how many pairs are done."""

    def __init__(
        self, model: OnnxModel[CrossEncoderManifest], encodings: Sequence[Encoding], deadline: Deadline
    ) -> None:
        self._model, self._encodings, self._deadline = model, encodings, deadline
        self._lock = threading.Lock()
        self._done = 0

    def score(self, positions: Sequence[int]) -> list[float]:
        self._deadline.remaining(done=self._done)
        scores = [float(score) for score in self._model.run([self._encodings[p] for p in positions])]
        with self._lock:
            self._done += len(scores)
        return scores
