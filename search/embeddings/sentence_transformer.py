"""Embeds with sentence-transformers: any model of the hub, or a folder. Torch is imported at the first build.

The tokenizer keeps its settings between calls, so one lock stands around each batch.
"""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from search.embeddings.batching import (
    Vector,
    Vectors,
    embed_in_batches,
    length_sorted_batches,
    refuse_too_long,
    unit_rows,
)
from search.embeddings.model_folders import resolve_model, variant_name, weights_sha256, with_prompts
from search.exceptions import EmbeddingUnavailable


@dataclass(kw_only=True)
class SentenceTransformerEmbedder:
    """`threads` (of torch, in the whole process; 0 leaves them) defaults to SEARCH_MODEL_THREADS."""

    model: str = "all-MiniLM-L6-v2"
    device: str = "cpu"
    threads: int | None = None
    batch_size: int = 16
    query_prompt: str = ""
    passage_prompt: str = ""

    def __post_init__(self) -> None:
        folder = resolve_model(self.model)
        threads = settings.SEARCH_MODEL_THREADS if self.threads is None else self.threads
        self._model = _load(str(folder), device=self.device, threads=threads)
        self._lock = threading.Lock()
        precision = str(next(self._model.parameters()).dtype).removeprefix("torch.")
        variant = variant_name(self.model, kind=f"{precision}-torch", revision=weights_sha256(folder))
        self.variant = with_prompts(variant, self.query_prompt, self.passage_prompt)
        self.dimension = int(self._model.get_embedding_dimension())
        self.max_tokens = int(self._model.max_seq_length)

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if not texts:
            return []
        with self._lock:
            ids = self._model.tokenizer(
                [self.passage_prompt + text for text in texts], truncation=False, padding=False, verbose=False
            )["input_ids"]
        return [len(tokens) for tokens in ids]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        counts = self.count_tokens(texts)
        refuse_too_long(counts, self.max_tokens)
        batches = length_sorted_batches(counts, size=self.batch_size)
        return embed_in_batches(
            batches,
            lambda positions: self._encode([texts[p] for p in positions], prompt=self.passage_prompt),
            dimension=self.dimension,
        )

    def embed_query(self, text: str) -> Vector:
        vector: Vector = unit_rows(self._encode([text], prompt=self.query_prompt), dimension=self.dimension)[
            0
        ]
        return vector

    def _encode(self, texts: list[str], *, prompt: str) -> Any:
        with self._lock:
            return self._model.encode(texts, prompt=prompt, batch_size=len(texts), show_progress_bar=False)

    def close(self) -> None:
        """Nothing is held that outlives the object."""


def _load(folder: str, *, device: str, threads: int) -> Any:
    import torch
    from sentence_transformers import SentenceTransformer

    if threads:
        torch.set_num_threads(threads)
    try:
        return SentenceTransformer(folder, device=device, local_files_only=True)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise EmbeddingUnavailable(f"sentence-transformers can't load {folder}: {error}") from error
