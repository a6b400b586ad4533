"""How near sentences of the context are to a question: the embedder's part in refusing, extracting and checking.

One run of the embedder an answer. While it is down nothing is known, and words decide alone.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from django.conf import settings

from search.candidates import query_embedding
from search.context import CountTokens, assemble, shown_text
from search.embeddings import Embedder, get_embedder
from search.exceptions import EmbeddingUnavailable
from search.extraction import shortlist
from search.relevance import relevance
from search.support import Nearness
from search.types import ContextPassage, Hit, IndexTarget

_CHARACTERS_PER_TOKEN = 3


def context_of(hits: Sequence[Hit], target: IndexTarget) -> tuple[ContextPassage, ...]:
    """The passages that fit the context's budget, by the embedder's tokenizer; by an upper estimate while it can't be
    loaded, which `degraded` already says."""
    return assemble(hits, count_tokens=_counter(target), budget=settings.SEARCH_CONTEXT_TOKENS)


def context_tokens(passages: Sequence[ContextPassage], target: IndexTarget) -> int:
    """What the passages take of the context's budget."""
    texts = [shown_text(passage) for passage in passages]
    return sum(_counter(target)(texts)) if texts else 0


def _counter(target: IndexTarget) -> CountTokens:
    try:
        return get_embedder(target.embedder).count_tokens
    except EmbeddingUnavailable:
        return lambda texts: [len(text) // _CHARACTERS_PER_TOKEN + 1 for text in texts]


def relevance_of(question: str, hits: Sequence[Hit], target: IndexTarget) -> float:
    """How far hits answer a question, as an answer's threshold judges it."""
    passages = context_of(hits, target)
    return relevance(question, passages, sentence_cosines(question, passages, target))


def sentence_cosines(
    question: str, passages: Sequence[ContextPassage], target: IndexTarget
) -> Mapping[str, float]:
    """The cosine with the question of each sentence that its words make likely to answer it; empty when unknown."""
    texts = shortlist(question, passages)
    if not texts:
        return {}
    try:
        embedder = get_embedder(target.embedder)
        asked = query_embedding(question, target)
        fitting = _fitting(texts, embedder)
        vectors = embedder.embed_passages(fitting) if fitting else np.empty((0, embedder.dimension))
    except EmbeddingUnavailable:
        return {}
    return {text: float(cosine) for text, cosine in zip(fitting, vectors @ asked, strict=True)}


def nearness(target: IndexTarget) -> Nearness:
    """Compares a statement with the sentences of a passage, by the index's embedder."""

    def nearest(claim: str, sentences: Sequence[str]) -> float | None:
        try:
            embedder = get_embedder(target.embedder)
            fitting = _fitting((claim, *sentences), embedder)
            if len(fitting) < 2 or fitting[0] != claim:
                return None
            vectors = embedder.embed_passages(fitting)
        except EmbeddingUnavailable:
            return None
        return float((vectors[1:] @ vectors[0]).max())

    return nearest


def _fitting(texts: Sequence[str], embedder: Embedder) -> list[str]:
    """Those within the embedder's window, which cuts no passage."""
    sizes = embedder.count_tokens(texts)
    return [text for text, size in zip(texts, sizes, strict=True) if size <= embedder.max_tokens]
