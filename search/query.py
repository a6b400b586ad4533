"""Pure: a typed request → the bodies sent to OpenSearch. User text only ever reaches `match` and `match_phrase`.

Two steps. First candidates: one native `hybrid` query, ids alone as docvalues (with `_none_` stored fields the engine
reads no text for the hundreds that will not be shown). Then the page: those ids with their text, highlights and scores.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from search.boosts import Boosts
from search.mapping import (
    CODES_FIELD,
    SPELLING_FIELD,
    SUGGEST_FIELD,
    SUGGEST_HEADINGS_FIELD,
    VECTOR_FIELD,
    text_field,
)
from search.synonyms import Expansion
from search.types import Mode

Body = dict[str, Any]
CANDIDATE_FIELDS = ("document_id", "edition", "ordinal")
LEXICAL, VECTOR = "lexical", "vector"
# Several chunks of one document stand among the best: 60 held ten documents in 97 of 100 queries over a manual.
CANDIDATES_PER_HIT = 6
# Of a boost in the vector leg: its scores, (1 + cosine) / 2, use less than half of their range.
_VECTOR_SHARE = 0.45
DEEPEST = 1000  # candidates per leg, at most
CODE_BOOST = 2.0  # of a code found whole, beside its parts found as words
SYNONYM_BOOST = 0.8  # what was typed counts for more than what may be said in its place
MAX_SYNONYMS = 100  # over all fields
# Of a query over all its fields; a Chinese letter is two. The engine's limit is 1,024: phrases, filters and selected
# values count as well, and a test asks with all of them at their limits.
MAX_TERMS = 320
MAX_SLIPS = 20  # words that a word of a title's beginning may stand for; each is a clause
MAX_SUGGESTED_WORDS = 40
_UNSPACED = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3\uf900-\ufaff"
_TERM = re.compile(rf"[{_UNSPACED}]|[^\W{_UNSPACED}]+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Legs:
    """What is asked of each leg; None leaves it out. `vector` holds the query's embedding, unit length.

    `query` has no operators; `phrases` are the parts of it that were in quotes, `codes` its part numbers and the like,
    where the index has a field for them; `synonyms` what else to look for in each language's text field. `boosts` lift
    what ranks; counts and shown scores know nothing of them.
    """

    query: str
    languages: tuple[str, ...]
    vector: Any | None
    mode: Mode
    phrases: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    synonyms: Mapping[str, tuple[Expansion, ...]] = field(default_factory=dict)
    boosts: Boosts | None = None

    @property
    def fields(self) -> list[str]:
        """The text field of each language that the index holds."""
        return sorted({text_field(language) for language in self.languages}) or [text_field("")]


def lexical_query(legs: Legs) -> Body:
    """BM25 over the text field of each language that the index holds; the best language counts.

    A query of nothing but conditions matches whatever they let through.
    """
    if not legs.query:
        return {"match_all": {}}
    fields = legs.fields
    text = bounded_text(legs.query, MAX_TERMS // len(fields))
    words = _best_of([_field_query(name, text, legs) for name in fields])
    if not legs.codes:
        return words
    whole: Body = {"match": {CODES_FIELD: {"query": " ".join(legs.codes), "boost": CODE_BOOST}}}
    return {"bool": {"should": [words, whole], "minimum_should_match": 1}}


def _field_query(field: str, text: str, legs: Legs) -> Body:
    words = _with_synonyms(field, text, legs.synonyms.get(field, ()), limit=MAX_SYNONYMS // len(legs.fields))
    if not legs.phrases:
        return words
    return {"bool": {"must": [words], "should": [_phrase(field, phrase) for phrase in legs.phrases]}}


def _match(field: str, text: str) -> Body:
    return {"match": {field: {"query": text}}}


def _with_synonyms(field: str, text: str, expansions: Sequence[Expansion], *, limit: int) -> Body:
    """The words; where some have synonyms, the best of these and the words themselves counts for them."""
    rest, either = text, []
    for expansion in reversed(expansions):
        if expansion.end <= len(text):
            said = text[expansion.start : expansion.end]
            also = [_phrase(field, other, boost=SYNONYM_BOOST) for other in expansion.also[:limit]]
            either.append(_best_of([_match(field, said), *also]))
            rest = f"{rest[: expansion.start]} {rest[expansion.end :]}"
            limit = max(0, limit - len(also))
    if not either:
        return _match(field, text)
    if rest.strip():
        either.append(_match(field, " ".join(rest.split())))
    return {"bool": {"should": either[::-1], "minimum_should_match": 1}}


def _phrase(field: str, phrase: str, **options: Any) -> Body:
    return {"match_phrase": {field: {"query": phrase, **options}}}


def _best_of(clauses: list[Body]) -> Body:
    return clauses[0] if len(clauses) == 1 else {"dis_max": {"queries": clauses}}


def bounded_text(text: str, terms: int) -> str:
    """The beginning of a text that gives `terms` terms at most: an engine refuses a query of more than 1,024.

    Each run of letters and digits counts, each sign, and each letter of a script that is written without spaces.
    """
    if len(text) <= terms:
        return text
    found = _TERM.finditer(text)
    last = next(islice(found, terms - 1, None), None)
    return text if last is None else text[: last.end()]


def text_conditions(door: Body, legs: Legs, *, excluded: Sequence[str]) -> Body:
    """The door with what was typed in quotes required and what was typed with a minus left out, for every leg."""
    if not legs.phrases and not excluded:
        return door
    # A phrase of stop words alone has no term in the field: nothing can be required of it.
    required = [_any_field(legs.fields, phrase, zero_terms_query="all") for phrase in legs.phrases]
    body: Body = {"filter": [door, *required]}
    if excluded:
        body["must_not"] = [_any_field(legs.fields, phrase) for phrase in excluded]
    return {"bool": body}


def _any_field(fields: Sequence[str], phrase: str, **options: Any) -> Body:
    clauses = [_phrase(field, phrase, **options) for field in fields]
    return clauses[0] if len(clauses) == 1 else {"bool": {"should": clauses, "minimum_should_match": 1}}


def ranking_query(legs: Legs) -> Body:
    """The lexical leg as it ranks."""
    matching = lexical_query(legs)
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


def word_body(legs: Legs, *, word: str, door: Body) -> Body:
    """Whether a word, in any of its forms, stands anywhere behind the door. A stop word does."""
    return _any_body(_any_field(legs.fields, word, zero_terms_query="all"), door)


def spelling_body(word: str, *, door: Body) -> Body:
    """Whether a word stands anywhere behind the door in exactly these letters."""
    return _any_body({"term": {SPELLING_FIELD: {"value": word}}}, door)


def _any_body(clause: Body, door: Body) -> Body:
    query = {"bool": {"filter": [door, clause]}}
    return {"size": 0, "terminate_after": 1, "track_total_hits": 1, "query": query}


def page_body(legs: Legs, *, chunk_ids: Sequence[str], door: Body, highlight: bool) -> Body:
    """Step two: the page by its ids, the legs as named clauses for each hit's BM25 score and cosine."""
    should = [_named(lexical_query(legs), LEXICAL)]
    if legs.vector is not None:
        should.append(exact_vector_query(legs.vector))
    body: Body = {
        "size": len(chunk_ids),
        "_source": ["headings", "body", "page", "ordinal"],
        "track_total_hits": False,
        "query": {"bool": {"filter": [{"ids": {"values": list(chunk_ids)}}, door], "should": should}},
    }
    return body | {"highlight": _highlight(legs.fields)} if highlight else body


