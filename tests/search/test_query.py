"""Golden bodies: exactly what is sent to OpenSearch. Pure."""

from search import query
from search.query import Legs
from search.types import Mode

DOOR = {"bool": {"filter": [{"term": {"tenant": {"value": "t"}}}]}}
HYBRID = Legs("pump start", ("en",), [0.6, 0.8], Mode.HYBRID)
MATCH = {"match": {"text_en": {"query": "pump start"}}}


def test_hybrid_candidates_are_ids_alone_with_the_door_as_the_querys_own_filter() -> None:
    assert query.candidates_body(HYBRID, door=DOOR, depth=100, size=60, pipeline="ragsite-x") == {
        "size": 60,
        "_source": False,
        "stored_fields": "_none_",
        "docvalue_fields": ["document_id", "edition", "ordinal"],
        "track_total_hits": False,
        "query": {
            "hybrid": {
                "queries": [MATCH, {"knn": {"vector": {"vector": [0.6, 0.8], "k": 100}}}],
                "filter": DOOR,
                "pagination_depth": 100,
            }
        },
        "search_pipeline": "ragsite-x",
    }


def test_one_leg_alone_takes_the_door_in_filter_context() -> None:
    lexical = query.candidates_body(
        Legs("pump start", ("en",), None, Mode.LEXICAL), door=DOOR, depth=10, size=10, pipeline=None
    )
    assert lexical["query"] == {"bool": {"must": [MATCH], "filter": [DOOR]}}
    vector = Legs("pump start", ("en",), [0.6, 0.8], Mode.VECTOR)
    body = query.candidates_body(vector, door=DOOR, depth=10, size=10, pipeline=None)
    assert body["query"] == {"knn": {"vector": {"vector": [0.6, 0.8], "k": 10, "filter": DOOR}}}


def test_several_languages_ask_each_its_field_and_the_best_counts() -> None:
    assert query.lexical_query("pump", ("de", "en", "xx")) == {
        "dis_max": {
            "queries": [
                {"match": {"text_de": {"query": "pump"}}},
                {"match": {"text_en": {"query": "pump"}}},
                {"match": {"text_other": {"query": "pump"}}},
            ]
        }
    }


def test_the_page_is_read_by_ids_behind_the_door_with_named_legs() -> None:
    body = query.page_body(HYBRID, chunk_ids=["1:1:0"], door=DOOR, highlight=False)
    assert body["query"]["bool"]["filter"] == [{"ids": {"values": ["1:1:0"]}}, DOOR]
    names = [clause[next(iter(clause))]["_name"] for clause in body["query"]["bool"]["should"]]
    assert names == ["lexical", "vector"]
    assert "highlight" not in body


def test_the_engines_score_becomes_the_cosine() -> None:
    assert query.cosine(1.0) == 1.0
    assert query.cosine(0.5) == 0.0
