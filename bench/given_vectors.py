"""Vectors of a corpus's passages, made once for a corpus, a count and a model, and kept beside the data."""

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from django.conf import settings

from ingestion import jobs, planning, vectors
from ingestion.parsers.media_types import TEXT
from search.embeddings import Vector, Vectors, get_embedder
from search.embeddings.onnx import OnnxEmbedder
from search.evaluation.datasets import Passage, read_passages
from search.models import Tenant

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


def store_for_chunks(tenant: Tenant, passages: Sequence[Passage], rows: Vectors) -> None:
    """Let ingestion find a vector for every chunk, as a rebuild does: each chunk of a passage gets the passage's."""
    embedder = get_embedder()
    sizes = planning.chunking_settings(
        max_tokens=settings.INGESTION_CHUNK_TOKENS,
        overlap_tokens=settings.INGESTION_OVERLAP_TOKENS,
        window=embedder.max_tokens,
    )
    given: dict[str, Vector] = {}
    for passage, row in zip(passages, rows, strict=True):
        parsed = jobs.parser().parse((passage.text or passage.title).encode(), TEXT)
        title = passage.title[:500] or (parsed.title or "")[:500]
        chunks = planning.chunks_of(parsed, title=title, settings=sizes, count_tokens=embedder.count_tokens)
        given |= {chunk.embedding_text: row for chunk in chunks}
    vectors.keep(tenant.pk, embedder.variant, given)


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
