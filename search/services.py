"""The query flow, readable top to bottom: response cache → embedding → candidates → visibility → page →
rerank → response.

`search` gives the API's JSON and uses the response cache; `retrieve` is the flow without it, for answers
and evaluation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from search import caches, filters, query, retrieval
from search.caches import CacheScope, SingleFlight
from search.embeddings import get_embedder
from search.exceptions import (
    CacheUnavailable,
    EmbeddingUnavailable,
    IndexMismatch,
    InvalidRequest,
    RerankUnavailable,
)
from search.metrics import DEGRADED, StageClock
from search.profiles import retrieval_settings
from search.rendering import search_json
from search.reranking import get_reranker
from search.responses import cached
from search.tenants import HIDDEN_LIMIT, hidden_documents, live_target
from search.types import (
    Candidate,
    FieldSpec,
    Hit,
    IndexTarget,
    Mode,
    Principal,
    RetrievalSettings,
    Retrieved,
    Scores,
    SearchRequest,
    SearchResult,
    Total,
    VisibleDocument,
)
from search.visibility import visible_documents

_searches = SingleFlight()
_embeddings = SingleFlight()


@dataclass(frozen=True, slots=True)
class _Query:
    """A request on its way: what it was read with, how long its stages took, and what had to be left out."""

    principal: Principal
    request: SearchRequest
    target: IndexTarget
    profile: RetrievalSettings
    clock: StageClock
    degraded: list[str] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Candidates:
    """Visible candidates in fused order, one a document when grouped, with what was counted beside them."""

    kept: tuple[tuple[Candidate, VisibleDocument], ...]
    retrieved: Retrieved
    legs: query.Legs
    door: query.Body


def search(principal: Principal, request: SearchRequest) -> dict[str, Any]:
    """A search as the API's JSON.

    Raises InvalidRequest, InvalidFilter, OpenSearchUnavailable. Whatever else fails is left out and named
    in `degraded`.
    """
    clock = StageClock()
    target = live_target(principal.tenant_id)
    if target is None:
        return search_json(_empty_result(clock))
    profile = retrieval_settings(principal.tenant_id, request.profile)
    asked = _Query(principal, request, target, profile, clock)
    scope = search_scope(principal, request, target=target, profile=profile)
    body, shared = _searches.run(
        scope.key(), lambda: cached(scope, principal, target, lambda: search_json(_retrieve(asked)))
    )
    return body | {"request_id": str(uuid4())} if shared else body


def search_scope(
    principal: Principal, request: SearchRequest, *, target: IndexTarget, profile: RetrievalSettings
) -> CacheScope:
    reranker = settings.SEARCH_RERANKER["OPTIONS"].get("model", "") if settings.SEARCH_RERANKER else ""
    asked = {
        "query": request.query,
        "mode": request.mode.value,
        "top_k": request.top_k,
        "page": request.page,
        "group_by": request.group_by,
        "rerank": request.rerank,
        "facets": list(request.facets),
        "highlight": request.highlight,
        "explain": request.explain,
        "with_total": request.with_total,
    }
    return CacheScope(
        kind="search",
        tenant=principal.tenant_uuid,
        index=target.name,
        content_version=target.content_version,
        access=principal.access_fingerprint,
        request=asked,
        filters=request.filters,
        profile=f"{profile.name}:{profile.version}",
        models=(target.variant, reranker),
        prompt_version="",
    )


def retrieve(
    principal: Principal, request: SearchRequest, *, clock: StageClock, target: IndexTarget | None = None
) -> SearchResult:
    """The flow without the response cache; `target` is read unless the caller has just done so.

    Raises InvalidRequest, InvalidFilter, OpenSearchUnavailable.
    """
    target = target or live_target(principal.tenant_id)
    if target is None:
        return _empty_result(clock)
    profile = retrieval_settings(principal.tenant_id, request.profile)
    return _retrieve(_Query(principal, request, target, profile, clock))


def _retrieve(asked: _Query) -> SearchResult:
    found = _candidates(asked, _candidates_query(asked))
    if found.retrieved.is_partial:
        asked.degraded.append("partial_results")
    hits = _hits(asked, found)
    for reason in asked.degraded:
        DEGRADED.labels(reason).inc()
    return SearchResult(
        request_id=uuid4(),
        hits=hits,
        total=_total(found),
        facets=found.retrieved.facets,
        timings=asked.clock.total(),
        degraded=tuple(asked.degraded),
    )


def _candidates_query(asked: _Query) -> retrieval.CandidatesQuery:
    """Step one, behind the door. Too many unacknowledged changes: nothing is counted, and that is said."""
    request, principal = asked.request, asked.principal
    with asked.clock.stage("filters"):
        facets = _facet_fields(request.facets, asked.target)
        parsed = filters.parse(request.filters, asked.target.schema)
        depth = _depth(request, asked.profile)
        hidden = hidden_documents(principal.tenant_id)
    now = timezone.now()
    if counts_are_safe := len(hidden) <= HIDDEN_LIMIT:
        door = filters.door(principal, now=now, hidden=hidden, filters=parsed)
    else:
        door = filters.door(principal, now=now, filters=parsed)
        asked.degraded.append("counts_unavailable")
    return retrieval.CandidatesQuery(
        index=asked.target.name,
        legs=_legs(asked),
        door=door,
        depth=depth,
        size=depth,
        profile=asked.profile,
        facets=facets if counts_are_safe and request.with_total else None,
        explain=request.explain,
    )


def _empty_result(clock: StageClock) -> SearchResult:
    """A tenant without any document has no index yet."""
    return SearchResult(uuid4(), (), Total(0, "eq"), {}, clock.total(), ())


def _facet_fields(names: Sequence[str], target: IndexTarget) -> dict[str, FieldSpec]:
    if unknown := [name for name in names if name not in target.schema]:
        raise InvalidRequest(
            f"There is no field {unknown[0]!r}.", fields={"facets": [f"Unknown: {', '.join(unknown)}."]}
        )
    return {name: target.schema[name] for name in names}


def _depth(request: SearchRequest, profile: RetrievalSettings) -> int:
    depth = query.depth_for(page=request.page, top_k=request.top_k, least=profile.depth)
    if request.page * request.top_k > depth:
        message = f"Results are paged up to the first {depth}."
        raise InvalidRequest(message, fields={"page": [message]})
    return depth


def _legs(asked: _Query) -> query.Legs:
    """The query with its embedding; without one (the embedder is down) BM25 alone answers, and says so."""
    text, mode = asked.request.query, asked.request.mode
    lexical = query.Legs(text, asked.target.languages, None, Mode.LEXICAL)
    if mode is Mode.LEXICAL:
        return lexical
    try:
        with asked.clock.stage("embed"):
            vector = query_embedding(text, asked.target)
    except EmbeddingUnavailable as error:
        asked.degraded.append(error.code)
        return lexical
    return replace(lexical, vector=vector, mode=mode)


def query_embedding(text: str, target: IndexTarget) -> Any:
    """The query's embedding from the cache or the embedder; equal texts in flight are embedded once."""
    embedder = get_embedder(target.embedder)
    if embedder.variant != target.variant:
        raise IndexMismatch(
            f"The index holds {target.variant}, not {embedder.variant}: rebuild it, or set {target.embedder!r} back."
        )
    try:
        stored = caches.read_embedding(target.tenant_uuid, target.variant, text)
    except CacheUnavailable:  # said in `degraded` by the response cache, which lies on the same server
        return embedder.embed_query(text)
    if stored is not None:
        return stored
    vector, shared = _embeddings.run(f"{target.variant}\x00{text}", lambda: embedder.embed_query(text))
    if not shared:
        _keep_embedding(target, text, vector)
    return vector


