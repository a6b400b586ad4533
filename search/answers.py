"""The answer flow: response cache → retrieval → context → refusal or generation → checked citations.

`answer` does all of it; a stream calls `open_question` and `prepare_answer` in threads and generates itself. A question
after others is made whole before (`follow_ups`).
Answers are the API's JSON, as the cache holds them. One cites only what was in its context.
"""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any
from uuid import uuid4

from django.conf import settings
from django.utils import timezone

from search.caches import CacheScope, SingleFlight
from search.citations import CheckedAnswer, CitationStream
from search.collections import narrowed
from search.context import (
    PROMPT_VERSION,
    REFUSAL,
    Prompt,
    build_prompt,
    is_refusal,
)
from search.evidence import context_of, context_tokens, nearness, relevance_of, sentence_cosines
from search.exceptions import CacheUnavailable, GenerationUnavailable
from search.follow_ups import after_history, with_standalone_question
from search.generation import Generator, generator_settings, get_generator
from search.generations import Generation
from search.metrics import DEGRADED, StageClock
from search.profiles import fusion_spec, retrieval_settings
from search.relevance import relevance
from search.rendering import Answer, answer_json
from search.reranking.choice import reranker_name
from search.responses import keep_response, stored_response
from search.rewriting import rewriter_name
from search.rule_sets import current_rules
from search.semantic_cache import keep_near_response, near_response
from search.services import retrieve
from search.shared_flights import shared_outcome
from search.spending import charged
from search.tenants import live_target
from search.types import (
    AskRequest,
    Hit,
    IndexTarget,
    Principal,
    RetrievalSettings,
    SearchRequest,
    Unsupported,
)

_answers = SingleFlight()


@dataclass(frozen=True, slots=True)
class Question:
    """A question with what was read to answer it, at `opened_at`. `target` and `scope` are None before the first
    document."""

    principal: Principal
    request: AskRequest
    generator: Generator
    target: IndexTarget | None
    scope: CacheScope | None
    opened_at: datetime

    @property
    def key(self) -> str | None:
        """Equal for questions that have the same answer."""
        return self.scope.key() if self.scope else None


@dataclass(frozen=True, slots=True)
class PreparedAnswer:
    """All that a generation needs, and what goes into the response beside it."""

    question: Question
    clock: StageClock
    prompt: Prompt
    hits: tuple[Hit, ...] = ()
    degraded: tuple[str, ...] = ()
    relevance: float | None = None

    @property
    def removes(self) -> bool:
        """Whether sentences that nothing supports are left out of the answer."""
        scope = self.question.scope
        return scope is not None and scope.profile.unsupported is Unsupported.REMOVE

    def citations(self) -> CitationStream:
        """What takes the generation and checks it against the context."""
        target = self.question.target
        return CitationStream(
            self.question.request.standalone_question,
            self.prompt.passages,
            removes=self.removes,
            nearness=nearness(target) if target else None,
        )


def answer(principal: Principal, request: AskRequest) -> dict[str, Any]:
    """An answer as the API's JSON, generated in this thread.

    Raises InvalidRequest, InvalidFilter, OpenSearchUnavailable. A model that fails is named in `degraded`.
    """
    if request.history:
        generator = charged(get_generator(), principal)
        request = asyncio.run(with_standalone_question(request, generator))
    question = open_question(principal, request)
    if question.key is None:
        return _answer_now(question)
    body, shared = _answers.run(question.key, lambda: _answer_once(question, question.key or ""))
    return body | {"request_id": str(uuid4())} if shared else body


def _answer_once(question: Question, key: str) -> dict[str, Any]:
    """The stored answer, else one that processes with equal questions share."""
    stored = equal_answer(question)
    return stored or shared_outcome(f"{key}:whole", lambda: _answer_now(question))


def _answer_now(question: Question) -> dict[str, Any]:
    prepared = prepare_answer(question)
    return generate_answer(prepared) if isinstance(prepared, PreparedAnswer) else prepared


def generate_answer(prepared: PreparedAnswer) -> dict[str, Any]:
    """The response to a prepared question, generated in this thread. A model that fails is named in `degraded`."""
    question = prepared.question
    try:
        with prepared.clock.stage("generate"):
            generation = question.generator.generate(prepared.prompt)
    except GenerationUnavailable as error:
        return failed_answer(prepared, error)
    with prepared.clock.stage("check"):
        checked = prepared.citations().whole(generation.text)
    return finish_answer(prepared, checked, generation=generation)


