"""Training a tenant's reranker on the real node: what is kept of it, and how a search uses it."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.test import Client
from django.utils import timezone

from search import promotion, services
from search.evaluation import lab_jobs, reranker_training
from search.exceptions import RerankUnavailable
from search.metrics import StageClock
from search.models import (
    JudgedQuery,
    Judgement,
    LabJob,
    Profile,
    QuerySet,
    Tenant,
    TrainedReranker,
    User,
)
from search.promotion import PromotionRefused
from search.reranking import learning
from search.reranking.choice import close_rerankers, get_reranker
from search.reranking.features import NAMES
from search.reranking.learning import HeldOut
from search.reranking.ranking_models import RankingModel
from search.types import Principal, RetrievalSettings, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
THINGS = "pump valve fan lamp press drill crane lift oven mixer saw lathe"
PLACES = ("hall", "yard")


@pytest.fixture(autouse=True)
def nothing_kept() -> None:
    """Primary keys begin anew in each test, and a process keeps what it has read of a version."""
    close_rerankers()


@pytest.fixture
def query_set(tenant: Tenant) -> QuerySet:
    made = QuerySet.objects.create(tenant=tenant, name="Machines")
    for thing in THINGS.split():
        for place in PLACES:
            name = f"{thing}-{place}"
            accept(tenant, name, f"The {thing} in the {place} is checked by the {place} crew.", title=name)
            query = JudgedQuery.objects.create(
                query_set=made, public_id=name, text=f"Who checks the {thing} in the {place}?"
            )
            Judgement.objects.create(query=query, document=name, grade=2)
    ingest_all(tenant)
    return made


def open_training(query_set: QuerySet) -> LabJob:
    return lab_jobs.open_job(query_set, LabJob.Kind.TRAIN, parameters={"name": "own"})


def worked(job: LabJob) -> LabJob:
    """A worker does all its slices."""
    while lab_jobs.work(job.pk, should_stop=lambda: False):
        pass
    job.refresh_from_db()
    return job


def trained(query_set: QuerySet) -> TrainedReranker:
    job = worked(open_training(query_set))
    assert (job.state, job.reason) == (LabJob.State.DONE, "")
    return TrainedReranker.objects.get(pk=job.result["pk"])


def test_training_keeps_a_version_with_its_gain_on_held_out_queries(
    query_set: QuerySet, principal: Principal
) -> None:
    first = trained(query_set)
    assert (str(first), first.query_count) == ("own@1", 24)
    assert first.features == list(NAMES)
    assert {name for name, _ in first.importances} == set(NAMES)
    assert sum(fold["queries"] for fold in first.folds) == 24
    assert 0.0 < first.before <= 1.0
    assert first.after >= first.before - 0.05
    assert str(trained(query_set)) == "own@2"
    assert not any(bytes(job.work) for job in LabJob.objects.all())

    profile = RetrievalSettings(rerank_model="own@1")
    request = SearchRequest("Who checks the crane in the yard?")
    found = services.retrieve(principal, request, clock=StageClock(), profile=profile)
    assert found.degraded == ()
    assert found.hits[0].document.public_id == "crane-yard"
    assert all(hit.scores.rerank is not None for hit in found.hits)


def test_a_training_whose_worker_was_killed_is_carried_on_with_the_same_outcome(
    query_set: QuerySet, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = trained(query_set)
    job = open_training(query_set)
    folds: list[int] = []
    held_out = learning.held_out

    def killed_in_the_third(*args: Any, fold: int, **options: Any) -> HeldOut:
        folds.append(fold)
        if len(folds) == 3:
            raise KeyboardInterrupt
        return held_out(*args, fold=fold, **options)

    monkeypatch.setattr(learning, "held_out", killed_in_the_third)
    with pytest.raises(KeyboardInterrupt):
        lab_jobs.work(job.pk, should_stop=lambda: False)
    LabJob.objects.update(leased_until=timezone.now() - timedelta(seconds=1))
    asked = query_set.queries.all()
    monkeypatch.setattr(reranker_training, "first_hits", lambda *_, **__: pytest.fail("asked again"))
    worked(job)
    assert folds == [0, 1, 2, 2, 3, 4]  # none that was done is done again
    again = TrainedReranker.objects.get(pk=job.result["pk"])
    assert (again.folds, again.importances, again.model) == (whole.folds, whole.importances, whole.model)
    assert asked.count() == again.query_count


def test_a_training_shows_how_far_it_is_and_stops_where_it_is_told(query_set: QuerySet) -> None:
    job = open_training(query_set)
    told = iter(range(1000))
    assert lab_jobs.work(job.pk, should_stop=lambda: next(told) > 30)  # in the middle: the worker stops
    job.refresh_from_db()
    assert (job.state, job.lease, job.attempts) == (LabJob.State.RUNNING, None, 0)
    assert 0.2 <= job.progress < 1.0
    assert bytes(job.work)
    assert lab_jobs.cancel(job)
    assert worked(job).state == LabJob.State.CANCELLED
    assert not bytes(job.work)
    assert not TrainedReranker.objects.exists()


def test_the_admin_trains_shows_gain_and_features_and_drafts_a_profile(
    query_set: QuerySet, client: Client
) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    client.post(f"/admin/search/queryset/{query_set.pk}/train/", {"_form_submitted": "on"})
    job = worked(LabJob.objects.get(kind=LabJob.Kind.TRAIN))
    page = client.get(f"/admin/search/labjob/{job.pk}/change/").content.decode()
    assert "own@1" in page
    assert "most telling features" in page
    assert NAMES[0] in page
    client.post(f"/admin/search/labjob/{job.pk}/draft/", {"_form_submitted": "on"})
    draft = Profile.objects.get()
    assert (draft.state, draft.settings["rerank_model"]) == (Profile.State.DRAFT, "own@1")
    with pytest.raises(PromotionRefused, match="evaluate first"):
        promotion.promote(draft)


def test_a_profile_that_names_no_trained_reranker_gets_the_fused_order_and_says_so(
    query_set: QuerySet, principal: Principal
) -> None:
    request = SearchRequest("Who checks the crane in the yard?")
    for named in ("own@7", "nonsense"):
        profile = RetrievalSettings(rerank_model=named)
        found = services.retrieve(principal, request, clock=StageClock(), profile=profile)
        assert found.degraded == ("rerank_unavailable",)
        assert found.hits[0].scores.rerank is None


def test_a_reranker_is_its_tenants_own(query_set: QuerySet) -> None:
    trained(query_set)
    profile = RetrievalSettings(rerank_model="own@1")
    assert get_reranker(query_set.tenant_id, profile).name == "own@1"
    with pytest.raises(RerankUnavailable, match="no reranker own@1"):
        get_reranker(query_set.tenant_id + 1, profile)


def test_too_few_judgements_are_refused(query_set: QuerySet) -> None:
    JudgedQuery.objects.filter(pk__in=query_set.queries.values("pk")[:10]).delete()
    job = worked(open_training(query_set))
    assert job.state == LabJob.State.FAILED
    assert job.reason == "14 queries find a judged document; 20 are needed."


def test_the_command_says_gain_folds_and_telling_features(
    query_set: QuerySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    written = tmp_path / "figures.json"
    call_command("train_reranker", query_set.tenant.slug, "Machines", "--json", str(written))
    said = capsys.readouterr().out
    assert "own@1: nDCG@10" in said
    assert "over 24 held-out queries" in said
    figures: dict[str, Any] = json.loads(written.read_text())
    assert figures["queries"] == 24
    assert len(figures["importances"]) == len(NAMES)
    assert TrainedReranker.objects.get().gain == pytest.approx(figures["gain"], abs=1e-4)


def test_the_command_names_a_query_set_that_is_not_there(tenant: Tenant) -> None:
    with pytest.raises(CommandError, match="no query set 'Nowhere'"):
        call_command("train_reranker", tenant.slug, "Nowhere")


def test_the_general_model_is_judged_on_sets_that_it_was_grown_without(
    query_set: QuerySet, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    named = f"{query_set.tenant.slug}/Machines"
    written, figures = tmp_path / "general.json", tmp_path / "figures.json"
    call_command("train_general_reranker", named, named, output=written, json=figures)
    assert f"{named}: nDCG@10" in capsys.readouterr().out
    assert json.loads(figures.read_text())[named]["queries"] == 24
    assert RankingModel.from_json(json.loads(written.read_text())).start == 1.0
    with pytest.raises(CommandError, match="TENANT/QUERYSET"):
        call_command("train_general_reranker", "nobody/nothing")
