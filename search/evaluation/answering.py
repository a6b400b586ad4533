"""Questions through the answer service, as readers ask them, and what their answers are worth beside references.

An answer that was refused says nothing: it counts 0 for overlap, and is left out where citations are judged.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence, Set
from dataclasses import asdict, dataclass
from typing import Any, Protocol

import numpy as np
from django.conf import settings

from search import answers
from search.embeddings import get_embedder
from search.evaluation import overlap, refusing
from search.evaluation.datasets import JudgedSet, Query
from search.evaluation.measures import mean, relevant
from search.evaluation.refusing import LEAST_QUESTIONS, Question
from search.evaluation.runs import MetadataFilter
from search.generation import get_generator
from search.sentences import sentence_spans
from search.types import AskRequest, Principal

NOTHING_FOUND = -1.0  # the relevance of a question that no passage was found for


@dataclass(frozen=True, slots=True)
class Answered:
    """A question's answer as the API gives it, and how long it took."""

    query: Query
    body: Mapping[str, Any]
    milliseconds: float

    @property
    def is_answerable(self) -> bool:
        return bool(self.query.fields["answerable"])

    @property
    def is_given(self) -> bool:
        """Neither refused nor left out because a model failed."""
        return bool(self.body["answer"]) and not self.body["refused"]

    @property
    def text(self) -> str:
        return self.body["answer"] if self.is_given else ""

    @property
    def cited(self) -> tuple[str, ...]:
        """Public ids of the cited documents, one a citation."""
        return tuple(citation["document"]["id"] for citation in self.body["citations"])

    @property
    def foreign(self) -> int:
        """Citations of what is not among the response's own hits."""
        hits = {hit["chunk"]["id"] for hit in self.body["hits"]}
        return sum(citation["chunk"]["id"] not in hits for citation in self.body["citations"])

    @property
    def relevance(self) -> float:
        relevance = self.body["relevance"]
        return NOTHING_FOUND if relevance is None else float(relevance)


@dataclass(frozen=True, slots=True)
class AskedSet:
    """A loaded set: who asks, under which filter, and what a public id has before its corpus id."""

    principal: Principal
    judged: JudgedSet
    id_prefix: str = ""
    metadata_filter: MetadataFilter | None = None


class Told(Protocol):
    """What a double wrote on purpose: false claims by question, and questions whose answers cite no passage."""

    @property
    def planted(self) -> Mapping[str, str]: ...

    @property
    def foreign(self) -> Set[str]: ...


@dataclass(frozen=True, slots=True)
class ToldFigures:
    """False claims and foreign markers that a double wrote on purpose into answers, and what the checks found of them.

    `marked` of the `false_claims`; `others_marked` of the sentences that it quoted; `foreign_removed` of the
    `foreign_markers`.
    """

    false_claims: int
    marked: int
    quoted: int
    others_marked: int
    foreign_markers: int
    foreign_removed: int


@dataclass(frozen=True, slots=True)
class AnswerFigures:
    """Rates are 0 to 1, None where there is nothing to judge.

    `citation_precision`: the share of citations, where there is an answer, of a document that is judged right.
    `support`: the share of sentences that the support checker lets pass; `false_claims` the count of the others.
    """

    answerable: int
    unanswerable: int
    refused_answerable: float | None
    refused_unanswerable: float | None
    citation_precision: float | None
    foreign_citations: int
    support: float | None
    false_claims: int
    answer_f1: float | None
    holds_reference: float | None
    p50_ms: float
    p95_ms: float
    degraded: int
    refusal: Mapping[str, Any] | None
    told: ToldFigures | None = None


def ask_all(
    asked: AskedSet, queries: Iterable[Query], *, done: Callable[[], None] = lambda: None
) -> list[Answered]:
    """Each question's answer. Raises InvalidFilter, OpenSearchUnavailable, DatasetError."""
    answered: list[Answered] = []
    for query in queries:
        filters = asked.metadata_filter.of(query) if asked.metadata_filter else None
        started = time.perf_counter()
        body = answers.answer(asked.principal, AskRequest(query.text, filters=filters))
        answered.append(Answered(query, body, (time.perf_counter() - started) * 1000))
        done()
    return answered


