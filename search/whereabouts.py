"""Why a document is, or is not, among a query's results: gathers what each stage of the flow knows of it.

What follows is decided in `stages`. Of another tenant's documents nothing is said: they are not ingested here.
"""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from django.utils import timezone

from search import answers, candidates, facets, filters, query, retrieval, services
from search.asked import Asked
from search.candidates import Found
from search.collections import narrowed
from search.explanation import legs_windows
from search.listing import all_listed
from search.metrics import StageClock
from search.models import Document, Edition
from search.ordering import is_listed
from search.profiles import retrieval_settings
from search.rule_sets import current_rules
from search.stages import (
    IndexFacts,
    RankingFacts,
    RecordFacts,
    Stage,
    index_stage,
    ranking_stage,
    record_stage,
)
from search.tenants import left_out, live_target
from search.types import Hit, IndexTarget, Principal, SearchRequest, parse_chunk_id


@dataclass(frozen=True, slots=True)
class Sought:
    """The document that somebody misses, perhaps one passage of it; `asks`: as evidence of an answer."""

    public_id: str
    passage: int | None = None
    asks: bool = False


@dataclass(frozen=True, slots=True)
class Whereabouts:
    """The stage that lost the document, or FOUND, with the facts up to there and the hit that stands for it."""

    stage: Stage
    record: RecordFacts | None = None
    index: IndexFacts | None = None
    ranking: RankingFacts | None = None
    hit: Hit | None = None


@dataclass(frozen=True, slots=True)
class _Record:
    document_id: int
    edition: int
    facts: RecordFacts


def whereabouts(principal: Principal, request: SearchRequest, sought: Sought) -> Whereabouts:
    """Walks the stages. Raises InvalidRequest, InvalidFilter, NotFound for a collection, OpenSearchUnavailable."""
    now = timezone.now()
    asked = _asked(principal, request)
    record = _record(principal, asked.target if asked else None, sought.public_id)
    facts = record.facts if record else None
    stopped = record_stage(facts, now)
    if asked is None or record is None or stopped is not None:
        return Whereabouts(stopped or Stage.PENDING, facts)
    found = all_listed(asked) if is_listed(request) else candidates.all_candidates(asked)
    index = _index_facts(asked, found, record, passage=sought.passage, now=now)
    if (stopped := index_stage(index)) is not None:
        return Whereabouts(stopped, facts, index)
    ranking, hit = _ranking(asked, found, record, sought)
    return Whereabouts(ranking_stage(index, ranking), facts, index, ranking, hit)


def _asked(principal: Principal, request: SearchRequest) -> Asked | None:
    """The search as it would be run, so that a bad one is refused whatever became of the document; None before the
    tenant's first document."""
    request = narrowed(principal, request)
    target = live_target(principal.tenant_id)
    if target is None:
        return None
    filters.parse(request.filters, target.schema)
    profile = retrieval_settings(target, request.profile, overrides=request.settings)
    return Asked(principal, request, target, profile, StageClock(), current_rules(target))


def _record(principal: Principal, target: IndexTarget | None, public_id: str) -> _Record | None:
    document = Document.objects.filter(tenant_id=principal.tenant_id, public_id=public_id).first()
    if document is None:
        return None
    live = Edition.objects.filter(document=document, state=Edition.State.LIVE)
    edition = live.filter(index_id=target.index_id).first() if target else None
    facts = RecordFacts(
        state=document.state,
        passages=edition.chunk_count if edition else None,
        may_see=principal.may_see(document.access),
        visible_from=document.visible_from,
        expires_at=document.expires_at,
    )
    return _Record(document.pk, edition.number if edition else 0, facts)


def _index_facts(
    asked: Asked, found: Found, record: _Record, *, passage: int | None, now: datetime
) -> IndexFacts:
    principal = asked.principal
    hidden, off = left_out(principal.tenant_id)
    parsed = found.reading.parsed
    conditions = candidates.typed_conditions(asked, parsed)
    selected = facets.selections(asked.request.facet_filters or {}, asked.target.schema).values()

    def door(**more: Any) -> query.Body:
        return filters.door(principal, now=now, hidden=hidden, **more)

    def filtered(**more: Any) -> query.Body:
        allowed = door(filters=conditions, **more)
        return filters.narrowed(
            query.text_conditions(allowed, found.legs, excluded=parsed.excluded), selected
        )

    own = query.own_passages(record.document_id, record.edition, ordinal=passage)
    doors = [[*own, one] for one in (door(), filtered(), filtered(disabled=off))]
    seen = retrieval.seen_in_index(asked.target.name, found.wanted.legs, doors=doors)
    return IndexFacts(
        passages=seen.passages,
        fits_filters=seen.filtered > 0,
        enabled=seen.enabled,
        words_disabled=seen.lost_words,
        is_hidden=record.document_id in found.curation.hides,
        lexical=seen.lexical,
        vector=seen.vector,
    )


def _ranking(asked: Asked, found: Found, record: _Record, sought: Sought) -> tuple[RankingFacts, Hit | None]:
    request = asked.request
    # Explained hits are those of the profile's depth: an explained search does not look deeper.
    shown_by = replace(request, explain=request.explain or found.wanted.depth <= asked.profile.k)
    result = services.retrieve(
        asked.principal, shown_by, clock=StageClock(), target=asked.target, rules=asked.rules
    )
    own = [(at, hit) for at, hit in enumerate(result.hits, 1) if hit.document.id == record.document_id]
    exact = [(at, hit) for at, hit in own if sought.passage in (None, hit.ordinal)]
    by_document = request.group_by == "document"
    shown = next(iter(exact or (own if by_document else [])), None)
    windows = legs_windows(found)
    facts = RankingFacts(
        lexical_rank=_rank(windows[query.LEXICAL], record, sought),
        vector_rank=_rank(windows[query.VECTOR], record, sought),
        place=_place(found, record, sought, by_document=by_document),
        first=(request.page - 1) * request.top_k + 1,
        last=request.page * request.top_k,
        window=candidates.window(asked),
        is_reranked=candidates.reranks(asked),
        shown=(request.page - 1) * request.top_k + shown[0] if shown else None,
        passage_lost=bool(shown) and not exact,
        is_refused=sought.asks
        and answers.is_refused(request.query, result.hits, asked.target, asked.profile),
        is_listed=is_listed(request),
    )
    return facts, shown[1] if shown else None


def _rank(window: Iterable[str], record: _Record, sought: Sought) -> int | None:
    """The best place of the document's passages, or of the one that is sought, among a leg's chunk ids."""
    for rank, chunk in enumerate(window, 1):
        document_id, edition, ordinal = parse_chunk_id(chunk)
        is_own = (document_id, edition) == (record.document_id, record.edition)
        if is_own and sought.passage in (None, ordinal):
            return rank
    return None


def _place(found: Found, record: _Record, sought: Sought, *, by_document: bool) -> int | None:
    for place, (candidate, document) in enumerate(found.kept, 1):
        is_sought = by_document or sought.passage in (None, candidate.ordinal)
        if document.id == record.document_id and is_sought:
            return place
    return None
