"""Runs the two steps of a search on the engine and decodes what comes back; reports shards that did not answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search import query
from search.client import ResponseError, encode, get_client, unavailable
from search.exceptions import OpenSearchUnavailable
from search.pipelines import FusionSpec, SearchPipeline, search_pipeline
from search.types import Candidate, FacetValue, FieldSpec, FieldType, Mode, Retrieved, Total

_NO_TOTAL = Total(0, "gte")
_ensured_pipelines: set[str] = set()


@dataclass(frozen=True, slots=True)
class ReadChunk:
    """A chunk of the page as the index has it, with its exact per-leg scores."""

    chunk_id: str
    ordinal: int
    text: str
    headings: tuple[str, ...]
    page: int | None
    lexical: float | None
    vector: float | None
    highlights: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CandidatesQuery:
    """Step one, ready to run: `depth` candidates of each leg are fused and the best `size` of them given.

    `facets` None: nothing is counted. `shares_pipeline` False: the pipeline goes with the query instead of being put,
    since what requests make up would fill the cluster's state.
    """

    index: str
    legs: query.Legs
    door: query.Body
    depth: int
    size: int
    fusion: FusionSpec
    facets: Mapping[str, FieldSpec] | None
    shares_pipeline: bool = True


def candidates(request: CandidatesQuery) -> Retrieved:
    """Step one: fused candidates, the total and the facets, in one round trip.

    Raises OpenSearchUnavailable when the engine is down or no shard answers.
    """
    body = query.candidates_body(
        request.legs,
        door=request.door,
        depth=request.depth,
        size=request.size,
        pipeline=_pipeline(request),
    )
    bodies = [body]
    if request.facets is not None:
        bodies.append(query.count_body(request.legs, door=request.door, facets=request.facets))
    answers = _multi_search(request.index, bodies)
    total, facets = (
        _decode_counts(answers[1], request.facets) if request.facets is not None else (_NO_TOTAL, {})
    )
    return Retrieved(
        candidates=tuple(_decode_candidate(hit) for hit in answers[0]["hits"]["hits"]),
        total=total,
        facets=facets,
        is_partial=any(answer["_shards"]["failed"] or answer["timed_out"] for answer in answers),
    )


def read_page(
    index: str, legs: query.Legs, *, chunk_ids: Sequence[str], door: query.Body, highlight: bool
) -> dict[str, ReadChunk]:
    """Step two: the text, highlights and per-leg scores of chunks, by id. An id that is gone is left out."""
    body = query.page_body(legs, chunk_ids=chunk_ids, door=door, highlight=highlight)
    with _engine_errors():
        answer = get_client().search(index=index, body=body, params={"include_named_queries_score": "true"})
    return {hit["_id"]: _decode_chunk(hit) for hit in answer["hits"]["hits"]}


def best_passages(
    index: str, legs: query.Legs, *, editions: Mapping[int, int], door: query.Body, per_document: int
) -> dict[int, tuple[Candidate, ...]]:
    """The best passages of each document, given with its live edition, behind the door. Their fused score is 0:
    the legs did not bring them."""
    bodies = [
        query.best_passages_body(legs, document_id=document, edition=edition, door=door, size=per_document)
        for document, edition in editions.items()
    ]
    answers = _multi_search(index, bodies)
    return {
        document: tuple(replace(_decode_candidate(hit), score=0.0) for hit in answer["hits"]["hits"])
        for document, answer in zip(editions, answers, strict=True)
    }


def windows(request: CandidatesQuery, legs: Sequence[str]) -> dict[str, dict[str, float]]:
    """What each of the named legs looked at: chunk id → the engine's score, best first."""
    bodies = [
        query.candidates_body(
            replace(request.legs, mode=Mode(leg)),
            door=request.door,
            depth=request.depth,
            size=request.depth,
            pipeline=None,
        )
        for leg in legs
    ]
    answers = _multi_search(request.index, bodies)
    return {
        leg: {_decode_candidate(hit).chunk_id: hit["_score"] for hit in answer["hits"]["hits"]}
        for leg, answer in zip(legs, answers, strict=True)
    }


@dataclass(frozen=True, slots=True)
class SeenInIndex:
    """Chunks behind the open door and behind the whole one, and their best BM25 score and cosine there."""

    passages: int
    filtered: int
    lexical: float | None
    vector: float | None


