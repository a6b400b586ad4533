"""The admin pages of curation rules: a draft, its preview, pinning by a click, publishing."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from search import curating, services
from search.models import CuratedDocument, CurationRule, Document, Membership, Tenant, User
from search.types import Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
RULES = "/admin/search/curationrule/"
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    for number in range(3):
        accept(tenant, f"valve{number}", f"A valve of size {number}.")
    accept(tenant, "salaries", "The salary of whoever greases a valve.", access=["hr"])
    ingest_all(tenant)
    return tenant


def fields(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    said = {"tenant": tenant.pk, "queries": "valve\nvalves", "match": "exact", "least_cosine": "0.8"}
    empty = dict.fromkeys(("starts_at_0", "starts_at_1", "ends_at_0", "ends_at_1"), "")
    return {**said, **empty, "priority": "100", "redirect_url": "", "redirect_label": "", **changes}


def rule_of(tenant: Tenant) -> CurationRule:
    return CurationRule.objects.create(tenant=tenant, queries=["valve"])


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def press(client: Client, rule: CurationRule, do: str, public_id: str) -> Any:
    document = Document.objects.get(public_id=public_id)
    return client.post(f"{RULES}{rule.pk}/preview/?q=valve", {"do": do, "document": document.pk})


def first_of(principal: Principal) -> str:
    body = services.search(principal, SearchRequest("valve"))
    return str(body["hits"][0]["document"]["id"])


def test_a_rule_is_written_previewed_pinned_and_published(
    boss: Client, corpus: Tenant, principal: Principal
) -> None:
    added = boss.post(f"{RULES}add/", fields(corpus))
    rule = CurationRule.objects.get()
    assert (rule.queries, added.headers["Location"]) == (["valve", "valves"], f"{RULES}{rule.pk}/preview/")
    assert 'aria-label="Pin valve2"' in boss.get(f"{RULES}{rule.pk}/preview/").content.decode()
    last = services.search(principal, SearchRequest("valve"))["hits"][-1]["document"]["id"]
    press(boss, rule, "pin", last)
    page = boss.get(f"{RULES}{rule.pk}/preview/").context
    assert page["after"][0].public_id == last != page["before"][0].public_id
    assert first_of(principal) != last
    boss.post(f"{RULES}{rule.pk}/publish/", DIALOG)
    assert first_of(principal) == last
    boss.post(f"{RULES}{rule.pk}/withdraw/", DIALOG)
    assert first_of(principal) != last


def test_a_preview_looks_as_chosen_groups(boss: Client, corpus: Tenant) -> None:
    Membership.objects.create(user=User.objects.create_user("ann"), tenant=corpus, groups=["hr"])
    rule = rule_of(corpus)
    curating.add(rule, Document.objects.get(public_id="salaries"), CuratedDocument.Action.PIN)
    everyone = boss.get(f"{RULES}{rule.pk}/preview/")
    assert "not there for these groups now" in everyone.content.decode()
    hr = boss.get(f"{RULES}{rule.pk}/preview/", {"group": "hr"})
    assert hr.context["after"][0].public_id == "salaries"
    assert "not there for these groups now" not in hr.content.decode()


def test_another_query_says_that_it_does_not_meet_the_rule(boss: Client, corpus: Tenant) -> None:
    page = boss.get(f"{RULES}{rule_of(corpus).pk}/preview/", {"q": "salary"})
    assert "does not meet the rule" in page.content.decode()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"redirect_url": "javascript:alert(1)", "redirect_label": "x"}, "http(s) address"),
        ({"redirect_url": "//evil.example", "redirect_label": "x"}, "http(s) address"),
        ({"redirect_url": "/t/acme/"}, "Say where the link leads"),
        ({"queries": "???"}, "holds no word"),
        ({"least_cosine": "0.1"}, "hardly related"),
        (
            {
                "starts_at_0": "2026-01-02",
                "starts_at_1": "10:00",
                "ends_at_0": "2026-01-01",
                "ends_at_1": "10:00",
            },
            "before it begins",
        ),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused(
    boss: Client, tenant: Tenant, changes: dict[str, str], message: str
) -> None:
    page = boss.post(f"{RULES}add/", fields(tenant, **changes)).content.decode()
    assert message in page
    assert not CurationRule.objects.exists()


def test_a_contradiction_is_refused_with_its_name(boss: Client, corpus: Tenant) -> None:
    published, draft = rule_of(corpus), CurationRule.objects.create(tenant=corpus, queries=["tap"])
    press(boss, published, "pin", "valve1")
    curating.publish(published)
    press(boss, draft, "hide", "valve1")
    page = boss.post(f"{RULES}{draft.pk}/change/", fields(corpus, queries="Valve"))
    assert "pins valve1 for the same query" in page.content.decode()
    press(boss, draft, "pin", "valve1")
    assert "hidden by this rule already" in said(press(boss, draft, "pin", "valve1"))


def test_a_published_rule_changes_in_a_draft_alone(boss: Client, corpus: Tenant) -> None:
    rule = rule_of(corpus)
    press(boss, rule, "pin", "valve1")
    curating.publish(rule)
    assert press(boss, rule, "remove", "valve1").status_code == 403
    assert boss.post(f"{RULES}{rule.pk}/change/", fields(corpus)).status_code == 403
    moved = boss.post(f"{RULES}{rule.pk}/edit/", DIALOG, headers={"HX-Request": "true"})
    draft = CurationRule.objects.get(replaces=rule)
    assert moved.headers["HX-Redirect"] == f"{RULES}{draft.pk}/preview/"
    page = boss.get(f"{RULES}{rule.pk}/change/").content.decode()
    assert ("/withdraw/" in page, "/publish/" in page) == (True, False)
    CurationRule.objects.filter(pk=rule.pk).update(queries=["valve", "valves"])
    assert "valve · valves" in boss.get(f"{RULES}{rule.pk}/change/").content.decode()


def test_deleting_a_published_rule_ends_it_at_once(
    boss: Client, corpus: Tenant, principal: Principal
) -> None:
    rule = rule_of(corpus)
    press(boss, rule, "pin", "valve2")
    curating.publish(rule)
    assert first_of(principal) == "valve2"
    boss.post(f"{RULES}{rule.pk}/delete/", {"post": "yes"})
    assert not CurationRule.objects.exists()
    assert "curated" not in services.search(principal, SearchRequest("valve"))["hits"][0]


def test_a_manager_reaches_the_rules_and_documents_of_the_own_tenant_alone(
    client: Client, corpus: Tenant
) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    manager = User.objects.create_user("manager", is_staff=True)
    Membership.objects.create(user=manager, tenant=other, role=Membership.Role.MANAGER)
    client.force_login(manager)
    theirs, own = rule_of(corpus), rule_of(other)
    assert client.get(f"{RULES}{theirs.pk}/preview/").status_code == 404
    assert client.post(f"{RULES}{theirs.pk}/publish/", DIALOG).status_code == 404
    assert press(client, own, "pin", "valve1").status_code == 404
    assert client.get(f"{RULES}{own.pk}/preview/").status_code == 200
