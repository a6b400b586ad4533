"""Pure: a typed request → the bodies sent to OpenSearch. User text only ever reaches `match`.

Two steps. First candidates: one native `hybrid` query, ids alone as docvalues (with `_none_` stored fields
the engine reads
no text for the hundreds that will not be shown). Then the page: those ids with their text, highlights and
per-leg scores.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from search.boosts import Boosts
from search.mapping import SUGGEST_FIELD, VECTOR_FIELD, text_field
from search.types import Mode

Body = dict[str, Any]
CANDIDATE_FIELDS = ("document_id", "edition", "ordinal")
LEXICAL, VECTOR = "lexical", "vector"
# Several chunks of one document stand among the best: 60 held ten documents in 97 of 100 queries over a manual.
CANDIDATES_PER_HIT = 6
# Of a boost in the vector leg: its scores, (1 + cosine) / 2, use less than half of their range.
_VECTOR_SHARE = 0.45
DEEPEST = 1000  # candidates per leg, at most


@dataclass(frozen=True, slots=True)
class Legs:
    """What is asked of each leg; None leaves it out. `vector` holds the query's embedding, unit length.

    `boosts` lift what ranks; counts and shown scores know nothing of them.
    """

    query: str
    languages: tuple[str, ...]
    vector: Any | None
    mode: Mode
    boosts: Boosts | None = None


def lexical_query(query: str, languages: Sequence[str]) -> Body:
    """BM25 over the text field of each language that the index holds; the best language counts."""
    fields = sorted({text_field(language) for language in languages}) or [text_field("")]
    matches: list[Body] = [{"match": {name: {"query": query}}} for name in fields]
    return matches[0] if len(matches) == 1 else {"dis_max": {"queries": matches}}


def ranking_query(legs: Legs) -> Body:
    """The lexical leg as it ranks."""
    matching = lexical_query(legs.query, legs.languages)
    return matching if legs.boosts is None else legs.boosts.lift(matching)


def _lifted_vector(legs: Legs, clause: Body) -> Body:
    return clause if legs.boosts is None else legs.boosts.lift(clause, share=_VECTOR_SHARE)


def vector_query(vector: Any, k: int) -> Body:
    return {"knn": {VECTOR_FIELD: {"vector": vector, "k": k}}}


def ids_alone(size: int) -> Body:
    """What is read of candidates: no text, no stored field."""
    return {
        "size": size,
        "_source": False,
        "stored_fields": "_none_",
        "docvalue_fields": list(CANDIDATE_FIELDS),
        "track_total_hits": False,
    }


def candidates_body(legs: Legs, *, door: Body, depth: int, size: int, pipeline: Body | str | None) -> Body:
    """Step one: the best `size` chunk ids by fused score, of `depth` from each leg.

    Hybrid takes the door as its own `filter`, so that it holds for both legs.
    """
    body = ids_alone(size)
    lexical = ranking_query(legs)
    if legs.mode is Mode.LEXICAL or legs.vector is None:
        return body | {"query": {"bool": {"must": [lexical], "filter": [door]}}}
    if legs.mode is Mode.VECTOR:
        knn = {"knn": {VECTOR_FIELD: {"vector": legs.vector, "k": depth, "filter": door}}}
        return body | {"query": _lifted_vector(legs, knn)}
    hybrid = {
        "queries": [lexical, _lifted_vector(legs, vector_query(legs.vector, depth))],
        "filter": door,
        "pagination_depth": depth,
    }
    return body | {"query": {"hybrid": hybrid}, "search_pipeline": pipeline}


def page_body(legs: Legs, *, chunk_ids: Sequence[str], door: Body, highlight: bool) -> Body:
    """Step two: the page by its ids, the legs as named clauses for each hit's BM25 score and cosine."""
    should = [_named(lexical_query(legs.query, legs.languages), LEXICAL)]
    if legs.vector is not None:
        should.append(exact_vector_query(legs.vector))
    body: Body = {
        "size": len(chunk_ids),
        "_source": ["headings", "body", "page", "ordinal"],
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"ids": {"values": list(chunk_ids)}}, door], "should": should}},
    }
    return body | {"highlight": _highlight(legs.languages)} if highlight else body


