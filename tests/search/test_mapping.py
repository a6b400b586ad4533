"""What a chunk looks like in the index. Pure."""

from search.mapping import ANALYZERS, IndexSettings, VectorSettings, index_body, searchable_texts
from search.records import ChunkRecord


def chunk(text: str, *headings: str) -> ChunkRecord:
    return ChunkRecord(1, 1, 0, text, headings, None, [0.0])


def test_the_title_counts_twice_in_what_words_are_looked_up_in() -> None:
    texts = searchable_texts(chunk("It moves water.", "Manual", "Start"), "Pump")
    assert texts == ["It moves water.", "Pump", "Pump", "Manual", "Start"]


def test_a_heading_that_is_the_title_does_not_count_again() -> None:
    assert searchable_texts(chunk("It moves water.", "Pump", "Start"), "Pump") == [
        "It moves water.",
        "Pump",
        "Pump",
        "Start",
    ]


def test_no_title_leaves_the_text_alone() -> None:
    assert searchable_texts(chunk("It moves water."), "") == ["It moves water."]


def test_every_analyzer_of_our_own_is_defined_by_the_index() -> None:
    body = index_body(
        IndexSettings(VectorSettings(384, "lucene", "in_memory", "1x"), shards=1, replicas=0), meta={}
    )
    ours = body["settings"]["analysis"]["analyzer"]
    assert set(ours) == {
        ANALYZERS["en"],
        ANALYZERS["zh"],
        "codes",
        "spelling",
        "suggest_titles",
        "suggest_words",
    }
    assert {"what", "how", "would"} <= set(ours[ANALYZERS["en"]]["stopwords"])
    assert body["mappings"]["properties"]["text_en"]["analyzer"] == ANALYZERS["en"]
