"""The relevance table: a small judged set through the real ingestion, probe and search, and what its rows say."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from django.core.management import call_command

from search.evaluation import relevance_table
from search.evaluation.fusing import LegScores
from search.evaluation.relevance_table import COLUMNS, AskedQuery, row
from search.evaluation.tuning import TunedQuery
from search.models import Tenant
from search.pipelines import FusionSpec
from search.reranking.features import NAMES
from search.reranking.learning import Example
from search.types import Fusion

THINGS = (
    "pump", "valve", "gasket", "leave", "ticket", "invoice",
    "contract", "engine", "wing", "river", "bridge", "harbour",
)  # fmt: skip


@pytest.fixture
def _given_servers(main_job: None, settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """The command takes the servers of the fixtures and starts none."""
    for name in ("OPENSEARCH_URL", "REDIS_URL", "REDIS_CACHE_URL"):
        monkeypatch.setenv(name, getattr(settings, name))


@pytest.fixture
def things(tmp_path: Path) -> Path:
    """Each thing is described in two places; a question asks for it in one, which its filter may name."""
    folder = tmp_path / "things"
    (folder / "qrels").mkdir(parents=True)
    corpus, queries, qrels = [], [], ["query-id\tcorpus-id\tscore"]
    for number, thing in enumerate(THINGS):
        for place in ("north", "south"):
            text = f"The {thing} is kept in a shed."
            corpus.append({"_id": f"{thing}-{place}", "text": text, "metadata": {"site": place}})
        place = ("north", "south")[number % 2]
        queries.append({"_id": thing, "text": f"where is the {thing} kept", "where": place})
        qrels.append(f"{thing}\t{thing}-{place}\t1")
    for name, lines in (("corpus.jsonl", corpus), ("queries.jsonl", queries)):
        (folder / name).write_text("".join(json.dumps(line) + "\n" for line in lines))
    (folder / "qrels" / "test.tsv").write_text("\n".join(qrels) + "\n")
    return folder


@pytest.mark.usefixtures("_given_servers")
def test_a_set_is_shown_with_its_filter_and_without_and_other_rows_stay(
    things: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    figures = tmp_path / "relevance.json"
    figures.write_text(json.dumps({"sets": {"other": {"queries": 1}}}))
    call_command(
        "relevance_table", str(things), "--metadata-filter=things:where=site", "--json", str(figures)
    )
    sets = json.loads(figures.read_text())["sets"]
    assert list(sets) == ["other", "things", "things, where filter"]
    plain, filtered = sets["things"], sets["things, where filter"]
    assert plain["queries"] == filtered["queries"] == len(THINGS)
    assert set(plain["ndcg@10"]) == set(COLUMNS)
    assert filtered["ndcg@10"] == dict.fromkeys(COLUMNS, 1.0)
    assert 0.6 < plain["ndcg@10"]["shipped"] < 1.0  # which of the two places is meant, only the filter says
    assert filtered["reranking"]["queries"] == len(THINGS)
    assert plain["probe"][0]["language"] == "en"
    assert "things, where filter" in capsys.readouterr().out
    assert not Tenant.objects.exists()


def asked(number: int, *, shipped: tuple[str, ...] = ("right",)) -> AskedQuery:
    """The words find what is right, the meaning something else."""
    names = {name: name for name in ("right", "wrong", "other")}
    legs = LegScores.of({"right": 9.0, "wrong": 3.0}, {"wrong": 0.9, "other": 0.8}, documents=names)
    spec = FusionSpec(Fusion.MIN_MAX, vector_weight=0.3, rank_constant=60, unrelated_cosine=0.1)
    example = Example(
        f"q{number}", np.zeros((2, len(NAMES))), np.array([1.0, 0.0]), np.array([0.9, 0.4]), (1.0,)
    )
    return AskedQuery(TunedQuery(f"q{number}", legs, {"right": 1}, spec), shipped, example)


def test_each_column_is_of_what_it_says() -> None:
    found = row([asked(number) for number in range(12)])
    assert found.ndcg["lexical"] == found.ndcg["shipped"] == found.ndcg["tuned"] == 1.0
    assert found.ndcg["vector"] == 0.0
    assert found.ndcg["min_max"] == pytest.approx(1 / np.log2(3))  # at .5 what both find goes first
    assert (found.trained, found.unranked, found.loses) == (12, 1.0, False)


def test_a_set_that_loses_to_its_better_leg_is_flagged() -> None:
    behind = [asked(number, shipped=("wrong", "right")) for number in range(12)]
    assert row(behind).loses
    assert row(behind).as_json()["loses"] is True


def test_no_more_queries_are_trained_on_than_the_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(relevance_table, "_MOST_TRAINED", 11)
    assert row([asked(number) for number in range(12)]).trained == 11