def best_passages_body(legs: Legs, *, document_id: int, edition: int, door: Body, size: int) -> Body:
    """The passages of one document that fit the query best; the first ones where none fits at all."""
    should = [lexical_query(legs.query, legs.languages)]
    if legs.vector is not None:
        should.append(exact_vector_query(legs.vector))
    own = own_passages(document_id, edition)
    return ids_alone(size) | {
        "query": {"bool": {"filter": [*own, door], "should": should}},
        "sort": ["_score", {"ordinal": "asc"}],
    }


def own_passages(document_id: int, edition: int, *, ordinal: int | None = None) -> list[Body]:
    """Filters that leave one edition of a document, or one passage of it."""
    wanted = {"document_id": document_id, "edition": edition, "ordinal": ordinal}
    return [{"term": {name: {"value": value}}} for name, value in wanted.items() if value is not None]


def best_score_body(clause: Body | None, *, within: Sequence[Body]) -> Body:
    """How many chunks lie within the filters, or match the clause there, and the best one's score."""
    body: Body = {"query": {"bool": {"filter": list(within), "must": [clause] if clause else []}}}
    return body | {"size": 1, "_source": False, "stored_fields": "_none_", "track_total_hits": True}


def texts_body(chunk_ids: Sequence[str], *, door: Body) -> Body:
    """Chunks by their ids for their texts alone."""
    return {
        "size": len(chunk_ids),
        "_source": ["body", "ordinal"],
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"ids": {"values": list(chunk_ids)}}, door]}},
    }


def vectors_body(chunk_ids: Sequence[str], *, door: Body) -> Body:
    """Chunks by their ids for their vectors alone."""
    return texts_body(chunk_ids, door=door) | {"_source": [VECTOR_FIELD]}


def suggest_body(text: str, *, door: Body, size: int) -> Body:
    """Documents whose title has a word that begins with each of the text's, as they stand or with a slip.

    The first chunk of each stands for it. What matches as it stands comes before what a slip explains.
    """
    exact = {"query": text, "operator": "and"}
    nearly = exact | {"fuzziness": "AUTO", "prefix_length": 1, "max_expansions": 20}
    first_chunks: Body = {"term": {"ordinal": {"value": 0}}}
    return ids_alone(size) | {
        "query": {
            "bool": {
                "must": [{"match": {SUGGEST_FIELD: nearly}}],
                "should": [
                    {"constant_score": {"filter": {"match": {SUGGEST_FIELD: exact}}, "boost": 1000.0}}
                ],
                "filter": [first_chunks, door],
            }
        },
        "sort": [{"_score": "desc"}, {"document_id": "asc"}],
    }


def _named(clause: Body, name: str) -> Body:
    return {"bool": {"must": [clause], "_name": name}}


def exact_vector_query(vector: Any) -> Body:
    """Every chunk by the plugin's exact score, (1 + cosine) / 2, however far beyond k: see `cosine`."""
    params = {"field": VECTOR_FIELD, "query_value": vector, "space_type": "cosinesimil"}
    script = {"source": "knn_score", "lang": "knn", "params": params}
    return {"script_score": {"query": {"match_all": {}}, "script": script, "_name": VECTOR}}


def cosine(score: float) -> float:
    """The engine's score of a cosine field → the cosine. Source: k-NN plugin docs, spaces, `cosinesimil`."""
    return 2.0 * score - 1.0


def _highlight(languages: Sequence[str]) -> Body:
    """Escaped first, then marked: a highlight is HTML whose only tag is <mark>."""
    fields = sorted({text_field(language) for language in languages})
    options = {"type": "unified", "fragment_size": 220, "number_of_fragments": 3, "order": "none"}
    return {
        "encoder": "html",
        "pre_tags": ["<mark>"],
        "post_tags": ["</mark>"],
        "fields": dict.fromkeys(fields, options),
    }
