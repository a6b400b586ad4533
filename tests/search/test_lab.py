"""The lab on the real node: runs are measured, resumed, cancelled and compared."""

from dataclasses import replace
from typing import Any

import pytest

from search import services
from search.evaluation import lab
from search.evaluation.lab import LabError
from search.exceptions import OpenSearchUnavailable
from search.models import EvaluationRun, JudgedQuery, Judgement, QuerySet, Tenant
from search.types import Principal, RetrievalSettings, SearchRequest
from tests.factories import accept, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
State = EvaluationRun.State
TEXTS = {
    "leave": "Parental leave lasts sixteen weeks and is fully paid.",
    "pump": "The pump P-4711 must be primed before its first start.",
    "travel": "Train tickets of second class are refunded within ten days.",
}
QUERIES = {
    "q1": ("How long may new mothers stay at home?", "leave"),
    "q2": ("pump first start", "pump"),
    "q3": ("refund of train tickets", "travel"),
}


@pytest.fixture
def query_set(tenant: Tenant) -> QuerySet:
    for public_id, text in TEXTS.items():
        accept(tenant, public_id, text, metadata={"area": public_id})
    ingest_all(tenant)
    made = QuerySet.objects.create(tenant=tenant, name="Handbook")
    for public_id, (text, document) in QUERIES.items():
        query = JudgedQuery.objects.create(query_set=made, public_id=public_id, text=text)
        Judgement.objects.create(query=query, document=document, grade=2)
    return made


def run(query_set: QuerySet, *, mode: str = "hybrid", **settings: Any) -> EvaluationRun:
    return lab.carry_on(lab.start(query_set, mode=mode, profile=RetrievalSettings(**settings)))


@pytest.mark.parametrize("mode", ["lexical", "vector", "hybrid"])
def test_a_run_asks_every_query_and_is_measured(mode: str, query_set: QuerySet) -> None:
    done = run(query_set, mode=mode)
    assert (done.state, lab.progress(done), done.rows.count()) == (State.DONE, 1.0, 3)
    assert done.measures["queries"] == 3
    if mode != "lexical":  # the paraphrase shares no word with its document
        assert done.measures["mrr@10"] == 1.0
    assert done.rows.get(query__public_id="q2").ranking[0] == "pump"
    assert done.rows.get(query__public_id="q2").measures["ndcg@10"] == 1.0


def test_a_ranking_is_that_of_a_readers_search(query_set: QuerySet, principal: Principal) -> None:
    done = run(query_set)
    for row in done.rows.all():
        body = services.search(principal, SearchRequest(row.query.text))
        assert row.ranking[: len(body["hits"])] == [hit["document"]["id"] for hit in body["hits"]]


def test_a_run_keeps_what_it_asked_with(query_set: QuerySet) -> None:
    made = lab.start(query_set, mode="hybrid", profile=RetrievalSettings("mine", 3, vector_weight=0.2))
    assert (made.profile_name, made.profile_version) == ("mine", 3)
    assert lab.settings_of(made) == RetrievalSettings("mine", 3, vector_weight=0.2)
    query_set.tenant.refresh_from_db()
    target = query_set.tenant.live_index
    assert target is not None
    assert (made.index, made.variant) == (target.name, target.variant)


def test_settings_change_the_ranking(query_set: QuerySet) -> None:
    query_set.queries.filter(public_id="q1").update(text="time off for mothers after a birth, class")
    by_words = run(query_set, vector_weight=0.0).rows.get(query__public_id="q1").ranking
    by_meaning = run(query_set, vector_weight=1.0).rows.get(query__public_id="q1").ranking
    assert (by_words[0], by_meaning[0]) == ("travel", "leave")


def test_a_run_that_was_stopped_is_carried_on_where_it_was(query_set: QuerySet) -> None:
    started = lab.start(query_set, mode="lexical", profile=RetrievalSettings())
    stops = iter([False, True])
    stopped = lab.carry_on(started, should_stop=lambda: next(stops))
    assert (stopped.state, stopped.rows.count()) == (State.RUNNING, 1)
    assert lab.progress(stopped) == pytest.approx(1 / 3)
    first = stopped.rows.get()
    done = lab.carry_on(stopped)
    assert (done.state, done.rows.count()) == (State.DONE, 3)
    assert first in done.rows.all()


def test_a_cancelled_run_stops_before_its_next_query(query_set: QuerySet) -> None:
    started = lab.start(query_set, mode="lexical", profile=RetrievalSettings())
    asked = iter([False, lambda: lab.cancel(started)])

    def cancel_at_the_second() -> bool:
        step = next(asked)
        if callable(step):
            step()
        return False

    cancelled = lab.carry_on(started, should_stop=cancel_at_the_second)
    assert (cancelled.state, cancelled.rows.count()) == (State.CANCELLED, 1)
    assert cancelled.finished_at is not None
    assert lab.carry_on(cancelled).state == State.CANCELLED
    assert not lab.cancel(cancelled)


