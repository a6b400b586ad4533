"""Embeds with onnxruntime and tokenizers alone; importing this brings no torch, so a web process stays small.

One session serves all threads, each with one core. The two tokenizers are set up once: one never cuts, the
other cuts queries.
"""

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Generic, TypeVar

import numpy as np
import numpy.typing as npt
import onnxruntime
from django.conf import settings
from tokenizers import Encoding, Tokenizer

from search.embeddings.batching import (
    Vector,
    Vectors,
    embed_in_batches,
    length_sorted_batches,
    refuse_too_long,
    unit_rows,
)
from search.embeddings.exported import EMBEDDER, GraphManifest, Precision, ensure_exported, log_progress
from search.embeddings.micro_batches import MicroBatches
from search.embeddings.model_folders import with_prompts

M = TypeVar("M", bound=GraphManifest)
ERRORS_ONLY = 3
_QUERIES_AT_ONCE = 16


class OnnxModel(Generic[M]):
    """An exported folder, loaded: token ids to sentence vectors or scores, whatever the graph ends in."""

    def __init__(self, folder: Path, manifest: M) -> None:
        self.manifest = manifest
        self.tokenizer = _tokenizer(folder)
        self.cutting_tokenizer = _tokenizer(folder)
        self.cutting_tokenizer.enable_truncation(manifest.max_tokens)
        self._session = onnxruntime.InferenceSession(
            folder / "model.onnx", _session_options(), providers=["CPUExecutionProvider"]
        )

    def run(self, encodings: Sequence[Encoding]) -> npt.NDArray[np.float32]:
        """What the graph gives for one batch, padded to its longest text: vectors (n, dimension), or scores (n,)."""
        width = max(len(encoding.ids) for encoding in encodings)
        inputs = {
            "input_ids": np.full((len(encodings), width), self.manifest.pad_id, dtype=np.int64),
            "attention_mask": np.zeros((len(encodings), width), dtype=np.int64),
            "token_type_ids": np.zeros((len(encodings), width), dtype=np.int64),
        }
        for row, encoding in enumerate(encodings):
            inputs["input_ids"][row, : len(encoding.ids)] = encoding.ids
            inputs["attention_mask"][row, : len(encoding.ids)] = 1
            inputs["token_type_ids"][row, : len(encoding.ids)] = encoding.type_ids
        vectors: npt.NDArray[np.float32] = self._session.run(
            None, {name: inputs[name] for name in self.manifest.inputs}
        )[0]
        return vectors


def _tokenizer(folder: Path) -> Tokenizer:
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer


def _session_options() -> onnxruntime.SessionOptions:
    """One core a run: batches on several cores at once were up to 1.8 times as fast as one batch on all of them."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = ERRORS_ONLY
    return options


@dataclass(kw_only=True)
class OnnxEmbedder:
    """The default embedder. `model` (hub name or folder) is exported once into `cache_dir` and checked.

    `cache_dir` and `threads` (batches of passages at once; 0: one a core) default to SEARCH_MODEL_CACHE_DIR and
    SEARCH_MODEL_THREADS. int8 rounds activations per batch, so a text's vector moves a little with the texts beside it.
    """

    cache_dir: Path | str | None = None
    model: str = "all-MiniLM-L6-v2"
    precision: Precision = "int8"
    threads: int | None = None
    batch_size: int = 32
    batch_tokens: int = (
        256  # more do not fit a core's cache: 8 texts of 196 tokens took a quarter longer each than 1
    )
    query_prompt: str = ""
    passage_prompt: str = ""
    report: Callable[[str], None] = log_progress

    def __post_init__(self) -> None:
        cache_dir = Path(self.cache_dir or settings.SEARCH_MODEL_CACHE_DIR)
        threads = settings.SEARCH_MODEL_THREADS if self.threads is None else self.threads
        exported = ensure_exported(
            self.model,
            precision=self.precision,
            cache_dir=cache_dir,
            exporter=EMBEDDER,
            report=self.report,
        )
        self._model = OnnxModel(exported.folder, exported.manifest)
        self._pool = ThreadPoolExecutor(threads or os.cpu_count(), thread_name_prefix="embed")
        self._queries: MicroBatches[str, Vector] = MicroBatches(self._embed_queries, size=_QUERIES_AT_ONCE)
        self.manifest = exported.manifest
        self.variant = with_prompts(exported.variant, self.query_prompt, self.passage_prompt)
        self.dimension = exported.manifest.dimension
        self.max_tokens = exported.manifest.max_tokens

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        return [len(encoding) for encoding in self._encode(texts)]

    def _encode(self, passages: Sequence[str]) -> list[Encoding]:
        """Without offsets in the text, which nobody asks for."""
        return self._model.tokenizer.encode_batch_fast([self.passage_prompt + text for text in passages])

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        encodings = self._encode(texts)
        counts = [len(encoding.ids) for encoding in encodings]
        refuse_too_long(counts, self.max_tokens)
        batches = length_sorted_batches(counts, size=self.batch_size, budget=self.batch_tokens)
        return embed_in_batches(
            batches,
            lambda positions: self._model.run([encodings[p] for p in positions]),
            dimension=self.dimension,
            map_batches=self._pool.map,
        )

    def embed_query(self, text: str) -> Vector:
        return self._queries(text)

    def _embed_queries(self, texts: Sequence[str]) -> Vectors:
        encodings = self._model.cutting_tokenizer.encode_batch_fast(
            [self.query_prompt + text for text in texts]
        )
        return unit_rows(self._model.run(encodings), dimension=self.dimension)

    def close(self) -> None:
        """Nothing is held that outlives the object: an executor's threads end with it."""
