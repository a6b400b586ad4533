"""The admin's page "Why is it (not) there?"."""

import pytest
from django.test import Client

from search.models import Membership, Tenant, User
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
PAGE = "/admin/whereabouts/"


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    Membership.objects.create(user=User.objects.create_user("ann"), tenant=tenant, groups=["hr"])
    accept(tenant, "notes/valve", "A valve of size 3.", title="Valve")
    accept(tenant, "notes/valves", "Valves of all sizes.", title="Valves")
    accept(tenant, "salaries", "The salary of whoever greases a valve.", access=["hr"])
    ingest_all(tenant)
    return tenant


def test_a_document_is_chosen_by_words_of_its_title(boss: Client, corpus: Tenant) -> None:
    several = boss.get(PAGE, {"q": "valve", "document": "valv"})
    assert [choice.public_id for choice in several.context["choices"]] == ["notes/valve", "notes/valves"]
    chosen = boss.get(
        PAGE, {"q": "valve", "document": "valv", "chosen": str(several.context["choices"][0].pk)}
    )
    assert chosen.context["stage"] == "found"
    exact = boss.get(PAGE, {"q": "valve", "document": "notes/valve"})
    assert exact.context["document"].public_id == "notes/valve"
    assert "It is among the results." in exact.content.decode()
    assert sum(leg["part"] for leg in exact.context["legs"]) == pytest.approx(
        exact.context["hit"].scores.fused, abs=1e-4
    )


def test_one_looks_as_someone_with_groups(boss: Client, corpus: Tenant) -> None:
    asked = {"q": "salary", "document": "salaries"}
    assert boss.get(PAGE, asked).context["stage"] == "access"
    assert boss.get(PAGE, asked | {"group": "hr"}).context["stage"] == "found"
    assert boss.get(PAGE, asked | {"group": "board"}).context["stage"] == "access"  # nobody holds it


def test_documents_of_other_tenants_look_like_none(client: Client, corpus: Tenant) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    manager = User.objects.create_user("manager", is_staff=True)
    Membership.objects.create(user=manager, tenant=other, role=Membership.Role.MANAGER)
    client.force_login(manager)
    page = client.get(PAGE, {"q": "valve", "document": "notes/valve"})
    assert "it was not ingested" in page.content.decode()
    chosen = corpus.documents.get(public_id="notes/valve")
    assert (
        "document" not in client.get(PAGE, {"q": "valve", "document": "x", "chosen": str(chosen.pk)}).context
    )


def test_readers_do_not_get_in(client: Client, corpus: Tenant) -> None:
    client.force_login(User.objects.get(username="ann"))
    assert client.get(PAGE).status_code == 302
