"""Collections: what is looked at is narrowed wherever one is named, and one for others is not there."""

import json
from typing import Any

import pytest
from django.test import Client

from search import answers, curating, services, suggestions
from search.collections import choices, chosen
from search.exceptions import NotFound
from search.metrics import StageClock
from search.models import (
    Collection,
    CuratedDocument,
    CurationRule,
    Document,
    Membership,
    Profile,
    Tenant,
    User,
)
from search.stages import Stage
from search.types import AskRequest, FacetRequest, Mode, Principal, SearchRequest
from search.whereabouts import Sought, whereabouts
from tests.factories import accept, authorization, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
SERVICE = {"field": "team", "op": "eq", "value": "service"}


@pytest.fixture
def filled(tenant: Tenant) -> Tenant:
    """Six documents of two teams, and three collections: for everyone, for the group hr, and by another profile."""
    for number in range(3):
        accept(
            tenant,
            f"s{number}",
            f"The pump of size {number} is greased.",
            title=f"Pump {number}",
            metadata={"team": "service"},
        )
        accept(
            tenant,
            f"f{number}",
            f"The pump of size {number} costs {number} euros.",
            title=f"Price {number}",
            metadata={"team": "finance"},
        )
    ingest_all(tenant)
    Collection.objects.create(tenant=tenant, slug="service", name="Service", filters=SERVICE)
    Collection.objects.create(tenant=tenant, slug="staff", name="Staff", audience=["hr"])
    return tenant


def found(principal: Principal, **options: Any) -> set[str]:
    body = services.search(principal, SearchRequest("pump", top_k=20, **options))
    return {hit["document"]["id"] for hit in body["hits"]}


def test_hits_total_facets_pages_and_lists_lie_within_the_collection(
    filled: Tenant, principal: Principal
) -> None:
    service = {"s0", "s1", "s2"}
    for options in ({}, {"mode": Mode.LEXICAL}, {"mode": Mode.VECTOR}, {"sort": "-team"}):
        assert found(principal, collection="service", **options) == service, options
    assert len(found(principal)) == 6
    request = SearchRequest("pump", collection="service", facets=(FacetRequest("team"),))
    body = services.search(principal, request)
    assert body["total"] == {"value": 3, "relation": "eq"}
    assert [one["value"] for one in body["facets"]["team"]] == ["service"]
    finance = {"field": "team", "op": "eq", "value": "finance"}
    assert found(principal, collection="service", filters=finance) == set()


def test_pins_come_first_only_where_they_lie_within(filled: Tenant, principal: Principal) -> None:
    rule = CurationRule.objects.create(tenant=filled, queries=["pump"])
    for name in ("f1", "s2"):
        curating.add(rule, Document.objects.get(public_id=name), CuratedDocument.Action.PIN)
    curating.publish(rule)

    def order(collection: str | None) -> list[str]:
        body = services.search(principal, SearchRequest("pump", collection=collection))
        return [hit["document"]["id"] for hit in body["hits"]]

    assert order(None)[:2] == ["f1", "s2"]
    assert order("service")[0] == "s2"
    assert "f1" not in order("service")


def test_an_answer_cites_only_what_lies_within(filled: Tenant, principal: Principal) -> None:
    asked = AskRequest("How much does the pump of size 2 cost?", collection="service")
    body = answers.answer(principal, asked)
    assert {hit["document"]["id"] for hit in body["hits"]} <= {"s0", "s1", "s2"}
    everywhere = answers.answer(principal, AskRequest(asked.question))
    assert "f2" in {citation["document"]["id"] for citation in everywhere["citations"]}


def test_suggestions_and_whereabouts_know_the_collection(filled: Tenant, principal: Principal) -> None:
    offered = suggestions.suggest(principal, "pri", size=5, collection="service")["suggestions"]
    assert offered == []
    assert suggestions.suggest(principal, "pri", size=5)["suggestions"]
    request = SearchRequest("pump", collection="service")
    assert whereabouts(principal, request, Sought("f1")).stage is Stage.FILTER


def test_a_changed_filter_holds_at_once_in_spite_of_the_cache(filled: Tenant, principal: Principal) -> None:
    assert len(found(principal, collection="service")) == 3
    Collection.objects.filter(slug="service").update(filters={})
    assert len(found(principal, collection="service")) == 6
    Collection.objects.filter(slug="service").update(audience=["hr"])
    with pytest.raises(NotFound):
        found(principal, collection="service")