def _keep_embedding(target: IndexTarget, text: str, vector: Any) -> None:
    try:
        caches.write_embedding(target.tenant_uuid, target.variant, text, vector)
    except CacheUnavailable:
        return  # the next request embeds it again


def _candidates(asked: _Query, wanted: retrieval.CandidatesQuery) -> _Candidates:
    """As many candidates as the page most likely needs; all of them where those are not enough."""
    # Vector mode counts its whole window; else what is behind the page need not be read.
    enough = wanted.depth if wanted.legs.mode is Mode.VECTOR else _window(asked.request)
    size = min(wanted.depth, enough * query.CANDIDATES_PER_HIT)
    retrieved, kept = _visible_candidates(asked, replace(wanted, size=size))
    if len(kept) < enough and len(retrieved.candidates) == size < wanted.depth:
        counted = retrieved
        retrieved, kept = _visible_candidates(asked, replace(wanted, size=wanted.depth, facets=None))
        retrieved = replace(retrieved, total=counted.total, facets=counted.facets)
    return _Candidates(kept, retrieved, wanted.legs, wanted.door)


def _visible_candidates(
    asked: _Query, wanted: retrieval.CandidatesQuery
) -> tuple[Retrieved, tuple[tuple[Candidate, VisibleDocument], ...]]:
    with asked.clock.stage("retrieve"):
        retrieved = retrieval.candidates(wanted)
    with asked.clock.stage("visibility"):
        return retrieved, _visible(asked, retrieved.candidates)


