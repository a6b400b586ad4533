"""The API's JSON: names and shapes as the contract has them, and nothing that JSON can't hold."""

import json
from typing import Any
from uuid import UUID

from search.generations import Usage
from search.rendering import Answer, answer_json, citation_json, hit_json, reading_json, search_json
from search.types import Citation, FacetValue, QueryReading, Scores, SearchResult, Total
from search.understanding import parse
from tests.search.passages import make_document, make_hit

REQUEST_ID = UUID("00000000-0000-0000-0000-000000000001")


def as_sent(body: dict[str, Any]) -> Any:
    return json.loads(json.dumps(body))


def test_a_hit_has_its_document_chunk_and_named_scores() -> None:
    hit = make_hit(
        1, "text", title="T", headings=("H",), scores=Scores(1.5, 0.5, 1.0), highlights=("<mark>t</mark>",)
    )
    assert as_sent(hit_json(hit)) == {
        "document": {"id": "doc/1", "title": "T", "url": "https://example.org/1", "metadata": {}},
        "chunk": {"id": "1:1:0", "ordinal": 0, "text": "text", "headings": ["H"], "page": None},
        "score": 1.0,
        "scores": {"lexical": 1.5, "vector": 0.5, "fused": 1.0, "rerank": None},
        "highlights": ["<mark>t</mark>"],
    }


def test_an_explanation_is_there_only_when_asked_for() -> None:
    assert "explanation" not in hit_json(make_hit(1, "text"))
    assert hit_json(make_hit(1, "text", explanation={"value": 1}))["explanation"] == {"value": 1}


def test_a_search_result_has_the_fields_of_the_contract() -> None:
    facets = {"year": (FacetValue(2024, 3),)}
    reading = QueryReading(parse('"a b" -c', {}))
    result = SearchResult(
        REQUEST_ID, reading, (make_hit(1, "t"),), Total(1, "eq"), facets, {"total": 1.0}, ("x",)
    )
    body = as_sent(search_json(result))
    assert body["query"] == {"text": "a b", "phrases": ["a b"], "excluded": ["c"], "filters": []}
    assert {"request_id", "hits", "total", "facets", "timings", "degraded"} <= set(body)
    assert body["request_id"] == str(REQUEST_ID)
    assert (body["total"], body["facets"]) == (
        {"value": 1, "relation": "eq"},
        {"year": [{"value": 2024, "count": 3}]},
    )


def test_what_was_searched_instead_is_there_only_where_there_is_such() -> None:
    reading = QueryReading(parse("pmup", {}), corrected="pump", did_you_mean="pumps")
    body = reading_json(reading)
    assert (body["corrected"], body["did_you_mean"]) == ("pump", "pumps")


def test_an_answer_has_the_fields_of_the_contract() -> None:
    citation = Citation("[1]", make_document(1, title="T"), "1:1:0", 0, "the quote", "https://example.org/1")
    versions = {"profile": "default@3", "prompt": "2", "embedder": "e"}
    answer = Answer(
        REQUEST_ID, "A [1].", False, (citation,), (), "none", "extractive", {}, Usage(2, 3), (), versions
    )
    body = as_sent(answer_json(answer))
    assert body == {
        "request_id": str(REQUEST_ID),
        "answer": "A [1].",
        "refused": False,
        "citations": [as_sent(citation_json(citation))],
        "hits": [],
        "cache": "none",
        "generator": "extractive",
        "timings": {},
        "usage": {"prompt_tokens": 2, "completion_tokens": 3},
        "degraded": [],
        "versions": versions,
        "unsupported": [],
        "relevance": None,
    }
    assert set(body["citations"][0]) == {"marker", "document", "chunk", "quote", "url"}