def test_while_the_engine_is_down_a_run_stays_open(query_set: QuerySet, settings: Any) -> None:
    started = lab.start(query_set, mode="lexical", profile=RetrievalSettings())
    url = settings.OPENSEARCH_URL
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    with pytest.raises(OpenSearchUnavailable):
        lab.carry_on(started)
    started.refresh_from_db()
    assert started.is_open
    settings.OPENSEARCH_URL = url
    assert lab.carry_on(started).state == State.DONE


def test_a_query_that_can_not_be_asked_is_named(query_set: QuerySet) -> None:
    query_set.queries.filter(public_id="q2").update(filters={"field": "nothing", "op": "eq", "value": 1})
    failed = run(query_set)
    assert failed.state == State.FAILED
    assert "'q2'" in failed.reason


def test_a_query_is_asked_under_its_own_filters(query_set: QuerySet) -> None:
    query_set.queries.filter(public_id="q2").update(filters={"field": "area", "op": "eq", "value": "leave"})
    done = run(query_set)
    assert done.rows.get(query__public_id="q2").ranking == ["leave"]
    assert done.rows.get(query__public_id="q2").measures["ndcg@10"] == 0.0


def test_a_set_is_asked_with_its_groups(query_set: QuerySet, tenant: Tenant) -> None:
    ingest(tenant, "secret", "Parental leave of the board lasts a year.", access=["board"])
    assert "secret" not in run(query_set).rows.get(query__public_id="q1").ranking
    QuerySet.objects.update(groups=["board"])
    query_set.refresh_from_db()
    assert "secret" in run(query_set).rows.get(query__public_id="q1").ranking


def test_unanswerable_and_unjudged_queries_are_left_out_of_the_measures(query_set: QuerySet) -> None:
    query_set.queries.filter(public_id="q1").update(is_unanswerable=True)
    Judgement.objects.filter(query__public_id="q2").update(grade=0)
    done = run(query_set)
    assert (done.measures["queries"], done.rows.count()) == (1, 3)
    assert done.rows.get(query__public_id="q1").measures == {}


def test_a_run_of_nothing_is_refused(query_set: QuerySet) -> None:
    empty = QuerySet.objects.create(tenant=query_set.tenant, name="Empty")
    with pytest.raises(LabError, match="no query"):
        lab.start(empty, mode="lexical", profile=RetrievalSettings())
    other = QuerySet.objects.create(tenant=Tenant.objects.create(slug="new", name="New"), name="New")
    with pytest.raises(LabError, match="no index"):
        lab.start(other, mode="lexical", profile=RetrievalSettings())


def test_two_runs_are_compared_query_by_query(query_set: QuerySet) -> None:
    words, meaning = run(query_set, mode="lexical"), run(query_set, mode="vector")
    found = lab.compare(words, meaning)
    assert list(found.gains) == ["q1"]
    assert (found.losses, found.ties) == ({}, 2)
    assert found.difference == pytest.approx(
        meaning.measures["ndcg@10"] - words.measures["ndcg@10"], abs=1e-5
    )
    assert lab.compare(words, meaning, name="recall@100").first == pytest.approx(
        words.measures["recall@100"], abs=1e-5
    )


def test_runs_are_compared_by_the_judgements_of_now(query_set: QuerySet) -> None:
    words, meaning = run(query_set, mode="lexical"), run(query_set, mode="vector")
    Judgement.objects.filter(query__public_id="q1").delete()
    assert lab.compare(words, meaning).gains == {}


def test_runs_of_two_sets_are_not_compared(query_set: QuerySet) -> None:
    other = QuerySet.objects.create(tenant=query_set.tenant, name="Other")
    stranger = replace_set(run(query_set), other)
    with pytest.raises(LabError, match="two query sets"):
        lab.compare(run(query_set), stranger)


def replace_set(made: EvaluationRun, other: QuerySet) -> EvaluationRun:
    made.query_set = other
    made.save()
    return made


def test_a_new_index_version_ends_a_run_of_the_old_one(query_set: QuerySet) -> None:
    started = lab.start(query_set, mode="lexical", profile=replace(RetrievalSettings(), k=100))
    EvaluationRun.objects.update(index="another")
    started.refresh_from_db()
    failed = lab.carry_on(started)
    assert (failed.state, failed.rows.count()) == (State.FAILED, 0)
