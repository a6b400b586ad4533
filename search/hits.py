"""Step two of a search: the page's hits, read back by id and, where a reranker is set, put in its order."""

from collections.abc import Sequence
from dataclasses import replace

from django.conf import settings

from search import retrieval
from search.asked import Asked
from search.candidates import Found, reranks, window
from search.exceptions import RerankUnavailable
from search.reranking import get_reranker
from search.types import Candidate, Hit, Mode, Scores, VisibleDocument


def read_hits(asked: Asked, found: Found) -> tuple[Hit, ...]:
    """The page's hits, read back and, where a reranker is set, by its scores."""
    request = asked.request
    first, last = (request.page - 1) * request.top_k, request.page * request.top_k
    if reranks(request):
        return _reranked(asked, _read(asked, found, found.kept[: window(request)]))[first:last]
    if request.rerank and settings.SEARCH_RERANKER is None:
        asked.degraded.append("rerank_not_configured")
    return _read(asked, found, found.kept[first:last])


def _read(asked: Asked, found: Found, window: Sequence[tuple[Candidate, VisibleDocument]]) -> tuple[Hit, ...]:
    if not window:
        return ()
    with asked.clock.stage("page"):
        chunks = retrieval.read_page(
            asked.target.name,
            found.legs,
            chunk_ids=[candidate.chunk_id for candidate, _ in window],
            door=found.door,
            highlight=asked.request.highlight,
        )
    pins = {candidate.chunk_id for candidate, _ in found.kept[: found.pins]}
    return tuple(
        _hit(
            chunks[candidate.chunk_id], candidate, document, found=found, is_pinned=candidate.chunk_id in pins
        )
        for candidate, document in window
        if candidate.chunk_id in chunks
    )


def _hit(
    chunk: retrieval.ReadChunk,
    candidate: Candidate,
    document: VisibleDocument,
    *,
    found: Found,
    is_pinned: bool,
) -> Hit:
    is_vector, is_hybrid = found.legs.mode is Mode.VECTOR, found.legs.mode is Mode.HYBRID
    score = chunk.vector if is_vector and chunk.vector is not None else candidate.score
    return Hit(
        document=document,
        chunk_id=chunk.chunk_id,
        ordinal=chunk.ordinal,
        text=chunk.text,
        headings=chunk.headings,
        page=chunk.page,
        score=score,
        scores=Scores(chunk.lexical, chunk.vector, candidate.score if is_hybrid else None),
        highlights=chunk.highlights,
        explanation=found.retrieved.explanations.get(chunk.chunk_id),
        curated="pinned" if is_pinned else None,
    )


def _reranked(asked: Asked, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    """Pins, the window by the reranker's scores, what lies behind it in fused order; all in fused order if it fails."""
    window, rest = hits[: settings.SEARCH_RERANK_WINDOW], hits[settings.SEARCH_RERANK_WINDOW :]
    try:
        with asked.clock.stage("rerank"):
            scores = _rerank_scores(asked.request.query, window)
    except RerankUnavailable as error:
        asked.degraded.append(error.code)
        return hits
    scored = [
        replace(hit, score=score, scores=replace(hit.scores, rerank=score))
        for hit, score in zip(window, scores, strict=True)
    ]
    return (*sorted(scored, key=_pins_first), *rest)


def _pins_first(hit: Hit) -> tuple[bool, float]:
    """Pins keep their own order, whatever the reranker thinks of them."""
    return (False, 0.0) if hit.curated else (True, -hit.score)


def _rerank_scores(question: str, hits: Sequence[Hit]) -> list[float]:
    reranker = get_reranker()
    if reranker is None:
        raise RerankUnavailable("No reranker is set.")
    passages = ["\n".join([hit.document.title, *hit.headings, hit.text]) for hit in hits]
    return reranker.rerank(question, passages, deadline_seconds=settings.SEARCH_RERANK_DEADLINE_SECONDS)
