"""The query flow, readable top to bottom: response cache → embedding → candidates → visibility → page →
rerank → response.

`search` gives the API's JSON and uses the response cache; `retrieve` is the flow without it, for answers
and evaluation.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
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
from search.visibility import allowed_public_ids, visible_documents

_searches = SingleFlight()
_embeddings = SingleFlight()


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
    scope = search_scope(principal, request, target=target, profile=profile)
    body, shared = _searches.run(
        scope.key(), lambda: cached(scope, principal, target, lambda: _fresh(principal, request, clock=clock))
    )
    return body | {"request_id": str(uuid4())} if shared else body


def _fresh(principal: Principal, request: SearchRequest, *, clock: StageClock) -> dict[str, Any]:
    return search_json(retrieve(principal, request, clock=clock))


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


def cached(
    scope: CacheScope, principal: Principal, target: IndexTarget, work: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """A stored response whose documents are all still visible, else `work`'s, stored unless it is degraded."""
    try:
        stored = stored_response(scope, principal, target)
    except CacheUnavailable as error:
        return with_degraded(work(), error.code)
    return keep_response(scope, work()) if stored is None else stored


def stored_response(scope: CacheScope, principal: Principal, target: IndexTarget) -> dict[str, Any] | None:
    """A stored response whose documents are all still visible. Raises CacheUnavailable."""
    clock = StageClock()
    with clock.stage("response_cache"):
        stored = caches.read_response(scope)
        if stored is None or not _still_visible(stored, principal, target):
            return None
    return stored | {"request_id": str(uuid4()), "cache": "response", "timings": clock.total()}


def keep_response(scope: CacheScope, body: dict[str, Any]) -> dict[str, Any]:
    """The response, stored unless it is degraded."""
    if not body["degraded"]:
        try:
            caches.write_response(scope, body)
        except CacheUnavailable as error:
            return with_degraded(body, error.code)
    return body


def _still_visible(body: Mapping[str, Any], principal: Principal, target: IndexTarget) -> bool:
    wanted = {hit["document"]["id"] for hit in body["hits"]}
    now = timezone.now()
    return wanted == allowed_public_ids(wanted, principal=principal, index_id=target.index_id, now=now)


def with_degraded(body: dict[str, Any], reason: str) -> dict[str, Any]:
    if reason in body["degraded"]:
        return body
    DEGRADED.labels(reason).inc()
    return body | {"degraded": [*body["degraded"], reason]}


