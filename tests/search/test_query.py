"""Golden bodies: exactly what is sent to OpenSearch. Pure."""

from search import query
from search.query import Legs
from search.synonyms import Expansion
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
    assert query.lexical_query(Legs("pump", ("de", "en", "xx"), None, Mode.LEXICAL)) == {
        "dis_max": {
            "queries": [
                {"match": {"text_de": {"query": "pump"}}},
                {"match": {"text_en": {"query": "pump"}}},
                {"match": {"text_other": {"query": "pump"}}},
            ]
        }
    }


def test_a_phrase_counts_beside_its_words() -> None:
    legs = Legs("pump first start", ("en",), None, Mode.LEXICAL, ("first start",))
    assert query.lexical_query(legs) == {
        "bool": {
            "must": [{"match": {"text_en": {"query": "pump first start"}}}],
            "should": [{"match_phrase": {"text_en": {"query": "first start"}}}],
        }
    }


def test_a_code_found_whole_counts_beside_its_parts() -> None:
    assert query.lexical_query(Legs("error E-21", ("en",), None, Mode.LEXICAL, (), ("E-21",))) == {
        "bool": {
            "should": [
                {"match": {"text_en": {"query": "error E-21"}}},
                {"match": {"codes": {"query": "E-21", "boost": query.CODE_BOOST}}},
            ],
            "minimum_should_match": 1,
        }
    }


def test_the_best_of_a_word_and_its_synonyms_counts() -> None:
    also = (Expansion(6, 15, ("hp", "warmth pump")),)
    legs = Legs("start heat pump now", ("en",), None, Mode.LEXICAL, synonyms={"text_en": also})
    assert query.lexical_query(legs) == {
        "bool": {
            "should": [
                {"match": {"text_en": {"query": "start now"}}},
                {
                    "dis_max": {
                        "queries": [
                            {"match": {"text_en": {"query": "heat pump"}}},
                            {"match_phrase": {"text_en": {"query": "hp", "boost": 0.8}}},
                            {"match_phrase": {"text_en": {"query": "warmth pump", "boost": 0.8}}},
                        ]
                    }
                },
            ],
            "minimum_should_match": 1,
        }
    }


def test_a_query_of_operators_alone_matches_whatever_they_let_through() -> None:
    assert query.lexical_query(Legs("", ("en",), None, Mode.LEXICAL)) == {"match_all": {}}


def test_phrases_are_required_and_exclusions_left_out_behind_the_door() -> None:
    legs = Legs("first start", ("de", "en"), None, Mode.LEXICAL, ("first start",))
    body = query.text_conditions(DOOR, legs, excluded=("motor",))
    assert body == {
        "bool": {
            "filter": [
                DOOR,
                {
                    "bool": {
                        "should": [
                            {"match_phrase": {f: {"query": "first start", "zero_terms_query": "all"}}}
                            for f in ("text_de", "text_en")
                        ],
                        "minimum_should_match": 1,
                    }
                },
            ],
            "must_not": [
                {
                    "bool": {
                        "should": [{"match_phrase": {f: {"query": "motor"}}} for f in ("text_de", "text_en")],
                        "minimum_should_match": 1,
                    }
                }
            ],
        }
    }


def test_without_operators_the_door_stays_what_it_is() -> None:
    assert query.text_conditions(DOOR, HYBRID, excluded=()) is DOOR


def test_a_long_query_is_cut_where_the_engine_would_refuse_it() -> None:
    words = " ".join(f"w{n}" for n in range(900))
    assert len(query.bounded_text(words, 350).split()) == 350
    assert len(query.bounded_text("漢" * 900, 350)) == 350
    assert query.bounded_text("two words", 350) == "two words"


def test_the_page_is_read_by_ids_behind_the_door_with_named_legs() -> None:
    body = query.page_body(HYBRID, chunk_ids=["1:1:0"], door=DOOR, highlight=False)
    assert body["query"]["bool"]["filter"] == [{"ids": {"values": ["1:1:0"]}}, DOOR]
    names = [clause[next(iter(clause))]["_name"] for clause in body["query"]["bool"]["should"]]
    assert names == ["lexical", "vector"]
    assert "highlight" not in body


def test_the_engines_score_becomes_the_cosine() -> None:
    assert query.cosine(1.0) == 1.0
    assert query.cosine(0.5) == 0.0
