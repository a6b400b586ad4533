"""When expectations are asked: after what changes results, once nothing is being taken in, by one worker at a time."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client
from django.utils import timezone

from ingestion import doorbell, jobs
from ingestion.models import ExpectationWatch, IngestionTask, Source, SyncRun
from ingestion.services import documents, expectations, sources, sync
from search.exceptions import GenerationUnavailable, OpenSearchUnavailable
from search.expectations import Verdict, check
from search.metrics import EXPECTATIONS_RED
from search.models import Document, Expectation, Membership, Profile, Tenant, User
from search.thesauri import synonyms_changed
from tests.factories import accept, authorization, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
LEAVE = "Annual leave is 30 days a year."


@pytest.fixture
def leave(tenant: Tenant) -> Expectation:
    """That the leave policy is found, not asked yet."""
    document = ingest(tenant, "leave", LEAVE).document
    return Expectation.objects.create(tenant=tenant, question="annual leave", document=document)


def ask(tenant: Tenant) -> None:
    """As a worker does, with the pause over."""
    ExpectationWatch.objects.filter(tenant=tenant).update(due_at=timezone.now())
    jobs.run_expectations(tenant.pk)


def state(one: Expectation) -> str:
    one.refresh_from_db()
    return one.state


def test_a_new_expectation_is_asked_and_then_rests(tenant: Tenant, leave: Expectation) -> None:
    assert expectations.due() == [tenant.pk]
    ask(tenant)
    assert state(leave) == "green"
    ExpectationWatch.objects.update(due_at=timezone.now())
    assert expectations.due() == []


def test_whatever_changes_results_makes_them_due(tenant: Tenant, leave: Expectation) -> None:
    draft = Profile.objects.create(tenant=tenant, name="plain")

    def becomes_due(change: Any) -> bool:
        ask(tenant)
        ExpectationWatch.objects.update(due_at=timezone.now())
        assert expectations.due() == []
        change()
        return expectations.due() == [tenant.pk]

    assert becomes_due(lambda: ingest(tenant, "other", "Something else."))
    assert becomes_due(lambda: synonyms_changed(tenant.pk))
    assert becomes_due(lambda: Profile.objects.filter(pk=draft.pk).update(live_at=timezone.now()))
    assert becomes_due(lambda: Tenant.objects.update(live_profile=draft))
    assert becomes_due(lambda: expectations.ask_again(Expectation.objects.all()))


def test_a_new_day_makes_them_due(
    tenant: Tenant, leave: Expectation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tenant)
    tomorrow = timezone.now() + timedelta(days=1)
    monkeypatch.setattr("ingestion.services.expectations.timezone.now", lambda: tomorrow)
    assert expectations.due() == [tenant.pk]


def test_they_wait_until_nothing_is_being_taken_in_but_not_for_ever(
    tenant: Tenant, leave: Expectation
) -> None:
    ask(tenant)
    accepted = accept(tenant, "leave", "It was moved.")
    synonyms_changed(tenant.pk)
    ExpectationWatch.objects.update(due_at=timezone.now())
    assert expectations.due() == []
    assert ExpectationWatch.objects.get().waiting_since
    assert expectations.due() == []
    ExpectationWatch.objects.update(waiting_since=timezone.now() - expectations.NEVER_QUIET)
    assert expectations.due() == [tenant.pk]
    ExpectationWatch.objects.update(waiting_since=timezone.now())
    IngestionTask.objects.filter(pk=accepted.task.pk).update(due_at=timezone.now() + timedelta(minutes=1))
    assert expectations.due() == [tenant.pk]  # it failed, and waits to be tried again


def test_what_was_changed_is_asked_about_first(
    tenant: Tenant, leave: Expectation, monkeypatch: pytest.MonkeyPatch
) -> None:
    bonus = ingest(tenant, "bonus", "The bonus is 100 euros.").document
    one = Expectation.objects.create(tenant=tenant, question="bonus", document=bonus)
    ask(tenant)
    asked: list[int] = []

    def noted(expectation: Expectation) -> Verdict:
        asked.append(expectation.pk)
        return check(expectation)

    monkeypatch.setattr(expectations, "check", noted)
    ingest(tenant, "bonus", "The bonus is 50 euros.")
    ask(tenant)
    ingest(tenant, "other", "Something else.")
    ask(tenant)
    assert asked == [one.pk, leave.pk] * 2


def test_an_open_sync_is_waited_for(tenant: Tenant, leave: Expectation, tmp_path: Path) -> None:
    ask(tenant)
    synonyms_changed(tenant.pk)
    source = Source.objects.create(tenant=tenant, slug="s", name="s", kind="folder")
    run = SyncRun.objects.create(source=source)
    ExpectationWatch.objects.update(due_at=timezone.now())
    assert expectations.due() == []
    sync.request_cancel(run)
    assert expectations.due() == [tenant.pk]


def test_a_sync_that_harms_turns_it_red_with_no_other_ring(
    tenant: Tenant, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(expectations, "PAUSE", timedelta())
    rung: list[tuple[str, int]] = []
    monkeypatch.setattr(doorbell, "ring", lambda *one: rung.append(one))
    (tmp_path / "leave.txt").write_text(LEAVE)
    source = sources.create(tenant, kind="folder", config={"path": str(tmp_path)}, slug="files")
    _sync(source)
    document = Document.objects.get()
    one = Expectation.objects.create(tenant=tenant, question="days of leave", kind="contains", text="30 days")
    found = Expectation.objects.create(tenant=tenant, question="annual leave", document=document)
    ask(tenant)
    assert (state(one), state(found)) == ("green", "green")
    rung.clear()
    (tmp_path / "leave.txt").write_text(LEAVE.replace("30", "25"))
    _sync(source)
    assert (doorbell.RUN_EXPECTATIONS, tenant.pk) in rung
    ask(tenant)
    assert (state(one), one.stage, state(found)) == ("red", "not_said", "green")
    rung.clear()
    (tmp_path / "leave.txt").rename(tmp_path / "holidays.txt")
    _sync(source)
    ask(tenant)
    assert state(found) == "green"  # a renamed document is the same one


def _sync(source: Source) -> None:
    jobs.run_sync(sync.start(source).pk)
    ingest_all(source.tenant)


def test_what_is_missed_while_something_comes_in_is_asked_again_when_it_is_there(
    tenant: Tenant, leave: Expectation, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask(tenant)
    documents.delete(Document.objects.get())
    ingest_all(tenant)

    def comes_back(expectation: Expectation) -> Any:
        verdict = check(expectation)
        accept(tenant, "leave", LEAVE)
        return verdict

    monkeypatch.setattr(expectations, "check", comes_back)
    ask(tenant)
    monkeypatch.setattr(expectations, "check", check)
    assert state(leave) == "green"
    ingest_all(tenant)
    ask(tenant)
    assert (state(leave), expectations.due()) == ("green", [])


def test_another_worker_finds_nothing_to_do_until_the_lease_has_run_out(
    tenant: Tenant, leave: Expectation
) -> None:
    later = timezone.now() + timedelta(minutes=1)
    ExpectationWatch.objects.create(tenant=tenant, leased_until=later)
    assert not expectations.run(tenant.pk, should_stop=lambda: False)
    assert state(leave) == "untried"
    ExpectationWatch.objects.update(leased_until=timezone.now())
    expectations.run(tenant.pk, should_stop=lambda: False)
    assert state(leave) == "green"


def test_a_stopped_worker_leaves_them_due(
    tenant: Tenant, leave: Expectation, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(jobs._stopping, "is_set", lambda: True)
    jobs.run_expectations(tenant.pk)
    assert (state(leave), expectations.due()) == ("untried", [tenant.pk])


def test_an_outage_puts_off_what_needs_it_and_says_why(
    tenant: Tenant, leave: Expectation, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = Expectation.objects.create(
        tenant=tenant, question="How long is annual leave?", kind="contains", text="30 days"
    )

    def down(expectation: Expectation, **_: Any) -> Any:
        if expectation.pk == asked.pk:
            raise GenerationUnavailable("The model is away.")
        return check(expectation)

    monkeypatch.setattr(expectations, "check", down)
    ask(tenant)
    watch = ExpectationWatch.objects.get()
    assert (state(asked), state(leave), watch.reason) == ("untried", "green", "The model is away.")
    assert expectations.due() == []  # for a while
    monkeypatch.setattr(expectations, "check", check)
    ask(tenant)
    assert (state(asked), ExpectationWatch.objects.get().reason) == ("green", "")


def test_one_that_nobody_can_ask_does_not_keep_the_others_waiting(
    tenant: Tenant, leave: Expectation, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = Expectation.objects.create(tenant=tenant, question="broken", kind="refused")
    Expectation.objects.filter(pk=leave.pk).update(asked_at=timezone.now())

    def fails(expectation: Expectation, **_: Any) -> Any:
        if expectation.pk == broken.pk:
            raise RuntimeError("a bug")
        return check(expectation)

    monkeypatch.setattr(expectations, "check", fails)
    ask(tenant)
    watch = ExpectationWatch.objects.get()
    assert (state(leave), watch.reason[:12], watch.lease_token) == ("untried", "It broke off", None)
    ask(tenant)
    assert state(leave) == "green"


def test_a_dead_engine_ends_the_round(
    tenant: Tenant, leave: Expectation, monkeypatch: pytest.MonkeyPatch
) -> None:
    Expectation.objects.create(tenant=tenant, question="another", kind="refused")
    tried: list[int] = []

    def down(expectation: Expectation, **_: Any) -> Any:
        tried.append(expectation.pk)
        raise OpenSearchUnavailable("OpenSearch does not answer.")

    monkeypatch.setattr(expectations, "check", down)
    ask(tenant)
    assert tried == [leave.pk]


def test_red_ones_are_counted_for_prometheus(tenant: Tenant, leave: Expectation) -> None:
    Expectation.objects.create(tenant=tenant, question="leave", kind="contains", text="99 days")
    Expectation.objects.create(tenant=tenant, question="off", kind="contains", text="x", is_enabled=False)
    ask(tenant)
    expectations.publish_metrics()
    assert EXPECTATIONS_RED.labels("acme")._value.get() == 1


DIALOG = {"_form_submitted": "on"}
FORM = {"kind": "finds", "within": "10", "text": "", "groups": "", "profile": "", "is_enabled": "on"}


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def test_the_admin_makes_one_shows_why_it_is_red_and_asks_again(
    boss: Client, tenant: Tenant, leave: Expectation
) -> None:
    address = "/admin/search/expectation/add/"
    form = FORM | {"tenant": tenant.pk, "question": "annual leave"}
    assert "Say which document." in boss.post(address, form).content.decode()
    boss.post(address, form | {"document": leave.document_id, "groups": "hr"})
    made = Expectation.objects.latest("pk")
    assert (made.groups, made.state) == (["hr"], "untried")
    page = f"/admin/search/expectation/{made.pk}/"
    assert "Not asked yet" in boss.get(f"{page}change/").content.decode()
    ask(tenant)
    assert "It held on" in boss.get(f"{page}change/").content.decode()
    boss.post(f"{page}change/", form | {"kind": "contains", "text": "40 days"})
    assert state(made) == "untried"
    ask(tenant)
    html = boss.get(f"{page}change/").content.decode()
    assert 'data-stage="not_said"' in html
    assert "40 days" in html
    response = boss.post(f"{page}ask-now/", DIALOG)
    assert "1 will be asked" in str(next(iter(get_messages(response.wsgi_request))))
    assert Expectation.objects.get(pk=made.pk).marks == ""
    listed = boss.get("/admin/search/expectation/").content.decode()
    assert "is answered with these words: 40 days" in listed


def test_a_manager_sees_and_names_nothing_of_another_tenant(
    client: Client, tenant: Tenant, leave: Expectation
) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    user: Any = User.objects.create_user("manager", is_staff=True)
    Membership.objects.create(user=user, tenant=other, role=Membership.Role.MANAGER)
    client.force_login(user)
    assert client.get(f"/admin/search/expectation/{leave.pk}/change/").status_code == 302
    assert client.post(f"/admin/search/expectation/{leave.pk}/ask-now/", DIALOG).status_code == 404
    assert "annual leave" not in client.get("/admin/search/expectation/").content.decode()
    said = FORM | {"tenant": other.pk, "question": "q", "document": leave.document_id}
    assert "Select a valid choice" in client.post("/admin/search/expectation/add/", said).content.decode()
    assert Expectation.objects.count() == 1


def test_the_api_makes_lists_asks_and_puts_back(client: Client, tenant: Tenant, leave: Expectation) -> None:
    key = authorization(tenant, scopes=("explain", "documents"))
    json_body: Any = {"content_type": "application/json", "headers": key}
    address = "/api/v1/expectations"
    said = {"question": "days of leave", "kind": "contains", "text": "30 days"}
    for wrong, field in (
        (said | {"text": " "}, "text"),
        (said | {"kind": "cites"}, "document"),
        (said | {"document": "gone"}, "document"),
    ):
        refused = client.post(address, wrong, **json_body)
        assert (refused.status_code, list(refused.json()["fields"])) == (400, [field])
    made = client.post(address, said, **json_body)
    assert (made.status_code, made.json()["state"]) == (201, "untried")
    ask(tenant)
    listed = client.get(address, headers=key).json()["expectations"]
    assert [(one["kind"], one["document"], one["state"]) for one in listed] == [
        ("finds", "leave", "green"),
        ("contains", None, "green"),
    ]
    ingest(tenant, "leave", LEAVE.replace("30", "25"))
    ask(tenant)
    one = client.get(f"{address}/{made.json()['id']}", headers=key).json()
    assert (one["state"], one["stage"], one["former_editions"][0]["document"]) == ("red", "not_said", "leave")
    back = client.post(f"{address}/{made.json()['id']}/put-back", headers=key)
    assert (back.status_code, len(back.json()["tasks"])) == (202, 1)
    ingest_all(tenant)
    assert client.post(f"{address}/ask", headers=key).json() == {"asked": 2}
    ask(tenant)
    assert client.get(f"{address}/{made.json()['id']}", headers=key).json()["state"] == "green"
    assert client.delete(f"{address}/{made.json()['id']}", headers=key).status_code == 204


def test_the_api_keeps_to_the_keys_tenant_and_scopes(
    client: Client, tenant: Tenant, leave: Expectation
) -> None:
    other = authorization(Tenant.objects.create(slug="other", name="Other"), scopes=("explain", "documents"))
    one = f"/api/v1/expectations/{leave.pk}"
    assert client.get("/api/v1/expectations", headers=other).json() == {"expectations": []}
    assert client.get(one, headers=other).status_code == 404
    assert client.delete(one, headers=other).status_code == 404
    assert client.post(f"{one}/put-back", headers=other).status_code == 404
    assert client.post("/api/v1/expectations/ask", headers=other).json() == {"asked": 0}
    reader = authorization(tenant, scopes=("search",))
    assert client.get("/api/v1/expectations", headers=reader).status_code == 403
    explainer = authorization(tenant, scopes=("explain",))
    assert client.post(f"{one}/put-back", headers=explainer).status_code == 403
