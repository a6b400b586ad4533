"""The measures against cases computed by hand, and reading judged sets."""

import json
from math import log2
from pathlib import Path

import pytest

from search.evaluation.datasets import DatasetError, Passage, Query, read_set
from search.evaluation.measures import mean, ndcg, recall, reciprocal_rank
from search.evaluation.runs import MetadataFilter, Ranked, figures

GRADED = {"a": 3, "b": 1, "c": 2, "unjudged gain": 0, "spam": -2}


def test_a_perfect_ranking_has_an_ndcg_of_one() -> None:
    assert ndcg(["a", "c", "b"], GRADED, at=10) == pytest.approx(1.0)


def test_gains_are_linear_and_discounted_by_the_logarithm_of_the_rank() -> None:
    best = 3 + 2 / log2(3) + 1 / log2(4)
    assert ndcg(["x", "c", "a"], GRADED, at=10) == pytest.approx((2 / log2(3) + 3 / log2(4)) / best)


def test_the_best_possible_gain_is_cut_at_the_same_rank() -> None:
    assert ndcg(["a"], GRADED, at=1) == pytest.approx(1.0)
    assert ndcg(["b", "a"], GRADED, at=1) == pytest.approx(1 / 3)


def test_a_negative_gain_counts_as_none() -> None:
    assert ndcg(["spam", "a"], {"a": 1, "spam": -2}, at=10) == pytest.approx(1 / log2(3))
    assert recall(["spam"], GRADED, at=10) == 0.0
    assert reciprocal_rank(["spam"], GRADED, at=10) == 0.0


def test_recall_counts_relevant_documents_among_the_first() -> None:
    assert recall(["a", "x", "b"], GRADED, at=2) == pytest.approx(1 / 3)
    assert recall(["a", "x", "b"], GRADED, at=100) == pytest.approx(2 / 3)


def test_the_reciprocal_rank_is_of_the_first_relevant_document_only() -> None:
    assert reciprocal_rank(["x", "y", "b", "a"], GRADED, at=10) == pytest.approx(1 / 3)
    assert reciprocal_rank(["x", "y", "b"], GRADED, at=2) == 0.0


def test_an_empty_ranking_measures_zero() -> None:
    assert ndcg([], GRADED, at=10) == recall([], GRADED, at=100) == 0.0
    assert reciprocal_rank([], GRADED, at=10) == 0.0


def test_the_mean_of_nothing_is_zero() -> None:
    assert mean([]) == 0.0


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A set of two passages and three queries, of which the last has no relevant passage."""
    lines = [
        {"_id": "p1", "title": "Pumps", "text": "A pump moves water.", "metadata": {"year": 1958}},
        {"_id": "p2", "text": ""},
    ]
    texts = {"1": "water", "2": "oil", "3": "air"}
    queries = [{"_id": query_id, "text": text} for query_id, text in texts.items()]
    (tmp_path / "corpus.jsonl").write_text("\n".join(json.dumps(line) for line in lines) + "\n\n")
    (tmp_path / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in queries))
    (tmp_path / "qrels").mkdir()
    (tmp_path / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n1\tp1\t2\n2\tp2\t1\n3\tp1\t0\n")
    return tmp_path


def test_a_set_is_read_with_the_queries_that_have_a_relevant_document(folder: Path) -> None:
    judged = read_set(folder)
    assert (judged.name, judged.documents) == (folder.name, None)
    assert [query.id for query in judged.queries] == ["1", "2"]
    assert judged.qrels["1"] == {"p1": 2}
    first, second = judged.passages()
    assert first == Passage("p1", "Pumps", "A pump moves water.", {"year": 1958})
    assert (second.title, second.text, second.metadata) == ("", "", {})


def test_qrels_may_come_without_a_header(folder: Path) -> None:
    (folder / "qrels" / "test.tsv").write_text("1\tp1\t2\n")
    assert read_set(folder).qrels == {"1": {"p1": 2}}


def test_a_broken_line_is_named_by_its_number(folder: Path) -> None:
    with (folder / "queries.jsonl").open("a") as file:
        file.write("{not json\n")
    with pytest.raises(DatasetError, match=r"queries\.jsonl:4"):
        read_set(folder)


def test_a_judged_query_that_is_not_there_is_an_error(folder: Path) -> None:
    with (folder / "qrels" / "test.tsv").open("a") as file:
        file.write("99\tp1\t1\n")
    with pytest.raises(DatasetError, match="99"):
        read_set(folder)


def test_a_folder_without_a_corpus_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(DatasetError, match="neither"):
        read_set(tmp_path)


def test_documents_stand_in_place_of_a_corpus(folder: Path) -> None:
    (folder / "corpus.jsonl").unlink()
    (folder / "documents").mkdir()
    assert read_set(folder).documents == folder.resolve() / "documents"


def test_a_query_is_filtered_by_its_own_value_or_that_of_its_metadata() -> None:
    by_site = MetadataFilter("site", "title")
    assert by_site.of(Query("1", "?", {"site": "x"})) == {"field": "title", "op": "eq", "value": "x"}
    assert by_site.of(Query("1", "?", {"metadata": {"site": ["x", "y"]}}))["op"] == "in"
    with pytest.raises(DatasetError, match="site"):
        by_site.of(Query("1", "?", {}))


def test_figures_are_means_over_all_judged_queries(folder: Path) -> None:
    judged = read_set(folder)
    ranked = [
        Ranked("1", ranking=("p1",), milliseconds=3.0, degraded=()),
        Ranked("2", ranking=("p1", "p2"), milliseconds=5.0, degraded=("partial_results",)),
    ]
    assert figures(ranked, judged).as_json() == {
        "ndcg@10": 0.81546,
        "recall@100": 1.0,
        "mrr@10": 0.75,
        "queries": 2,
        "p50_ms": 4.0,
        "degraded": 1,
    }
