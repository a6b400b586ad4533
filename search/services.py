"""The query flow, readable top to bottom: response cache → embedding → candidates → visibility → page →
rerank → response.

`search` gives the API's JSON and uses the response cache; `retrieve` is the flow without it, for answers
and evaluation. Its steps are in `candidates` and `hits`.
"""

from typing import Any
from uuid import uuid4

from search import understanding
from search.asked import Asked, CurrentRules
from search.caches import CacheScope, SingleFlight
from search.candidates import find_candidates, total_of
from search.collections import narrowed
from search.diversifying import spread
from search.explanation import explained
from search.hits import read_hits
from search.listing import find_listed
from search.metrics import DEGRADED, StageClock
from search.ordering import is_listed
from search.profiles import fusion_spec, retrieval_settings
from search.rendering import search_json
from search.reranking.choice import reranker_name
from search.responses import cached
from search.rewriting import rewriter_name
from search.rule_sets import current_rules
from search.surroundings import with_surroundings
from search.tenants import live_target
from search.types import (
    IndexTarget,
    Principal,
    QueryReading,
    RetrievalSettings,
    SearchRequest,
    SearchResult,
    Total,
)

_searches = SingleFlight()


def search(principal: Principal, request: SearchRequest) -> dict[str, Any]:
    """A search as the API's JSON.

    Raises InvalidRequest, InvalidFilter, NotFound for a collection, OpenSearchUnavailable. Whatever else fails is
    left out and named in `degraded`.
    """
    clock, request = StageClock(), narrowed(principal, request)
    target = live_target(principal.tenant_id)
    if target is None:
        return search_json(_empty_result(request, clock))
    profile = retrieval_settings(target, request.profile, overrides=request.settings)
    asked = Asked(principal, request, target, profile, clock, current_rules(target))
    scope = search_scope(asked)
    body, shared = _searches.run(
        scope.key(), lambda: cached(scope, asked, lambda: search_json(_retrieve(asked)))
    )
    return body | {"request_id": str(uuid4())} if shared else body


def search_scope(asked: Asked) -> CacheScope:
    principal, request, target, profile = asked.principal, asked.request, asked.target, asked.profile
    wanted = {
        "question": request.query,
        "mode": request.mode.value,
        "top_k": request.top_k,
        "page": request.page,
        "sort": request.sort,
        "cursor": request.cursor,
        "group_by": request.group_by,
        "passages": request.passages,
        "neighbours": request.neighbours,
        "rerank": request.rerank,
        "facets": list(request.facets),
        "facet_filters": request.facet_filters,
        "highlight": request.highlight,
        "explain": request.explain,
        "with_total": request.with_total,
        "curate": request.curate,
        "within": request.within,
    }
    return CacheScope(
        kind="search",
        tenant=principal.tenant_uuid,
        index=target.name,
        content_version=target.content_version,
        curation=asked.rules.version(target),
        access=principal.access_fingerprint,
        request=wanted,
        filters=request.filters,
        profile=profile,
        fusion=fusion_spec(profile),
        models=(target.variant, reranker_name(profile), rewriter_name(profile)),
        prompt_version="",
    )


def retrieve(
    principal: Principal,
    request: SearchRequest,
    *,
    clock: StageClock,
    target: IndexTarget | None = None,
    profile: RetrievalSettings | None = None,
    rules: CurrentRules | None = None,
) -> SearchResult:
    """The flow without the response cache; `target` and `rules` are read unless the caller has just done so.

    `profile`: settings to retrieve with in place of those that the request names.

    Raises InvalidRequest, InvalidFilter, NotFound for a collection, OpenSearchUnavailable.
    """
    request = narrowed(principal, request)
    target = target or live_target(principal.tenant_id)
    if target is None:
        return _empty_result(request, clock)
    profile = profile or retrieval_settings(target, request.profile, overrides=request.settings)
    return _retrieve(Asked(principal, request, target, profile, clock, rules or current_rules(target)))


def _retrieve(asked: Asked) -> SearchResult:
    found = find_listed(asked) if is_listed(asked.request) else spread(asked, find_candidates(asked))
    if found.retrieved.is_partial:
        asked.degraded.append("partial_results")
    hits = read_hits(asked, found)
    if asked.request.explain:
        hits = explained(asked, found, hits)
    hits = with_surroundings(asked, found, hits)
    for reason in asked.degraded:
        DEGRADED.labels(reason).inc()
    return SearchResult(
        request_id=uuid4(),
        query=found.reading,
        hits=hits,
        total=total_of(found),
        facets=found.retrieved.facets,
        timings=asked.clock.total(),
        degraded=tuple(asked.degraded),
        has_exact_facets=found.retrieved.has_exact_facets,
        redirect=found.curation.redirect,
        curation_rules=found.curation.rules,
        next_cursor=found.next_cursor,
    )


def _empty_result(request: SearchRequest, clock: StageClock) -> SearchResult:
    """A tenant without any document has no index yet."""
    reading = QueryReading(understanding.parse(request.query, {}))
    return SearchResult(uuid4(), reading, (), Total(0, "eq"), {}, clock.total(), ())