def figures(answered: Sequence[Answered], asked: AskedSet, *, told: Told | None = None) -> AnswerFigures:
    answerable = [one for one in answered if one.is_answerable]
    unanswerable = [one for one in answered if not one.is_answerable]
    given = [one for one in answered if one.is_given]
    sentences = sum(len(sentence_spans(one.text)) for one in given)
    false_claims = sum(len(one.body["unsupported"]) for one in given)
    times = [one.milliseconds for one in answered]
    return AnswerFigures(
        answerable=len(answerable),
        unanswerable=len(unanswerable),
        refused_answerable=_share([one.body["refused"] for one in answerable]),
        refused_unanswerable=_share([one.body["refused"] for one in unanswerable]),
        citation_precision=_share(_right_citations([one for one in given if one.is_answerable], asked)),
        foreign_citations=sum(one.foreign for one in answered),
        support=round(1 - false_claims / sentences, 4) if sentences else None,
        false_claims=false_claims,
        answer_f1=_share([overlap.f1(one.text, one.query.fields["answers"]) for one in answerable]),
        holds_reference=_share([overlap.holds(one.text, one.query.fields["answers"]) for one in answerable]),
        p50_ms=round(float(np.percentile(times, 50)), 2),
        p95_ms=round(float(np.percentile(times, 95)), 2),
        degraded=sum(bool(one.body["degraded"]) for one in answered),
        refusal=_refusal(answered),
        told=_told_figures(given, told) if told else None,
    )


def _told_figures(given: Sequence[Answered], told: Told) -> ToldFigures:
    lies = [one for one in given if one.query.text in told.planted]
    marked = sum(_marks(one, told.planted[one.query.text]) for one in lies)
    strangers = [one for one in given if one.query.text in told.foreign]
    return ToldFigures(
        false_claims=len(lies),
        marked=marked,
        quoted=sum(len(sentence_spans(one.text)) for one in given) - len(lies),
        others_marked=sum(len(one.body["unsupported"]) for one in given) - marked,
        foreign_markers=len(strangers),
        foreign_removed=sum("citation_removed" in one.body["degraded"] for one in strangers),
    )


def _marks(answered: Answered, claim: str) -> bool:
    return any(claim in unsupported["sentence"] for unsupported in answered.body["unsupported"])


def conditions() -> dict[str, Any]:
    """What answers depend on beside the documents."""
    return {
        "embedder": get_embedder().variant,
        "generator": get_generator().name,
        "refusal_cosine": settings.SEARCH_REFUSAL_COSINE,
        "context_tokens": settings.SEARCH_CONTEXT_TOKENS,
    }


def _right_citations(answered: Sequence[Answered], asked: AskedSet) -> list[bool]:
    """For each citation, whether its document is judged right; none in a set without judgements."""
    qrels = asked.judged.qrels
    return [
        public_id.removeprefix(asked.id_prefix) in relevant(qrels[one.query.id])
        for one in answered
        if one.query.id in qrels
        for public_id in one.cited
    ]


def _refusal(answered: Sequence[Answered]) -> dict[str, Any] | None:
    """AUROC of the relevance, and what a threshold refuses that lets nine of ten answerable questions pass: fitted on
    one half of the questions, judged on the other. None with fewer than ten questions of a kind."""
    questions = [Question(one.query.id, one.is_answerable, one.relevance) for one in answered]
    kinds = [sum(one.is_answerable is kind for one in questions) for kind in (True, False)]
    if min(kinds) < LEAST_QUESTIONS:
        return None
    fitted = refusing.fit(questions)
    return {
        "auroc": round(fitted.auroc, 4),
        "held_out": asdict(fitted.held_out),
        "curve": [asdict(point) for point in fitted.curve],
    }


def _share(values: Sequence[float]) -> float | None:
    return round(mean(values), 4) if values else None