def open_question(principal: Principal, request: AskRequest) -> Question:
    """Reads the index that serves, the collection and the profile. Raises InvalidRequest, NotFound for a collection."""
    request = narrowed(principal, request)
    opened_at, generator = timezone.now(), charged(get_generator(), principal)
    target = live_target(principal.tenant_id)
    if target is None:
        return Question(principal, request, generator, None, None, opened_at)
    profile = retrieval_settings(target, request.profile, overrides=request.settings)
    scope = answer_scope(principal, request, target=target, profile=profile, generator=generator)
    return Question(principal, request, generator, target, scope, opened_at)


def answer_scope(
    principal: Principal,
    request: AskRequest,
    *,
    target: IndexTarget,
    profile: RetrievalSettings,
    generator: Generator,
) -> CacheScope:
    asked = {
        "question": request.standalone_question,
        "facet_filters": request.facet_filters,
        "within": request.within,
        "top_k": request.top_k,
        "history": [[message.role, message.content] for message in request.history],
        "context_tokens": settings.SEARCH_CONTEXT_TOKENS,
        "refusal_cosine": settings.SEARCH_REFUSAL_COSINE,
    }
    return CacheScope(
        kind="answer",
        tenant=principal.tenant_uuid,
        index=target.name,
        content_version=target.content_version,
        curation=current_rules(target).version(target),
        access=principal.access_fingerprint,
        request=asked,
        filters=request.filters,
        profile=profile,
        fusion=fusion_spec(profile),
        models=(target.variant, reranker_name(profile), rewriter_name(profile), generator_settings()),
        prompt_version=PROMPT_VERSION,
    )


def equal_answer(question: Question) -> dict[str, Any] | None:
    """The stored answer to the same question; None where there is none, or no cache, which `prepare_answer` says."""
    if question.target is None or question.scope is None:
        return None
    try:
        stored = stored_response(question.scope, question.principal, question.target, counts_misses=False)
    except CacheUnavailable:
        return None
    return None if stored is None else after_history(question.request, stored)


def prepare_answer(question: Question) -> PreparedAnswer | dict[str, Any]:
    """All that comes before the model; or the response, when it was stored or is refused without a model.

    Raises InvalidRequest, InvalidFilter, OpenSearchUnavailable.
    """
    clock = StageClock()
    target, scope = question.target, question.scope
    if target is None or scope is None:
        prompt = build_prompt(question.request.standalone_question, ())
        return _refused(PreparedAnswer(question, clock, prompt))
    try:
        if (stored := stored_response(scope, question.principal, target)) is not None:
            return after_history(question.request, stored)
        if (near := near_response(question.request, scope, question.principal, target)) is not None:
            return near
    except CacheUnavailable as error:
        return _from_documents(question, target, profile=scope.profile, clock=clock, degraded=(error.code,))
    return _from_documents(question, target, profile=scope.profile, clock=clock)


def _from_documents(
    question: Question,
    target: IndexTarget,
    *,
    profile: RetrievalSettings,
    clock: StageClock,
    degraded: tuple[str, ...] = (),
) -> PreparedAnswer | dict[str, Any]:
    prepared = _evidence(question, target, profile=profile, clock=clock)
    prepared = replace(prepared, degraded=(*degraded, *prepared.degraded))
    return prepared if (prepared.relevance or 0.0) >= threshold_of(profile) else _refused(prepared)


def _evidence(
    question: Question, target: IndexTarget, *, profile: RetrievalSettings, clock: StageClock
) -> PreparedAnswer:
    """What is found for a question, and the prompt made from it."""
    search, asked = search_request(question.request), question.request.standalone_question
    result = retrieve(question.principal, search, clock=clock, target=target, profile=profile)
    with clock.stage("context"):
        passages = context_of(result.hits, target)
    with clock.stage("evidence"):
        cosines = sentence_cosines(asked, passages, target)
        score = relevance(asked, passages, cosines)
    prompt = build_prompt(
        asked,
        passages,
        history=question.request.history,
        instructions=profile.instructions,
        cosines=cosines,
    )
    return PreparedAnswer(question, clock, prompt, result.hits, result.degraded, score)


@dataclass(frozen=True, slots=True)
class Preview:
    """A prompt that is not sent. `tokens` are those of its passages, by the embedder's tokenizer."""

    prompt: Prompt
    tokens: int
    relevance: float
    threshold: float