def seen_in_index(
    index: str, legs: query.Legs, *, open_door: Sequence[query.Body], door: Sequence[query.Body]
) -> SeenInIndex:
    """What the index has of some chunks, each leg for itself. Raises OpenSearchUnavailable."""
    lexical = query.lexical_query(legs.query, legs.languages)
    bodies = [
        query.best_score_body(None, within=open_door),
        query.best_score_body(None, within=door),
        query.best_score_body(lexical, within=door),
    ]
    if legs.vector is not None:
        bodies.append(query.best_score_body(query.exact_vector_query(legs.vector), within=door))
    answers = [answer["hits"] for answer in _multi_search(index, bodies)]
    best = [hits["hits"][0]["_score"] if hits["hits"] else None for hits in answers]
    vector = best[3] if legs.vector is not None else None
    return SeenInIndex(
        passages=answers[0]["total"]["value"],
        filtered=answers[1]["total"]["value"],
        lexical=best[2],
        vector=None if vector is None else query.cosine(vector),
    )


def _multi_search(index: str, bodies: Sequence[query.Body]) -> list[dict[str, Any]]:
    header = encode({"index": index})
    lines = b"".join(header + b"\n" + encode(body) + b"\n" for body in bodies)
    with _engine_errors():
        answers: list[dict[str, Any]] = get_client().msearch(body=lines)["responses"]
    for answer in answers:
        if error := answer.get("error"):
            raise _answer_error(error, int(answer.get("status", 500)))
    return answers


def _answer_error(error: Mapping[str, Any], status: int) -> Exception:
    reason = f"{error.get('type')}: {error.get('reason')}"
    if (
        "is not defined" in reason
    ):  # the pipeline is gone with the node's data: put it again at the next query
        _ensured_pipelines.clear()
    if status in (404, 429, 500, 502, 503, 504) or "is not defined" in reason:
        return OpenSearchUnavailable(f"OpenSearch can not search now ({reason}).")
    return RuntimeError(f"OpenSearch refused the query: {reason}")


def _pipeline(request: CandidatesQuery) -> query.Body | str | None:
    if request.legs.mode is not Mode.HYBRID or request.legs.vector is None:
        return None
    pipeline = search_pipeline(request.fusion)
    return _ensured(pipeline) if request.shares_pipeline else pipeline.body


def _ensured(pipeline: SearchPipeline) -> str:
    """Put a search pipeline once a process; its name says what it does, so that it never changes."""
    if pipeline.name not in _ensured_pipelines:
        with _engine_errors():
            get_client().http.put(f"/_search/pipeline/{pipeline.name}", body=pipeline.body)
        _ensured_pipelines.add(pipeline.name)
    return pipeline.name


def _decode_candidate(hit: Mapping[str, Any]) -> Candidate:
    fields = hit["fields"]
    return Candidate(
        document_id=fields["document_id"][0],
        edition=fields["edition"][0],
        ordinal=fields["ordinal"][0],
        score=hit["_score"],
    )


def _decode_counts(
    answer: Mapping[str, Any], facets: Mapping[str, FieldSpec]
) -> tuple[Total, dict[str, tuple[FacetValue, ...]]]:
    aggregations = answer["aggregations"]
    count = int(aggregations["documents"]["value"])
    total = Total(count, "eq") if count <= query.COUNT_LIMIT else Total(query.COUNT_LIMIT, "gte")
    decoded = {
        name: tuple(_facet_value(bucket, spec) for bucket in aggregations[f"facet:{name}"]["buckets"])
        for name, spec in facets.items()
    }
    return total, decoded


def _facet_value(bucket: Mapping[str, Any], spec: FieldSpec) -> FacetValue:
    value = bucket["key"]
    if spec.type is FieldType.BOOLEAN:
        value = bool(value)
    elif spec.type is FieldType.DATE:
        value = bucket["key_as_string"]
    return FacetValue(value, int(bucket["documents"]["value"]))


def _decode_chunk(hit: Mapping[str, Any]) -> ReadChunk:
    source = hit["_source"]
    scores = hit.get("matched_queries", {})
    fragments = [fragment for field in hit.get("highlight", {}).values() for fragment in field]
    return ReadChunk(
        chunk_id=hit["_id"],
        ordinal=source["ordinal"],
        text=source["body"],
        headings=tuple(source["headings"]),
        page=source.get("page"),
        lexical=scores.get(query.LEXICAL),
        vector=query.cosine(scores[query.VECTOR]) if query.VECTOR in scores else None,
        highlights=tuple(dict.fromkeys(fragments)),  # the title stands there twice
    )


class _engine_errors:  # noqa: N801  reads as a statement: `with _engine_errors():`
    """An engine that is down, overloaded or without the index is OpenSearchUnavailable; anything else is
    our mistake."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ResponseError):
            if down := unavailable(error):
                raise down from error
            if error.status_code == 404:
                raise OpenSearchUnavailable("The tenant's index is not there; rebuild it or wait.") from error
