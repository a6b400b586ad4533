"""The lab in the admin: importing, asking, judging, comparing; and nobody sees another tenant's sets."""

from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from search.evaluation import lab, lab_jobs
from search.models import (
    EvaluationRun,
    JudgedQuery,
    Judgement,
    LabJob,
    Membership,
    Profile,
    QuerySet,
    Tenant,
    User,
)
from search.types import RetrievalSettings
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def query_set(tenant: Tenant) -> QuerySet:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.", title="Leave")
    accept(tenant, "pump", "The pump must be <b>primed</b> before its first start.", title="Pump")
    ingest_all(tenant)
    made = QuerySet.objects.create(tenant=tenant, name="Handbook")
    for public_id, text, document in (("q1", "parental leave", "leave"), ("q2", "prime the pump", "pump")):
        query = JudgedQuery.objects.create(query_set=made, public_id=public_id, text=text)
        Judgement.objects.create(query=query, document=document, grade=2)
    return made


@pytest.fixture
def manager(tenant: Tenant, client: Client) -> Client:
    user = User.objects.create_user("manager", password="x", is_staff=True)
    Membership.objects.create(user=user, tenant=tenant, role=Membership.Role.MANAGER)
    client.force_login(user)
    return client


def run(query_set: QuerySet, mode: str = "lexical") -> EvaluationRun:
    return lab.carry_on(lab.start(query_set, mode=mode, profile=RetrievalSettings()))


def page(client: Client, name: str, *args: Any, **query: Any) -> str:
    response = client.get(reverse(f"admin:search_{name}", args=args), query)
    assert response.status_code == 200, response
    return response.content.decode()


def test_each_page_of_the_lab_shows(query_set: QuerySet, manager: Client) -> None:
    first, second = run(query_set), run(query_set, "vector")
    job = lab_jobs.open_job(query_set, LabJob.Kind.OPTIMISE)
    for name in ("queryset", "judgedquery", "evaluationrun", "labjob", "feedback"):
        page(manager, f"{name}_changelist")
    assert "Handbook" in page(manager, "queryset_changelist")
    assert f"{first.measures['ndcg@10']:.4f}" in page(manager, "queryset_change", query_set.pk)
    assert "parental leave" in page(manager, "evaluationrun_change", first.pk)
    assert "prime the pump" in page(manager, "judgedquery_change", query_set.queries.get(public_id="q2").pk)
    assert "No significant difference" in page(
        manager, "evaluationrun_compare", a=first.pk, b=second.pk, measure="map@100"
    )
    page(manager, "labjob_change", job.pk)
    page(manager, "queryset_run", query_set.pk)
    page(manager, "queryset_import", query_set.pk)


def test_a_job_with_a_result_shows_its_curve(query_set: QuerySet, manager: Client) -> None:
    point = {"technique": "min_max", "vector_weight": 0.2, "rank_constant": 60}
    compared = {"first": 0.5, "second": 0.6, "difference": 0.1, "low": 0.0, "high": 0.2, "p": 0.03}
    result = {"measure": "ndcg@10", "queries": 12, "baseline": point, "best": point, "held_out": compared}
    result |= {"curve": [point | {"value": 0.6}]}
    made = LabJob.objects.create(query_set=query_set, kind="optimise", state="done", result=result)
    assert "0.6000" in page(manager, "labjob_change", made.pk)
    share = {"threshold": 0.4, "answerable": 0.1, "unanswerable": 0.7}
    result = {
        "auroc": 0.91,
        "questions": 30,
        "curve": [share],
        **dict.fromkeys(("fitted", "held_out", "now"), share),
    }
    made = LabJob.objects.create(query_set=query_set, kind="threshold", state="done", result=result)
    assert "0.910" in page(manager, "labjob_change", made.pk)


def test_a_tuned_fusion_becomes_a_draft(query_set: QuerySet, manager: Client) -> None:
    best = {"technique": "rrf", "vector_weight": 0.3, "rank_constant": 10}
    made = LabJob.objects.create(query_set=query_set, kind="optimise", state="done", result={"best": best})
    address = reverse("admin:search_labjob_change", args=[made.pk]).replace("change/", "draft/")
    manager.post(address, DIALOG)
    drafted = Profile.objects.get(tenant=query_set.tenant)
    assert (drafted.name, drafted.state) == ("default", "draft")
    assert drafted.settings == {"fusion": "rrf", "vector_weight": 0.3, "rank_constant": 10}
    LabJob.objects.update(result={})
    manager.post(address, DIALOG)
    assert Profile.objects.count() == 1