def preview(principal: Principal, request: AskRequest, profile: RetrievalSettings) -> Preview | None:
    """The prompt for a question under these settings; None before the first document.

    Raises InvalidFilter, OpenSearchUnavailable.
    """
    target = live_target(principal.tenant_id)
    if target is None:
        return None
    question = Question(principal, request, get_generator(), target, None, timezone.now())
    found = _evidence(question, target, profile=profile, clock=StageClock())
    return Preview(
        prompt=found.prompt,
        tokens=context_tokens(found.prompt.passages, target),
        relevance=found.relevance or 0.0,
        threshold=threshold_of(profile),
    )


def is_refused(question: str, hits: Sequence[Hit], target: IndexTarget, profile: RetrievalSettings) -> bool:
    """Whether these hits are too far from the question to answer it from."""
    return relevance_of(question, hits, target) < threshold_of(profile)


def threshold_of(profile: RetrievalSettings) -> float:
    """The least relevance that is answered."""
    return settings.SEARCH_REFUSAL_COSINE if profile.threshold is None else profile.threshold


def search_request(request: AskRequest) -> SearchRequest:
    """Chunks, not documents: two passages of one document may both be evidence."""
    return SearchRequest(
        query=request.standalone_question,
        filters=request.filters,
        facet_filters=request.facet_filters,
        collection=request.collection,
        within=request.within,
        top_k=request.top_k,
        group_by="chunk",
        profile=request.profile,
        settings=request.settings,
        highlight=False,
        with_total=False,
    )


def _refused(prepared: PreparedAnswer, generation: Generation | None = None) -> dict[str, Any]:
    return _kept(
        prepared, _body(prepared, CheckedAnswer(REFUSAL, (), 0), refused=True, generation=generation)
    )


def finish_answer(
    prepared: PreparedAnswer, checked: CheckedAnswer, *, generation: Generation
) -> dict[str, Any]:
    """The response to a generation that came to its end; stored unless something was left out of it."""
    if not checked.text and not checked.unsupported:
        return failed_answer(
            prepared, GenerationUnavailable(f"{prepared.question.generator.name} wrote nothing.")
        )
    if is_refusal(checked.text):
        return _refused(prepared, generation)
    found = {
        "citation_removed": checked.removed > 0,
        "answer_unsupported": bool(checked.unsupported),
        "answer_uncited": not checked.citations,
        "answer_cut": generation.is_cut,
    }
    reasons = tuple(reason for reason, holds in found.items() if holds)
    if not checked.text:  # nothing of it is supported
        checked = replace(checked, text=REFUSAL)
        body = _body(prepared, checked, refused=True, reasons=reasons, generation=generation)
        return after_history(prepared.question.request, body)
    return _kept(prepared, _body(prepared, checked, reasons=reasons, generation=generation))


def failed_answer(prepared: PreparedAnswer, error: GenerationUnavailable) -> dict[str, Any]:
    """The hits without an answer, since the model failed."""
    body = _body(prepared, CheckedAnswer("", (), 0), reasons=(error.code,))
    return after_history(prepared.question.request, body)


def _kept(prepared: PreparedAnswer, body: dict[str, Any]) -> dict[str, Any]:
    question = prepared.question
    if question.scope is not None and question.target is not None:
        scope, target, since = question.scope, question.target, question.opened_at
        keep_near_response(question.request, scope, target, body, since=since)
        body = keep_response(scope, target, body, since=since)
    return after_history(question.request, body)


def _body(
    prepared: PreparedAnswer,
    checked: CheckedAnswer,
    *,
    refused: bool = False,
    reasons: tuple[str, ...] = (),
    generation: Generation | None = None,
) -> dict[str, Any]:
    """`generation`: what a model wrote; None where none was asked, or failed."""
    written = generation or Generation("")
    if written.is_fallback:
        reasons = (*reasons, "generation_fallback")
    for reason in reasons:
        DEGRADED.labels(reason).inc()
    return answer_json(
        Answer(
            request_id=uuid4(),
            answer=checked.text,
            refused=refused,
            citations=checked.citations,
            hits=prepared.hits,
            cache="none",
            generator=written.model or prepared.question.generator.name,
            timings=prepared.clock.total(),
            usage=written.usage,
            degraded=(*prepared.degraded, *reasons),
            versions=_versions(prepared.question),
            unsupported=checked.unsupported,
            relevance=prepared.relevance,
        )
    )


def _versions(question: Question) -> dict[str, str]:
    """What an answer was made with, beside its model; of its passages, their ids say it."""
    if question.scope is None or question.target is None:
        return {}
    profile = question.scope.profile
    named = "+".join((f"{profile.name}@{profile.version}", *profile.overridden))
    return {"profile": named, "prompt": PROMPT_VERSION, "embedder": question.target.variant}
