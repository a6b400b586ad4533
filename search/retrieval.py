"""Runs the two steps of a search on the engine and decodes what comes back; reports shards that did not answer."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from search import query, spelling
from search.client import ResponseError, encode, get_client, may_pass, unavailable
from search.counting import Counting, count_body, decode_counts, decode_estimates, estimate_body
from search.exceptions import OpenSearchUnavailable
from search.mapping import SUGGEST_FIELD, VECTOR_FIELD
from search.ordering import Order, Place, listing_body
from search.pipelines import FusionSpec, SearchPipeline, search_pipeline
from search.types import Candidate, FacetValue, Mode, Neighbour, Retrieved, Total

_NO_TOTAL = Total(0, "gte")
_ensured_pipelines: set[str] = set()
_suggests: dict[str, bool] = {}  # by physical index, whose mapping of titles never changes


@dataclass(frozen=True, slots=True)
class Suggested:
    """First chunks of documents whose title goes on what is typed; chunks with all their headings, one of which may."""

    titles: tuple[Candidate, ...]
    headings: tuple[tuple[Candidate, tuple[str, ...]], ...]


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

    `door` is `allowed` with what was typed in quotes or with a minus. `words` are looked up for spelling. `counting`
    None: nothing is counted. `shares_pipeline` False: the pipeline goes with the query instead of being put, since what
    requests make up would fill the cluster's state.
    """

    index: str
    legs: query.Legs
    allowed: query.Body
    door: query.Body
    depth: int
    size: int
    fusion: FusionSpec
    counting: Counting | None
    shares_pipeline: bool = True
    words: tuple[str, ...] = ()


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
    return _retrieved(request, body)


def listed(request: CandidatesQuery, order: Order, *, after: Place, one_a_document: bool) -> Retrieved:
    """Step one of a sorted search: the lexical matches in their order, after a place. Depth and fusion do not matter.

    Raises OpenSearchUnavailable.
    """
    body = listing_body(
        request.legs,
        order,
        door=request.door,
        size=request.size,
        after=after,
        one_a_document=one_a_document,
    )
    return _retrieved(request, body)


def _retrieved(request: CandidatesQuery, body: query.Body) -> Retrieved:
    if request.words:
        body = body | {"suggest": spelling.suggest_body(request.words)}
    counting = request.counting
    counts = [] if counting is None else [count_body(request.legs, counting)]
    found, *counted = answers = _multi_search(request.index, [body, *counts])
    total, facets, has_exact_facets = (
        (_NO_TOTAL, {}, True) if counting is None else _counted(request, counting, counted[0])
    )
    return Retrieved(
        candidates=tuple(_decode_candidate(hit) for hit in found["hits"]["hits"]),
        total=total,
        facets=facets,
        has_exact_facets=has_exact_facets,
        is_partial=any(answer["_shards"]["failed"] or answer["timed_out"] for answer in answers),
        suggestions=spelling.suggestions(found),
    )


def _counted(
    request: CandidatesQuery, counting: Counting, answer: Mapping[str, Any]
) -> tuple[Total, Mapping[str, tuple[FacetValue, ...]], bool]:
    """Total and facets, and whether these are exact: of more documents than are counted they are estimated."""
    counted = decode_counts(answer, counting)
    if counted.is_exact:
        return counted.total, counted.facets, True
    [estimated] = _multi_search(request.index, [estimate_body(request.legs, counting)])
    return counted.total, decode_estimates(estimated, counting), False


def leg_candidates(request: CandidatesQuery) -> tuple[tuple[Candidate, ...], tuple[Candidate, ...]]:
    """Step one without fusion: the `depth` best of the lexical and of the vector leg, by the leg's own scores."""
    bodies = [
        query.candidates_body(
            replace(request.legs, mode=mode),
            door=request.door,
            depth=request.depth,
            size=request.depth,
            pipeline=None,
        )
        for mode in (Mode.LEXICAL, Mode.VECTOR)
    ]
    lexical, vector = (
        tuple(_decode_candidate(hit) for hit in answer["hits"]["hits"])
        for answer in _multi_search(request.index, bodies)
    )
    return lexical, vector