def test_the_collections_profile_holds_unless_the_request_names_one(
    filled: Tenant, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, k in (("few", 1), ("many", 100)):
        Profile.objects.create(tenant=filled, name=name, settings={"k": k}, state=Profile.State.LIVE)
    Collection.objects.create(tenant=filled, slug="few", name="Few", profile="few")
    depths: list[int] = []
    monkeypatch.setattr(services, "_retrieve", lambda asked: depths.append(asked.profile.k))
    for profile in (None, "many"):
        request = SearchRequest("pump", collection="few", profile=profile)
        services.retrieve(principal, request, clock=StageClock())
    assert depths == [1, 100]


def test_one_for_others_is_as_absent_as_one_that_is_not(filled: Tenant, principal: Principal) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    Collection.objects.create(tenant=other, slug="theirs", name="Theirs")
    hr = Principal(filled.pk, filled.uuid, ("hr",))
    assert [one.slug for one in choices(principal)] == ["service"]
    assert [one.slug for one in choices(hr)] == ["service", "staff"]
    for slug in ("staff", "theirs", "nothing"):
        with pytest.raises(NotFound, match=f"There is no collection '{slug}'."):
            chosen(principal, slug)


def test_every_endpoint_says_404_alike_for_one_that_may_not_be_seen(filled: Tenant, client: Client) -> None:
    key = authorization(filled, scopes=("search", "ask", "explain"))

    def asked(slug: str) -> list[tuple[int, str]]:
        calls = [
            ("search", {"query": "pump", "collection": slug}),
            ("search", {"query": "pump", "collection": slug, "sort": "team", "cursor": "*"}),
            ("ask", {"question": "Which pump?", "collection": slug}),
            ("explain", {"query": "pump", "document": "s1", "collection": slug}),
        ]
        answered = [
            client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=key)
            for path, body in calls
        ]
        answered.append(client.get(f"/api/v1/suggest?q=pu&collection={slug}", headers=key))
        return [(one.status_code, one.content.decode().replace(slug, "SLUG")) for one in answered]

    hidden, absent = asked("staff"), asked("absent")
    assert hidden == absent
    assert {status for status, _ in hidden} == {404}
    assert {status for status, _ in asked("service")} == {200}
    listed = client.get("/api/v1/collections", headers=key).json()
    assert listed == {"collections": [{"collection": "service", "name": "Service", "description": ""}]}


def test_an_empty_tenant_says_404_as_well(tenant: Tenant, principal: Principal) -> None:
    with pytest.raises(NotFound):
        services.search(principal, SearchRequest("x", collection="nothing"))
    with pytest.raises(NotFound):
        answers.answer(principal, AskRequest("x", collection="nothing"))


def test_a_reader_chooses_on_the_page_and_keeps_the_choice(filled: Tenant, client: Client) -> None:
    Tenant.objects.update(is_public=True)
    html = client.get("/?q=pump&in=service").content.decode()
    assert '<option value="service" selected>Service</option>' in html
    assert "Staff" not in html
    assert "3 documents" in html
    assert "in=service" in html.partition('class="filters"')[2]  # the links of the filters keep it
    assert client.get("/?q=pump&in=staff").status_code == 404
    assert client.get("/t/acme/suggest?q=pri&in=staff").status_code == 404
    user = User.objects.create_user("reader")
    Membership.objects.create(user=user, tenant=filled, groups=["hr"])
    client.force_login(user)
    assert "Staff" in client.get("/").content.decode()
    assert client.get("/?q=pump&in=staff").status_code == 200


def test_the_admin_takes_only_a_filter_and_a_profile_that_fit(filled: Tenant, client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    form = {"tenant": filled.pk, "name": "Money", "slug": "money", "description": "", "profile": ""}
    form |= {"audience": "", "filters": json.dumps({"field": "tem", "op": "eq", "value": "x"})}
    address = "/admin/search/collection/add/"
    assert "There is no field &#x27;tem&#x27;." in client.post(address, form).content.decode()
    assert "No profile" in client.post(address, form | {"profile": "gone"}).content.decode()
    fitting = json.dumps({"field": "team", "op": "eq", "value": "finance"})
    assert client.post(address, form | {"filters": fitting, "audience": "hr\nboard"}).status_code == 302
    made = Collection.objects.get(slug="money")
    assert made.audience == ["hr", "board"]
    page = f"/admin/search/collection/{made.pk}/change/"
    assert client.post(page, form | {"filters": fitting, "slug": "money"}).status_code == 302
    made.refresh_from_db()
    assert made.audience is None
    assert "Search in it" in client.get("/admin/search/collection/").content.decode()
