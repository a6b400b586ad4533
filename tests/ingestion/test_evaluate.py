"""The command evaluate on tiny judged sets, through the real ingestion and search; it leaves nothing behind."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import CommandError, call_command

from ingestion.models import StoredVector
from search.client import get_client
from search.models import Document, Tenant

CORPUS: list[dict[str, Any]] = [
    {"_id": "p/1", "title": "Pumps", "text": "The pump moves water uphill.", "metadata": {"site": "north"}},
    {"_id": "p/2", "title": "Valves", "text": "The valve stops water.", "metadata": {"site": "south"}},
    {"_id": "p/3", "title": "A turbine without a text", "text": "", "metadata": {"site": "north"}},
    {"_id": "p/4", "title": "", "text": "", "metadata": {"site": "north"}},
]
QUERIES = [
    {"_id": "1", "text": "pump water uphill", "where": "north", "named": "Pumps"},
    {"_id": "2", "text": "stops water", "where": "north", "named": "Valves"},
]


@pytest.fixture(autouse=True)
def _given_servers(main_job: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes the servers of the fixtures and starts none."""
    for name in ("OPENSEARCH_URL", "REDIS_URL", "REDIS_CACHE_URL"):
        monkeypatch.setenv(name, getattr(settings, name))


def write_set(folder: Path, qrels: str) -> Path:
    (folder / "qrels").mkdir(parents=True)
    (folder / "qrels" / "test.tsv").write_text("query-id\tcorpus-id\tscore\n" + qrels)
    (folder / "queries.jsonl").write_text("".join(json.dumps(line) + "\n" for line in QUERIES))
    return folder


@pytest.fixture
def corpus_set(tmp_path: Path) -> Path:
    folder = write_set(tmp_path / "tiny", "1\tp/1\t2\n2\tp/2\t1\n")
    (folder / "corpus.jsonl").write_text("".join(json.dumps(line) + "\n" for line in CORPUS))
    return folder


def evaluate(folder: Path, *options: str) -> dict[str, Any]:
    figures = folder.parent / "figures.json"
    call_command("evaluate", str(folder), "--json", str(figures), *options)
    written: dict[str, Any] = json.loads(figures.read_text())
    return written


def nothing_is_left() -> bool:
    rows = Tenant.objects.exists() or Document.objects.exists() or StoredVector.objects.exists()
    return (
        not rows and get_client().indices.get(index=f"{settings.OPENSEARCH_INDEX_PREFIX}-*", ignore=404) == {}
    )


def test_a_set_is_measured_in_each_mode_and_leaves_nothing_behind(
    corpus_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = evaluate(corpus_set)
    assert set(written["datasets"]["tiny"]) == {"lexical", "vector", "hybrid"}
    for figures in written["datasets"]["tiny"].values():
        assert (figures["ndcg@10"], figures["recall@100"], figures["mrr@10"]) == (1.0, 1.0, 1.0)
        assert (figures["queries"], figures["degraded"]) == (2, 0)
    assert written["loading"]["tiny"]["documents"] == {"live": 4}
    assert "tiny" in capsys.readouterr().out
    assert nothing_is_left()


def test_each_query_is_asked_under_its_own_filter(corpus_set: Path) -> None:
    written = evaluate(corpus_set, "--modes=lexical", "--metadata-filter=tiny:where=site")
    figures = written["datasets"]["tiny"]["lexical"]
    assert (figures["ndcg@10"], figures["recall@100"]) == (
        0.5,
        0.5,
    )  # the second query's passage is in the south


def test_the_title_of_a_passage_may_be_filtered_on(corpus_set: Path) -> None:
    written = evaluate(corpus_set, "--modes=vector", "--metadata-filter=tiny:named=title")
    assert written["datasets"]["tiny"]["vector"]["ndcg@10"] == 1.0


def test_a_filter_on_an_unknown_field_is_an_error_that_names_it(corpus_set: Path) -> None:
    with pytest.raises(CommandError, match="colour"):
        evaluate(corpus_set, "--modes=lexical", "--metadata-filter=tiny:where=colour")
    assert nothing_is_left()


def test_a_folder_of_files_is_judged_by_relative_path(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "files", "1\tdeep/pump.md\t1\n2\tvalve.html\t1\n")
    (folder / "documents" / "deep").mkdir(parents=True)
    (folder / "documents" / "deep" / "pump.md").write_text("# Pumps\n\nThe pump moves water uphill.\n")
    (folder / "documents" / "valve.html").write_text("<title>Valves</title><p>The valve stops water.</p>")
    (folder / "metadata.json").write_text(json.dumps({"valve.html": {"metadata": {"site": "north"}}}))
    written = evaluate(folder, "--modes=hybrid")
    assert written["datasets"]["files"]["hybrid"]["ndcg@10"] == 1.0
    assert nothing_is_left()


def test_without_a_reranker_the_mode_rerank_is_left_out_aloud(
    corpus_set: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = evaluate(corpus_set, "--modes=lexical,rerank")
    assert set(written["datasets"]["tiny"]) == {"lexical"}
    assert "no reranker is set" in capsys.readouterr().err


def test_a_passage_that_is_refused_is_counted(corpus_set: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with (corpus_set / "corpus.jsonl").open("a") as file:
        file.write(json.dumps({"_id": "bad", "text": "x", "metadata": {"site": {"nested": 1}}}) + "\n")
    written = evaluate(corpus_set, "--modes=lexical")
    assert written["loading"]["tiny"] | {"seconds": 0, "probe": {}} == {
        "documents": {"live": 4},
        "chunks": written["loading"]["tiny"]["chunks"],
        "seconds": 0,
        "not_loaded": 1,
        "probe": {},
    }
    assert "NOT LOADED: bad" in capsys.readouterr().err


def test_an_interrupted_measurement_leaves_nothing_behind(
    corpus_set: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("ingestion.jobs.run_claim", interrupted)
    with pytest.raises(CommandError, match="Interrupted"):
        evaluate(corpus_set)
    assert nothing_is_left()


def test_two_sets_of_one_name_are_refused(corpus_set: Path) -> None:
    with pytest.raises(CommandError, match="tiny"):
        call_command("evaluate", str(corpus_set), str(corpus_set))


def test_a_set_is_probed_unless_a_weight_is_given(corpus_set: Path) -> None:
    written = evaluate(corpus_set, "--modes=hybrid")
    assert written["loading"]["tiny"]["probe"]["documents"] == 4
    assert written["settings"]["vector_weight"] is None
    written = evaluate(corpus_set, "--modes=hybrid", "--vector-weight=0.2")
    assert (written["loading"]["tiny"]["probe"], written["settings"]["vector_weight"]) == ({}, 0.2)


def test_a_weight_above_one_is_refused(corpus_set: Path) -> None:
    with pytest.raises(CommandError, match="from 0 to 1"):
        evaluate(corpus_set, "--vector-weight=1.5")
