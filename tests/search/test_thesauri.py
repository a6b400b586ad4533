"""Synonyms on the real node and in the admin: live at the next search, without a reindex."""

from typing import Any

import pytest
from django.test import Client

from search import services
from search.models import Membership, SynonymSet, Tenant, User
from search.types import FacetRequest, Mode, Principal, SearchRequest
from tests.factories import accept, ingest_all

ADD = "/admin/search/synonymset/add/"


def ids(principal: Principal, query: str, **options: Any) -> list[str]:
    body = services.search(principal, SearchRequest(query, **{"mode": Mode.LEXICAL, **options}))
    return [hit["document"]["id"] for hit in body["hits"]]


@pytest.fixture
def manager(client: Client, tenant: Tenant) -> Client:
    user = User.objects.create_user("manager", is_staff=True)
    Membership.objects.create(user=user, tenant=tenant, role=Membership.Role.MANAGER)
    client.force_login(user)
    return client


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "car", "The car is parked in the yard.")
    accept(tenant, "pump", "The heat pump warms the house.")
    accept(tenant, "wagen", "Der Wagen steht im Hof.", language="de")
    accept(tenant, "house", "The pump in the house makes heat.")
    ingest_all(tenant)
    return tenant


@pytest.mark.usefixtures("main_job")
def test_synonyms_hold_from_the_save_on_and_no_longer_than_to_their_deletion(
    manager: Client, corpus: Tenant, principal: Principal
) -> None:
    assert ids(principal, "automobiles") == []
    rules = "automobile, car\nhp => heat pump"
    manager.post(ADD, {"tenant": corpus.pk, "language": "", "rules": rules})
    assert ids(principal, "automobiles") == ["car"]
    assert ids(principal, "hp") == ["pump"]
    assert ids(principal, "heat pump")[0] == "pump"
    row = SynonymSet.objects.get()
    manager.post(f"/admin/search/synonymset/{row.pk}/change/", {"language": "", "rules": "automobile, yard"})
    assert ids(principal, "automobile") == ["car"]
    assert ids(principal, "hp") == []
    manager.post(f"/admin/search/synonymset/{row.pk}/delete/", {"post": "yes"})
    assert ids(principal, "automobile") == []


@pytest.mark.usefixtures("main_job")
def test_a_languages_synonyms_are_for_its_documents(
    manager: Client, corpus: Tenant, principal: Principal
) -> None:
    manager.post(ADD, {"tenant": corpus.pk, "language": "de", "rules": "auto, wagen, car"})
    assert ids(principal, "auto") == ["wagen"]


@pytest.mark.usefixtures("main_job")
def test_a_synonym_counts_in_totals_facets_and_highlights_and_is_no_typing_error(
    manager: Client, corpus: Tenant, principal: Principal
) -> None:
    manager.post(ADD, {"tenant": corpus.pk, "language": "en", "rules": "carr, car"})
    body = services.search(principal, SearchRequest("carr", facets=(FacetRequest("language"),)))
    assert body["total"] == {"value": 1, "relation": "eq"}
    assert body["facets"]["language"] == [{"value": "en", "count": 1}]
    assert "<mark>car</mark>" in body["hits"][0]["highlights"][0]
    assert not {"corrected", "did_you_mean"} & set(body["query"])


@pytest.mark.django_db
def test_bad_lines_are_refused_by_their_numbers(manager: Client, tenant: Tenant) -> None:
    response = manager.post(ADD, {"tenant": tenant.pk, "language": "", "rules": "car, auto\nalone\na =>"})
    page = response.content.decode()
    assert "Line 2: synonyms are at least two" in page
    assert "Line 3: a word is missing" in page
    assert not SynonymSet.objects.exists()


@pytest.mark.django_db
def test_a_manager_edits_no_other_tenants_synonyms(manager: Client) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    manager.post(ADD, {"tenant": other.pk, "language": "", "rules": "car, auto"})
    assert not SynonymSet.objects.exists()
    row = SynonymSet.objects.create(tenant=other, rules="car, auto")
    assert manager.get(f"/admin/search/synonymset/{row.pk}/change/").status_code == 302


@pytest.mark.django_db
def test_the_list_says_how_many_rules_there_are(manager: Client, tenant: Tenant) -> None:
    SynonymSet.objects.create(tenant=tenant, language="de", rules="auto, wagen\n# nothing\na => b")
    page = manager.get("/admin/search/synonymset/").content.decode()
    assert "2" in page
    assert "de" in page
