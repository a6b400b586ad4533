"""The admin's page "Caches": listed, searched, opened, evicted, and never another tenant's."""

from typing import Any

import pytest
from django.test import Client

from search import answers, services
from search.client import get_write_client
from search.models import Membership, Tenant, User
from search.types import AskRequest, Principal, SearchRequest
from tests.factories import ingest

pytestmark = pytest.mark.usefixtures("main_job")
PAGE = "/admin/caches/"
QUESTION = "How long does parental leave last?"


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def asked(tenant: Tenant, principal: Principal, settings: Any) -> Tenant:
    """A tenant that was asked and searched."""
    settings.SEARCH_SEMANTIC_CACHE = True
    ingest(tenant, "leave", "Parental leave lasts sixteen weeks.", title="Leave")
    assert not answers.answer(principal, AskRequest(QUESTION))["degraded"]
    services.search(principal, SearchRequest("sixteen weeks"))
    get_write_client().indices.refresh(index="*-questions-*")
    return tenant


def labels(page: Any) -> list[str]:
    return [entry.label for entry, _ in page.context["entries"]]


def test_entries_of_each_cache_are_listed_and_searched(boss: Client, asked: Tenant) -> None:
    assert labels(boss.get(PAGE)) == ["search: sixteen weeks", f"answer: {QUESTION}"]
    assert len(labels(boss.get(PAGE, {"layer": "embedding"}))) == 2
    assert len(labels(boss.get(PAGE, {"layer": "embedding", "q": QUESTION}))) == 1
    assert labels(boss.get(PAGE, {"layer": "embedding", "q": "weeks"})) == []
    assert labels(boss.get(PAGE, {"layer": "semantic"})) == [QUESTION]
    assert labels(boss.get(PAGE, {"q": "PARENTAL last"})) == [f"answer: {QUESTION}"]
    assert labels(boss.get(PAGE, {"layer": "semantic", "q": "pump"})) == []


@pytest.mark.parametrize("layer", ["response", "semantic"])
def test_an_entry_is_opened(layer: str, boss: Client, asked: Tenant) -> None:
    [(_, address)] = boss.get(PAGE, {"layer": layer, "q": "parental"}).context["entries"]
    page = boss.get(PAGE + address).content.decode()
    assert "Parental leave lasts sixteen weeks." in page
    assert "leave" in page


@pytest.mark.parametrize("layer", ["response", "semantic", "embedding"])
def test_the_chosen_or_all_are_evicted(layer: str, boss: Client, asked: Tenant) -> None:
    page = boss.get(PAGE, {"layer": layer})
    entry, _ = page.context["entries"][-1]
    boss.post(f"{PAGE}?layer={layer}", {"entries": [entry.id]})
    assert entry.label not in labels(boss.get(PAGE, {"layer": layer}))
    boss.post(f"{PAGE}?layer={layer}", {"all": "1"})
    assert labels(boss.get(PAGE, {"layer": layer})) == []


def test_what_was_evicted_is_answered_anew(boss: Client, asked: Tenant, principal: Principal) -> None:
    for layer in ("response", "semantic"):
        boss.post(f"{PAGE}?layer={layer}", {"all": "1"})
    assert answers.answer(principal, AskRequest(QUESTION))["cache"] == "none"


def test_a_manager_sees_and_evicts_only_what_is_theirs(client: Client, asked: Tenant) -> None:
    other = Tenant.objects.create(slug="aaa", name="Other")
    manager = User.objects.create_user("manager", is_staff=True)
    Membership.objects.create(user=manager, tenant=other, role=Membership.Role.MANAGER)
    client.force_login(manager)
    page = client.get(PAGE, {"tenant": asked.slug})
    assert page.context["looked"].tenant == other
    assert labels(page) == []
    client.post(f"{PAGE}?tenant={asked.slug}", {"all": "1"})
    client.force_login(User.objects.create_superuser("boss"))
    assert len(labels(client.get(PAGE, {"tenant": asked.slug}))) == 2


def test_who_manages_nothing_is_told_so_and_others_have_no_way_in(client: Client, asked: Tenant) -> None:
    client.force_login(User.objects.create_user("staff", is_staff=True))
    assert "no tenant that you manage" in client.get(PAGE).content.decode()
    client.force_login(User.objects.create_user("reader"))
    assert client.get(PAGE).status_code == 302


def test_a_cache_that_is_down_is_said(boss: Client, asked: Tenant, settings: Any) -> None:
    settings.REDIS_CACHE_URL = "unix:///nonexistent.sock"
    assert "does not answer" in boss.get(PAGE).content.decode()
    boss.post(PAGE, {"all": "1"})