def best_passages_body(legs: Legs, *, document_id: int, edition: int, door: Body, size: int) -> Body:
    """The passages of one document that fit the query best; the first ones where none fits at all."""
    should = [lexical_query(legs)]
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
    exact = _beginnings(text)
    nearly = exact | {"fuzziness": "AUTO", "prefix_length": 1, "max_expansions": MAX_SLIPS}
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


def suggest_headings_body(text: str, *, door: Body, size: int) -> Body:
    """Chunks, one a document, under headings with words that begin with each of the text's, as they stand. Those words
    may stand in several of a chunk's headings."""
    return {
        "size": size,
        "_source": ["headings"],
        "docvalue_fields": list(CANDIDATE_FIELDS),
        "track_total_hits": False,
        "query": {
            "bool": {"must": [{"match": {SUGGEST_HEADINGS_FIELD: _beginnings(text)}}], "filter": [door]}
        },
        "collapse": {"field": "document_id"},
        "sort": [{"_score": "desc"}, {"document_id": "asc"}, {"ordinal": "asc"}],
    }


def _beginnings(text: str) -> Body:
    return {"query": bounded_text(text, MAX_SUGGESTED_WORDS), "operator": "and"}


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


def _highlight(fields: Sequence[str]) -> Body:
    """Escaped first, then marked: a highlight is HTML whose only tag is <mark>."""
    options = {"type": "unified", "fragment_size": 220, "number_of_fragments": 3, "order": "none"}
    return {
        "encoder": "html",
        "pre_tags": ["<mark>"],
        "post_tags": ["</mark>"],
        "fields": dict.fromkeys(fields, options),
    }