def test_a_set_is_asked_from_its_page(query_set: QuerySet, manager: Client) -> None:
    address = reverse("admin:search_queryset_run", args=[query_set.pk])
    assert manager.post(address, {"mode": "lexical", "profile": ""}).status_code == 302
    job = LabJob.objects.get()
    assert (job.kind, job.run.mode if job.run else "") == ("run", "lexical")
    assert manager.post(address, {"mode": "psychic"}).status_code == 200
    assert LabJob.objects.count() == 1


def upload(client: Client, query_set: QuerySet, text: str, **fields: Any) -> Any:
    file = SimpleUploadedFile("table.csv", text.encode())
    address = reverse("admin:search_queryset_import", args=[query_set.pk])
    return client.post(address, {"format": "csv", "queries": file, **fields})


def test_a_table_is_imported(query_set: QuerySet, manager: Client) -> None:
    response = upload(manager, query_set, "query,document,grade\nwhat is paid,leave,4\n")
    assert response.status_code == 302
    assert Judgement.objects.get(query__text="what is paid").grade == 4


def test_a_wrong_line_of_an_import_is_shown_and_nothing_is_kept(query_set: QuerySet, manager: Client) -> None:
    response = upload(manager, query_set, "query,document,grade\nwhat is paid,leave,4\n<script>,leave,9\n")
    assert "table.csv:3: the grade 9 is over 4." in response.content.decode()
    assert not JudgedQuery.objects.filter(text="what is paid").exists()
    assert "of their own" in upload(manager, query_set, "x", format="beir").content.decode()


def test_the_grid_shows_what_runs_found_and_takes_grades(query_set: QuerySet, manager: Client) -> None:
    run(query_set), run(query_set, "vector")
    query = query_set.queries.get(public_id="q1")
    grid = page(manager, "queryset_grid", query_set.pk, query.pk)
    assert "Parental leave lasts sixteen weeks" in grid
    assert "&lt;b&gt;primed&lt;/b&gt;" in grid
    address = reverse("admin:search_queryset_grid", args=[query_set.pk, query.pk])
    assert manager.post(address, {"document": "pump", "grade": "0"}).status_code == 302
    kept = Judgement.objects.get(query=query, document="pump")
    assert (kept.grade, kept.origin) == (0, "manual")
    manager.post(address, {"document": "leave", "grade": "4"})
    assert Judgement.objects.get(query=query, document="leave").origin == "manual"
    in_place = manager.post(address, {"document": "pump", "grade": ""}, headers={"HX-Request": "true"})
    assert in_place.status_code == 200
    assert not Judgement.objects.filter(query=query, document="pump").exists()


@pytest.mark.parametrize(
    "form", [{"document": "pump", "grade": "7"}, {"document": "nothing", "grade": "1"}, {}]
)
def test_a_judgement_that_makes_no_sense_is_not_kept(form: Any, query_set: QuerySet, manager: Client) -> None:
    query = query_set.queries.get(public_id="q1")
    manager.post(reverse("admin:search_queryset_grid", args=[query_set.pk, query.pk]), form)
    assert query.judgements.count() == 1


def test_judging_begins_with_what_is_not_judged(query_set: QuerySet, manager: Client) -> None:
    fresh = JudgedQuery.objects.create(query_set=query_set, public_id="q3", text="new")
    response = manager.get(reverse("admin:search_queryset_judge", args=[query_set.pk]))
    assert response["Location"] == f"{fresh.pk}/"


def test_a_manager_of_another_tenant_sees_and_changes_nothing(query_set: QuerySet, client: Client) -> None:
    done = run(query_set)
    query = query_set.queries.get(public_id="q1")
    user = User.objects.create_user("other", password="x", is_staff=True)
    other = Tenant.objects.create(slug="other", name="Other")
    Membership.objects.create(user=user, tenant=other, role=Membership.Role.MANAGER)
    client.force_login(user)
    assert "Handbook" not in page(client, "queryset_changelist")
    assert "parental" not in page(client, "judgedquery_changelist")
    addresses = [
        reverse("admin:search_queryset_import", args=[query_set.pk]),
        reverse("admin:search_queryset_run", args=[query_set.pk]),
        reverse("admin:search_queryset_judge", args=[query_set.pk]),
        reverse("admin:search_queryset_grid", args=[query_set.pk, query.pk]),
        reverse("admin:search_evaluationrun_compare") + f"?a={done.pk}&b={done.pk}",
    ]
    for address in addresses:
        assert client.get(address).status_code == 404, address
        assert client.post(address, {"document": "leave", "grade": "1"}).status_code in (404, 405), address
    assert query.judgements.get().grade == 2


def test_a_reader_is_sent_to_the_login(query_set: QuerySet, client: Client) -> None:
    client.force_login(User.objects.create_user("reader", password="x"))
    response = client.get(reverse("admin:search_queryset_judge", args=[query_set.pk]))
    assert response.status_code == 302
    assert "login" in response["Location"]