def _window(request: SearchRequest) -> int:
    """How many hits are read back: the page and what is before it, or what the reranker chooses from."""
    last = request.page * request.top_k
    return max(last, settings.SEARCH_RERANK_WINDOW) if _reranks(request) else last


def _reranks(request: SearchRequest) -> bool:
    """Reranking reads its whole window, so that a hit may come up from behind the page."""
    first = (request.page - 1) * request.top_k
    wanted = request.rerank is not False and settings.SEARCH_RERANKER is not None
    return wanted and first < settings.SEARCH_RERANK_WINDOW


def _visible(asked: _Query, candidates: Sequence[Candidate]) -> tuple[tuple[Candidate, VisibleDocument], ...]:
    """Candidates of live editions of visible documents; when grouped, the best chunk of each document."""
    documents = visible_documents(
        (candidate.document_id for candidate in candidates),
        principal=asked.principal,
        index_id=asked.target.index_id,
        now=timezone.now(),
    )
    kept: list[tuple[Candidate, VisibleDocument]] = []
    seen: set[int] = set()
    for candidate in candidates:
        document = documents.get(candidate.document_id)
        if document is None or document.edition != candidate.edition:
            continue
        if asked.request.group_by == "document" and candidate.document_id in seen:
            continue
        seen.add(candidate.document_id)
        kept.append((candidate, document))
    return tuple(kept)


def _total(found: _Candidates) -> Total:
    """Vector mode has no words to match: it counts its window, as a bound."""
    is_vector = found.legs.mode is Mode.VECTOR
    counted = found.retrieved.total
    if not is_vector and counted.relation == "eq":
        return counted
    in_window = len({document.id for _, document in found.kept})
    return Total(max(in_window, 0 if is_vector else counted.value), "gte")


def _hits(asked: _Query, found: _Candidates) -> tuple[Hit, ...]:
    """The page's hits, read back and, where a reranker is set, by its scores."""
    request = asked.request
    first, last = (request.page - 1) * request.top_k, request.page * request.top_k
    if _reranks(request):
        return _reranked(asked, _read(asked, found, found.kept[: _window(request)]))[first:last]
    if request.rerank and settings.SEARCH_RERANKER is None:
        asked.degraded.append("rerank_not_configured")
    return _read(asked, found, found.kept[first:last])


def _read(
    asked: _Query, found: _Candidates, window: Sequence[tuple[Candidate, VisibleDocument]]
) -> tuple[Hit, ...]:
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
    is_hybrid = found.legs.mode is Mode.HYBRID
    return tuple(
        _hit(chunks[candidate.chunk_id], candidate, document, found=found, is_hybrid=is_hybrid)
        for candidate, document in window
        if candidate.chunk_id in chunks
    )


def _hit(
    chunk: retrieval.ReadChunk,
    candidate: Candidate,
    document: VisibleDocument,
    *,
    found: _Candidates,
    is_hybrid: bool,
) -> Hit:
    is_vector = found.legs.mode is Mode.VECTOR
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
    )


def _reranked(asked: _Query, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    """The window by the reranker's scores, what lies behind it in fused order; all in fused order if it fails."""
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
    return (*sorted(scored, key=lambda hit: -hit.score), *rest)


def _rerank_scores(question: str, hits: Sequence[Hit]) -> list[float]:
    reranker = get_reranker()
    if reranker is None:
        raise RerankUnavailable("No reranker is set.")
    passages = ["\n".join([hit.document.title, *hit.headings, hit.text]) for hit in hits]
    return reranker.rerank(question, passages, deadline_seconds=settings.SEARCH_RERANK_DEADLINE_SECONDS)
