"""Long work of the lab: leased, carried on after a killed worker, put off while something is down, and nightly."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ingestion import jobs
from search.evaluation import lab, lab_jobs
from search.evaluation.lab import LabError
from search.metrics import LAB_REGRESSED
from search.models import EvaluationRun, JudgedQuery, Judgement, LabJob, QuerySet, Tenant
from search.types import RetrievalSettings
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
State = LabJob.State
THINGS = (
    "pump",
    "valve",
    "gasket",
    "leave",
    "ticket",
    "invoice",
    "contract",
    "engine",
    "wing",
    "river",
    "bridge",
)


@pytest.fixture
def query_set(tenant: Tenant) -> QuerySet:
    for thing in THINGS:
        accept(tenant, thing, f"The {thing} is described here: what a {thing} is and where one finds it.")
    ingest_all(tenant)
    made = QuerySet.objects.create(tenant=tenant, name="Things")
    for thing in THINGS:
        query = JudgedQuery.objects.create(query_set=made, public_id=thing, text=f"where is the {thing}")
        Judgement.objects.create(query=query, document=thing, grade=3)
    for number in range(12):
        text = f"the colour of elephant {number} in Kenya"
        JudgedQuery.objects.create(query_set=made, public_id=f"u{number}", text=text, is_unanswerable=True)
    return made


def never() -> bool:
    return False


def open_run(query_set: QuerySet) -> LabJob:
    return lab_jobs.open_run(query_set, mode="lexical", profile=RetrievalSettings())


def work(job: LabJob) -> LabJob:
    jobs.run_lab_job(job.pk)
    job.refresh_from_db()
    return job


def test_a_worker_asks_a_set(query_set: QuerySet) -> None:
    job = work(open_run(query_set))
    assert (job.state, job.progress, job.lease) == (State.DONE, 1.0, None)
    assert job.result["mrr@10"] == 1.0
    assert job.run is not None
    assert job.run.state == EvaluationRun.State.DONE


def test_a_run_whose_worker_was_killed_is_carried_on(query_set: QuerySet) -> None:
    job = open_run(query_set)
    asked = iter(range(100))

    def killed() -> bool:
        if next(asked) == 4:
            raise KeyboardInterrupt
        return False

    with pytest.raises(KeyboardInterrupt):
        lab_jobs.work(job.pk, should_stop=killed)
    assert job.run is not None
    before = set(job.run.rows.values_list("pk", flat=True))
    assert len(before) == 4
    assert lab_jobs.due_jobs() == []  # its lease still holds
    assert lab_jobs.work(job.pk, should_stop=never) is False
    assert job.run.rows.count() == 4
    LabJob.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    assert lab_jobs.due_jobs() == [job.pk]
    assert work(job).state == State.DONE
    assert before < set(job.run.rows.values_list("pk", flat=True))
    assert job.run.rows.count() == query_set.queries.count()


def test_a_job_that_kills_every_worker_is_given_up(query_set: QuerySet) -> None:
    job = open_run(query_set)
    LabJob.objects.update(attempts=3, leased_until=timezone.now() - timedelta(seconds=1))
    assert work(job).state == State.FAILED
    assert "died" in job.reason
    assert job.run is not None
    job.run.refresh_from_db()
    assert job.run.state == EvaluationRun.State.FAILED


def test_a_stopping_worker_gives_back_without_spending_an_attempt(query_set: QuerySet) -> None:
    job = open_run(query_set)
    assert lab_jobs.work(job.pk, should_stop=lambda: True)
    job.refresh_from_db()
    assert (job.state, job.attempts, job.lease) == (State.RUNNING, 0, None)
    assert lab_jobs.due_jobs() == [job.pk]


def test_a_long_run_lets_other_work_come_first(query_set: QuerySet, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lab_jobs, "SLICE_SECONDS", 0.0)
    job = open_run(query_set)
    slices = 0
    while lab_jobs.work(job.pk, should_stop=never):
        slices += 1
        assert slices < 100
        monkeypatch.setattr(lab_jobs, "SLICE_SECONDS", 0.02)
    job.refresh_from_db()
    assert job.state == State.DONE
    assert slices >= 1


def test_while_the_engine_is_down_a_job_waits(query_set: QuerySet, settings: Any) -> None:
    job = open_run(query_set)
    url, settings.OPENSEARCH_URL = settings.OPENSEARCH_URL, "http://127.0.0.1:9"
    assert work(job).state == State.RUNNING
    assert (job.attempts, job.lease) == (0, None)
    assert job.reason
    assert lab_jobs.due_jobs() == []  # for some seconds
    settings.OPENSEARCH_URL = url
    LabJob.objects.update(due_at=timezone.now())
    assert work(job).state == State.DONE
    assert job.reason == ""


def test_a_cancelled_job_ends_its_run(query_set: QuerySet) -> None:
    job = open_run(query_set)
    assert lab_jobs.cancel(job)
    assert work(job).state == State.CANCELLED
    assert job.run is not None
    job.run.refresh_from_db()
    assert job.run.state == EvaluationRun.State.CANCELLED
    assert not lab_jobs.cancel(job)


def test_an_error_that_nobody_foresaw_ends_the_job(
    query_set: QuerySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*args: Any, **kwargs: Any) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr(lab, "carry_on", broken)
    job = work(open_run(query_set))
    assert (job.state, job.reason) == (State.FAILED, "ZeroDivisionError: oops")


def test_the_best_fusion_is_shown_on_held_out_queries(query_set: QuerySet) -> None:
    job = work(lab_jobs.open_job(query_set, LabJob.Kind.OPTIMISE))
    assert (job.state, job.reason) == (State.DONE, "")
    assert job.result["queries"] == len(THINGS)
    assert job.result["held_out"]["second"] == pytest.approx(1.0)
    weights = {point["vector_weight"] for point in job.result["curve"]}
    assert {0.0, 0.45, 1.0} <= weights


def test_the_threshold_is_fitted_on_questions_with_and_without_an_answer(query_set: QuerySet) -> None:
    job = work(lab_jobs.open_job(query_set, LabJob.Kind.THRESHOLD))
    assert (job.state, job.reason) == (State.DONE, "")
    assert job.result["auroc"] > 0.9
    assert job.result["fitted"]["unanswerable"] > 0.5
    assert job.result["questions"] == len(THINGS) + 12


def test_too_few_questions_are_a_reason(query_set: QuerySet) -> None:
    query_set.queries.filter(is_unanswerable=True).delete()
    job = work(lab_jobs.open_job(query_set, LabJob.Kind.THRESHOLD))
    assert job.state == State.FAILED
    assert "too few" in job.reason


def test_the_same_is_not_under_way_twice(query_set: QuerySet) -> None:
    lab_jobs.open_job(query_set, LabJob.Kind.OPTIMISE)
    with pytest.raises(LabError, match="under way"):
        lab_jobs.open_job(query_set, LabJob.Kind.OPTIMISE)


def nightly(query_set: QuerySet) -> EvaluationRun:
    """The night has passed, and its run is done."""
    EvaluationRun.objects.update(created_at=timezone.now() - timedelta(hours=25))
    (job,) = lab_jobs.start_nightly(hours=24)
    assert lab_jobs.start_nightly(hours=24) == []
    work(job)
    assert job.run is not None
    job.run.refresh_from_db()
    return job.run


def regressed() -> float:
    lab_jobs.publish_metrics()
    return float(LAB_REGRESSED.labels("acme", "Things")._value.get())


def test_a_nightly_run_that_is_worse_than_the_accepted_one_raises_an_alarm(query_set: QuerySet) -> None:
    assert lab_jobs.start_nightly(hours=24) == []  # the set is none of the night
    QuerySet.objects.update(runs_nightly=True)
    first = nightly(query_set)
    assert (first.is_accepted, first.is_regression, regressed()) == (True, False, 0.0)
    assert not nightly(query_set).is_regression
    Judgement.objects.update(document="gone")  # as if every relevant document were lost
    for row in first.rows.all():  # which the first run had still found
        row.ranking = ["gone", *row.ranking]
        row.save()
    worse = nightly(query_set)
    assert (worse.is_regression, worse.is_accepted, regressed()) == (True, False, 1.0)
    lab.accept(worse)
    assert regressed() == 0.0
    assert not nightly(query_set).is_regression


def test_only_a_run_that_is_done_is_accepted(query_set: QuerySet) -> None:
    with pytest.raises(LabError, match="done"):
        lab.accept(lab.start(query_set, mode="lexical", profile=RetrievalSettings()))


def test_a_sweep_rings_for_the_labs_jobs(query_set: QuerySet) -> None:
    before = jobs.sweep()
    open_run(query_set)
    assert jobs.sweep() == before + 1
