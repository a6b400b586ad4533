"""Pure: results → the API's JSON, as plain dicts, lists, strings and numbers.

Both endpoints send, and the response cache holds, exactly this.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any
from uuid import UUID

from search.citations import UnsupportedSentence
from search.generations import Usage
from search.stages import SENTENCES, Stage
from search.types import Citation, Hit, QueryReading, SearchResult, VisibleDocument

Json = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """All that a response to a question says."""

    request_id: UUID
    answer: str
    refused: bool
    citations: tuple[Citation, ...]
    hits: tuple[Hit, ...]
    cache: str
    generator: str
    timings: Mapping[str, float]
    usage: Usage
    degraded: tuple[str, ...]
    versions: Mapping[str, str]
    unsupported: tuple[UnsupportedSentence, ...] = ()
    relevance: float | None = None


def search_json(result: SearchResult) -> Json:
    """A search's response. `redirect` is there only when a curation rule leads somewhere, `next_cursor` when a
    cursor goes on."""
    body: Json = {
        "request_id": str(result.request_id),
        "query": reading_json(result.query),
        "hits": [hit_json(hit) for hit in result.hits],
        "total": {"value": result.total.value, "relation": result.total.relation},
        "facets": {
            name: [{"value": facet.value, "count": facet.count} for facet in values]
            for name, values in result.facets.items()
        },
        "facet_counts": "exact" if result.has_exact_facets else "estimated",
        "cache": result.cache,
        "timings": dict(result.timings),
        "degraded": list(result.degraded),
    }
    if result.next_cursor is not None:
        body["next_cursor"] = result.next_cursor
    if result.redirect is not None:
        body["redirect"] = {"url": result.redirect.url, "label": result.redirect.label}
    return body


def reading_json(reading: QueryReading) -> Json:
    """How the query was read; `rewritten`, `corrected` and `did_you_mean` are there only where there is such."""
    parsed = reading.parsed
    body: Json = {
        "text": parsed.text,
        "phrases": list(parsed.phrases),
        "excluded": list(parsed.excluded),
        "filters": [dict(condition) for condition in parsed.filters],
    }
    if reading.rewritten is not None:
        body["rewritten"] = reading.rewritten
    if reading.corrected is not None:
        body["corrected"] = reading.corrected
    if reading.did_you_mean is not None:
        body["did_you_mean"] = reading.did_you_mean
    return body


def answer_json(answer: Answer) -> Json:
    """An answer's response; also the `done` event of a stream. `relevance` is compared with the profile's threshold."""
    return {
        "request_id": str(answer.request_id),
        "answer": answer.answer,
        "refused": answer.refused,
        "citations": [citation_json(citation) for citation in answer.citations],
        "hits": [hit_json(hit) for hit in answer.hits],
        "cache": answer.cache,
        "generator": answer.generator,
        "timings": dict(answer.timings),
        "usage": usage_json(answer),
        "degraded": list(answer.degraded),
        "versions": dict(answer.versions),
        "unsupported": [asdict(one) for one in answer.unsupported],
        "relevance": answer.relevance,
    }


def hit_json(hit: Hit) -> Json:
    """A hit. `explanation`, `more` and `neighbours` are there only when they were asked for, `curated` only when a
    curation rule put it there."""
    body: Json = {"document": document_json(hit.document), **_passage_json(hit)}
    if hit.explanation is not None:
        body["explanation"] = hit.explanation
    if hit.curated is not None:
        body["curated"] = hit.curated
    if hit.more:
        body["more"] = [_passage_json(passage) for passage in hit.more]
    if hit.neighbours:
        body["neighbours"] = [
            {"ordinal": neighbour.ordinal, "text": neighbour.text} for neighbour in hit.neighbours
        ]
    return body


def _passage_json(hit: Hit) -> Json:
    return {
        "chunk": {
            "id": hit.chunk_id,
            "ordinal": hit.ordinal,
            "text": hit.text,
            "headings": list(hit.headings),
            "page": hit.page,
        },
        "score": hit.score,
        "scores": {
            "lexical": hit.scores.lexical,
            "vector": hit.scores.vector,
            "fused": hit.scores.fused,
            "rerank": hit.scores.rerank,
        },
        "highlights": list(hit.highlights),
    }


def whereabouts_json(public_id: str, stage: Stage, facts: Mapping[str, Any], hit: Hit | None) -> Json:
    """Why a document is, or is not, among the results: the stage, in words, and what was seen up to there."""
    return {
        "document": public_id,
        "found": stage is Stage.FOUND,
        "stage": stage.value,
        "detail": SENTENCES[stage],
        "facts": {name: asdict(known) for name, known in facts.items() if known is not None},
        "hit": None if hit is None else hit_json(hit),
    }


def citation_json(citation: Citation) -> Json:
    """A citation; also the `citation` event of a stream."""
    return {
        "marker": citation.marker,
        "document": document_json(citation.document),
        "chunk": {"id": citation.chunk_id, "ordinal": citation.ordinal},
        "quote": citation.quote,
        "url": citation.url,
    }


def document_json(document: VisibleDocument) -> Json:
    """A document as a hit or a citation names it."""
    return {
        "id": document.public_id,
        "title": document.title,
        "url": document.url,
        "metadata": dict(document.metadata),
    }


def usage_json(answer: Answer) -> Json:
    return {"prompt_tokens": answer.usage.prompt_tokens, "completion_tokens": answer.usage.completion_tokens}