def retrieve(principal: Principal, request: SearchRequest, *, clock: StageClock) -> SearchResult:
    """The flow without the response cache. Raises InvalidRequest, InvalidFilter, OpenSearchUnavailable."""
    target = live_target(principal.tenant_id)
    if target is None:
        return _empty_result(clock)
    degraded: list[str] = []
    now = timezone.now()
    profile = retrieval_settings(principal.tenant_id, request.profile)
    with clock.stage("filters"):
        facets = _facet_fields(request.facets, target)
        parsed = filters.parse(request.filters, target.schema)
        hidden = hidden_documents(principal.tenant_id)
    if counts_are_safe := len(hidden) <= HIDDEN_LIMIT:
        door = filters.door(principal, now=now, hidden=hidden, filters=parsed)
    else:
        door = filters.door(principal, now=now, filters=parsed)
        degraded.append("counts_unavailable")
    legs = _legs(request, target, degraded=degraded, clock=clock)
    wanted = retrieval.CandidatesQuery(
        index=target.name,
        legs=legs,
        door=door,
        depth=_depth(request, profile),
        profile=profile,
        facets=facets if counts_are_safe and request.with_total else None,
        explain=request.explain,
    )
    found = _candidates(wanted, principal=principal, target=target, request=request, clock=clock)
    if found.retrieved.is_partial:
        degraded.append("partial_results")
    hits = _hits(found, request, target=target, degraded=degraded, clock=clock)
    for reason in degraded:
        DEGRADED.labels(reason).inc()
    return SearchResult(
        request_id=uuid4(),
        hits=hits,
        total=_total(found, legs),
        facets=found.retrieved.facets,
        timings=clock.total(),
        degraded=tuple(degraded),
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


def _legs(
    request: SearchRequest, target: IndexTarget, *, degraded: list[str], clock: StageClock
) -> query.Legs:
    """The query with its embedding; without one (the embedder is down) BM25 alone answers, and says so."""
    lexical = query.Legs(request.query, target.languages, None, Mode.LEXICAL)
    if request.mode is Mode.LEXICAL:
        return lexical
    try:
        with clock.stage("embed"):
            vector = query_embedding(request.query, target)
    except EmbeddingUnavailable as error:
        degraded.append(error.code)
        return lexical
    return replace(lexical, vector=vector, mode=request.mode)


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


def _candidates(
    wanted: retrieval.CandidatesQuery,
    *,
    principal: Principal,
    target: IndexTarget,
    request: SearchRequest,
    clock: StageClock,
) -> _Candidates:
    with clock.stage("retrieve"):
        retrieved = retrieval.candidates(wanted)
    with clock.stage("visibility"):
        visible = visible_documents(
            (candidate.document_id for candidate in retrieved.candidates),
            principal=principal,
            index_id=target.index_id,
            now=timezone.now(),
        )
    kept = _visible(retrieved.candidates, visible, group=request.group_by == "document")
    return _Candidates(kept, retrieved, wanted.legs, wanted.door)


def _visible(
    candidates: Sequence[Candidate], documents: Mapping[int, VisibleDocument], *, group: bool
) -> tuple[tuple[Candidate, VisibleDocument], ...]:
    """Candidates of live editions of visible documents; when grouped, the best chunk of each document."""
    kept: list[tuple[Candidate, VisibleDocument]] = []
    seen: set[int] = set()
    for candidate in candidates:
        document = documents.get(candidate.document_id)
        if (
            document is None
            or document.edition != candidate.edition
            or (group and candidate.document_id in seen)
        ):
            continue
        seen.add(candidate.document_id)
        kept.append((candidate, document))
    return tuple(kept)


def _total(found: _Candidates, legs: query.Legs) -> Total:
    """Vector mode has no words to match: it counts its window, as a bound."""
    if legs.mode is not Mode.VECTOR and found.retrieved.total.relation == "eq":
        return found.retrieved.total
    in_window = len({document.id for _, document in found.kept})
    return Total(max(in_window, found.retrieved.total.value if legs.mode is not Mode.VECTOR else 0), "gte")


def _hits(
    found: _Candidates, request: SearchRequest, *, target: IndexTarget, degraded: list[str], clock: StageClock
) -> tuple[Hit, ...]:
    """The page's hits. Reranking reads its whole window, so that a hit may come up from behind the page."""
    first, last = (request.page - 1) * request.top_k, request.page * request.top_k
    reranks = request.rerank is not False and settings.SEARCH_RERANKER is not None
    if reranks and first < settings.SEARCH_RERANK_WINDOW:
        window = found.kept[: max(last, settings.SEARCH_RERANK_WINDOW)]
        hits = _read(found, window, request, target=target, clock=clock)
        return _reranked(request.query, hits, degraded=degraded, clock=clock)[first:last]
    if request.rerank and settings.SEARCH_RERANKER is None:
        degraded.append("rerank_not_configured")
    return _read(found, found.kept[first:last], request, target=target, clock=clock)


def _read(
    found: _Candidates,
    window: Sequence[tuple[Candidate, VisibleDocument]],
    request: SearchRequest,
    *,
    target: IndexTarget,
    clock: StageClock,
) -> tuple[Hit, ...]:
    if not window:
        return ()
    with clock.stage("page"):
        chunks = retrieval.read_page(
            target.name,
            found.legs,
            chunk_ids=[candidate.chunk_id for candidate, _ in window],
            door=found.door,
            highlight=request.highlight,
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


def _reranked(
    question: str, hits: tuple[Hit, ...], *, degraded: list[str], clock: StageClock
) -> tuple[Hit, ...]:
    """The window by the reranker's scores, what lies behind it in fused order; all in fused order if it fails."""
    window, rest = hits[: settings.SEARCH_RERANK_WINDOW], hits[settings.SEARCH_RERANK_WINDOW :]
    try:
        with clock.stage("rerank"):
            scores = _rerank_scores(question, window)
    except RerankUnavailable as error:
        degraded.append(error.code)
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
