"""Vectors of a corpus's passages, made once for a corpus, a count and a model, and kept beside the data."""

from itertools import islice
from pathlib import Path

import numpy as np
from django.conf import settings

from search.embeddings import Vectors
from search.embeddings.onnx import OnnxEmbedder
from search.evaluation.datasets import Passage, read_passages

_CUT_SHARE = 0.95


def titled(passage: Passage) -> str:
    """What is embedded of a passage that is a document of one chunk."""
    text = passage.text or passage.title
    return f"{passage.title}\n{text}" if passage.title else text


def given_vectors(corpus: Path, count: int, embedder: OnnxEmbedder) -> Path:
    """A .npy file with a vector a passage, (count, dimension)."""
    folder = settings.PATHS.data / "bench-vectors"
    folder.mkdir(parents=True, exist_ok=True)
    path: Path = folder / f"{corpus.parent.name}-{corpus.stem}-{count}-{embedder.variant}.npy"
    if not path.exists():
        texts = [titled(passage) for passage in islice(read_passages(corpus), count)]
        np.save(path, _embed_cut(texts, embedder))
    return path


def _embed_cut(texts: list[str], embedder: OnnxEmbedder) -> Vectors:
    """Vectors of what a chunk of the text's beginning would hold: a passage over the window is cut."""
    while over := _over_window(texts, embedder):
        texts = [text[: over[place]] if place in over else text for place, text in enumerate(texts)]
    return embedder.embed_passages(texts)


def _over_window(texts: list[str], embedder: OnnxEmbedder) -> dict[int, int]:
    """Where to cut texts that are too long, by their place. Tokens are not spread evenly: once may not do."""
    counts = embedder.count_tokens(texts)
    window = embedder.max_tokens
    return {
        place: int(len(texts[place]) * window / tokens * _CUT_SHARE)
        for place, tokens in enumerate(counts)
        if tokens > window
    }
