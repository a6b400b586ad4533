"""Step two of a search: the page's hits, read back by id and, where a reranker is set, put in its order."""

from collections.abc import Sequence

from django.conf import settings

from search import retrieval
from search.asked import Asked
from search.candidates import Found, reranks, window
from search.exceptions import RerankUnavailable
from search.reranking.blending import blended
from search.reranking.choice import get_reranker, reranker_name
from search.types import Candidate, Hit, Mode, Scores, VisibleDocument


def read_hits(asked: Asked, found: Found) -> tuple[Hit, ...]:
    """The page's hits, read back and, where a reranker is set, by its scores."""
    request = asked.request
    first, last = (request.page - 1) * request.top_k, request.page * request.top_k
    if reranks(asked) and found.legs.query:
        hits = hits_of(asked, found, found.kept[: window(asked)])
        return _reranked(asked, hits, question=found.legs.query)[first:last]
    if request.rerank and not reranker_name(asked.profile):
        asked.degraded.append("rerank_not_configured")
    return hits_of(asked, found, found.kept[first:last])


def hits_of(
    asked: Asked, found: Found, window: Sequence[tuple[Candidate, VisibleDocument]]
) -> tuple[Hit, ...]:
    """Candidates read back, in their order. One that is gone from the index is left out."""
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
        curated="pinned" if is_pinned else None,
    )


def _reranked(asked: Asked, hits: tuple[Hit, ...], *, question: str) -> tuple[Hit, ...]:
    """The window by reranker and fusion, what lies behind it in fused order; all in fused order if it fails.

    Pins keep their own order before all, whatever the reranker thinks of them.
    """
    profile = asked.profile
    pinned = sum(bool(hit.curated) for hit in hits)
    window = hits[pinned : profile.rerank_window]
    if not window:
        return hits
    try:
        with asked.clock.stage("rerank"):
            reranker = get_reranker(asked.principal.tenant_id, profile)
            scores = reranker.rerank(
                question, window, deadline_seconds=settings.SEARCH_RERANK_DEADLINE_SECONDS
            )
    except RerankUnavailable as error:
        asked.degraded.append(error.code)
        return hits
    reordered = blended(window, scores, blend=profile.rerank_blend)
    return (*hits[:pinned], *reordered, *hits[pinned + len(window) :])