def nearest_words(index: str, words: Sequence[str]) -> dict[str, tuple[str, ...]]:
    """word → the nearest other words of the index, whether or not it has the word itself."""
    body = {"size": 0, "suggest": spelling.suggest_body(words, missing_only=False)}
    return spelling.suggestions(_multi_search(index, [body])[0])


def match_anything(index: str, bodies: Sequence[query.Body]) -> list[bool]:
    """For each body whether it matches anything."""
    if not bodies:
        return []
    return [answer["hits"]["total"]["value"] > 0 for answer in _multi_search(index, bodies)]


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
    """Chunks behind each of three doors, one in the other, and their best BM25 score and cosine behind the last.

    `lost_words`: BM25 matches behind the second door, but not behind the last.
    """

    passages: int
    filtered: int
    enabled: int
    lost_words: bool
    lexical: float | None
    vector: float | None


def seen_in_index(index: str, legs: query.Legs, *, doors: Sequence[Sequence[query.Body]]) -> SeenInIndex:
    """What the index has of some chunks, each leg for itself. Raises OpenSearchUnavailable."""
    _, filtered, enabled = doors
    lexical = query.lexical_query(legs)
    bodies = [query.best_score_body(None, within=door) for door in doors]
    bodies += [query.best_score_body(lexical, within=door) for door in (filtered, enabled)]
    if legs.vector is not None:
        bodies.append(query.best_score_body(query.exact_vector_query(legs.vector), within=enabled))
    answers = [answer["hits"] for answer in _multi_search(index, bodies)]
    counts = [hits["total"]["value"] for hits in answers]
    best = [hits["hits"][0]["_score"] if hits["hits"] else None for hits in answers]
    vector = best[5] if legs.vector is not None else None
    return SeenInIndex(
        passages=counts[0],
        filtered=counts[1],
        enabled=counts[2],
        lost_words=counts[3] > 0 and counts[4] == 0,
        lexical=best[4],
        vector=None if vector is None else query.cosine(vector),
    )


def read_texts(index: str, chunk_ids: Sequence[str], *, door: query.Body) -> dict[str, Neighbour]:
    """The texts of chunks by id; one that is not there is left out. Raises OpenSearchUnavailable."""
    with _engine_errors():
        answer = get_client().search(index=index, body=query.texts_body(chunk_ids, door=door))
    return {
        hit["_id"]: Neighbour(hit["_source"]["ordinal"], hit["_source"]["body"])
        for hit in answer["hits"]["hits"]
    }


def read_vectors(index: str, chunk_ids: Sequence[str], *, door: query.Body) -> dict[str, list[float]]:
    """The vectors of chunks by id; one that is not there is left out. Raises OpenSearchUnavailable."""
    with _engine_errors():
        answer = get_client().search(index=index, body=query.vectors_body(chunk_ids, door=door))
    return {hit["_id"]: hit["_source"][VECTOR_FIELD] for hit in answer["hits"]["hits"]}


def suggested(index: str, text: str, *, door: query.Body, size: int) -> Suggested:
    """Documents whose titles match, best first, each by its first chunk, and chunks whose headings do. Raises
    OpenSearchUnavailable.
    """
    bodies = [make(text, door=door, size=size) for make in (query.suggest_body, query.suggest_headings_body)]
    titles, headings = (answer["hits"]["hits"] for answer in _multi_search(index, bodies))
    return Suggested(
        titles=tuple(_decode_candidate(hit) for hit in titles),
        headings=tuple((_decode_candidate(hit), tuple(hit["_source"]["headings"])) for hit in headings),
    )


def has_suggestions(index: str) -> bool:
    """Whether an index was made with titles to suggest from; asked once a process. Raises OpenSearchUnavailable."""
    if index not in _suggests:
        with _engine_errors():
            fields = get_client().indices.get_field_mapping(fields=SUGGEST_FIELD, index=index)
        _suggests[index] = bool(fields[index]["mappings"])
    return _suggests[index]


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
    if status == 404 or may_pass(status) or "is not defined" in reason:
        return OpenSearchUnavailable(f"OpenSearch can not search now ({reason}).")
    causes = "; ".join(str(cause.get("reason")) for cause in error.get("root_cause", ()))
    return RuntimeError(f"OpenSearch refused the query: {reason}: {causes}")


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
        place=tuple(hit.get("sort", ())),
    )


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
