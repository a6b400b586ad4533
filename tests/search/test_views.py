"""The search page as a reader's browser gets it, on the real node."""

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from search.models import Membership, Tenant, User
from tests.factories import ingest

pytestmark = pytest.mark.django_db


@pytest.fixture
def public(tenant: Tenant) -> Tenant:
    tenant.is_public = True
    tenant.save()
    return tenant


@pytest.fixture
def filled(main_job: None, public: Tenant) -> Tenant:
    ingest(
        public,
        "pump.txt",
        "The pump <b>hums</b> & rattles.",
        title="Pumps",
        metadata={"team": "service", "year": 2024},
    )
    ingest(
        public,
        "pump-2.txt",
        "A pump without oil stops.",
        title="More pumps",
        metadata={"team": "service", "year": 2025},
    )
    ingest(
        public,
        "secret.txt",
        "The pump budget is secret.",
        title="Budget",
        metadata={"team": "board"},
        access=["board"],
    )
    return public


def text_of(response: Any) -> str:
    return str(response.content.decode())


def titles(response: Any) -> list[str]:
    return re.findall(r'class="hit-title"><a href="[^"]*">([^<]*)<', text_of(response))


def member(tenant: Tenant, *, groups: list[str]) -> User:
    user = User.objects.create_user("reader", password="a long password")
    Membership.objects.create(user=user, tenant=tenant, groups=groups)
    return user


def test_the_start_is_the_only_public_tenants_page(client: Client, public: Tenant) -> None:
    Tenant.objects.create(slug="private", name="Private")
    assert "Search Acme" in text_of(client.get("/"))


def test_the_start_lets_one_choose_among_several(client: Client, public: Tenant) -> None:
    Tenant.objects.create(slug="other", name="Other", is_public=True)
    body = text_of(client.get("/"))
    assert 'href="/t/acme/"' in body
    assert 'href="/t/other/"' in body


def test_the_start_without_any_tenant_says_what_to_do(client: Client, db: None) -> None:
    assert "There is nothing to search yet" in text_of(client.get("/"))


def test_a_private_tenant_is_not_there_for_strangers(
    transactional_db: None, client: Client, tenant: Tenant
) -> None:
    for address in ("/t/acme/", "/t/acme/?q=x", "/t/acme/document?id=x", "/t/nowhere/"):
        assert client.get(address).status_code == 404
    assert client.post("/t/acme/ask", {"q": "x"}).status_code == 404


def test_a_member_reads_a_private_tenant_until_the_membership_ends(client: Client, tenant: Tenant) -> None:
    user = member(tenant, groups=[])
    client.force_login(user)
    assert client.get("/t/acme/").status_code == 200
    user.memberships.all().delete()
    assert client.get("/t/acme/").status_code == 404


def test_a_tenant_without_documents_finds_nothing_and_says_so(client: Client, public: Tenant) -> None:
    response = client.get("/", {"q": "pump"})
    assert response.status_code == 200
    assert "Nothing in Acme matches" in text_of(response)


def test_a_search_shows_titles_escaped_highlights_and_metadata(client: Client, filled: Tenant) -> None:
    response = client.get("/", {"q": "pump hums"})
    body = text_of(response)
    assert titles(response)[0] == "Pumps"
    assert "<mark>hums</mark>" in body
    assert "<b>" not in body
    assert re.search(r'chip-name">Team</span>\s*service', body)


def test_what_a_reader_may_not_see_is_nowhere_on_the_page(client: Client, filled: Tenant) -> None:
    for address in ("/?q=pump+budget+secret", "/?q=pump+budget+secret&ask=1", "/?q=pump&mode=vector"):
        body = text_of(client.get(address))
        assert "Budget" not in body
        assert "board" not in body


def test_a_members_groups_open_their_documents(client: Client, filled: Tenant) -> None:
    client.force_login(member(filled, groups=["board"]))
    assert "Budget" in titles(client.get("/", {"q": "secret budget"}))


def test_ticking_filters_narrows_the_results_and_keeps_the_other_counts(
    client: Client, filled: Tenant
) -> None:
    response = client.get("/", {"q": "pump", "f.year": "2025"})
    assert titles(response) == ["More pumps"]
    ticked = client.get("/", {"q": "pump", "f.year": ["2024", "2025"]})
    assert sorted(titles(ticked)) == ["More pumps", "Pumps"]
    assert re.search(r'name="f.year" value="2024" data-submits checked', text_of(ticked))


def test_results_are_sorted_as_asked_and_say_so(client: Client, filled: Tenant) -> None:
    response = client.get("/", {"q": "pump", "sort": "-year"})
    assert titles(response) == ["More pumps", "Pumps"]
    assert '<option value="-year" selected>' in text_of(response)
    assert titles(client.get("/", {"q": "pump", "sort": "year"})) == ["Pumps", "More pumps"]
    assert client.get("/", {"q": "pump", "sort": "colour"}).status_code == 400


def test_modes_are_searched_as_asked(client: Client, filled: Tenant) -> None:
    assert titles(client.get("/", {"q": "zebra", "mode": "lexical"})) == []
    assert titles(client.get("/", {"q": "zebra", "mode": "vector"})) != []


@pytest.mark.parametrize(
    "address", ["/?q=x&mode=magic", "/?q=x&page=0", "/?q=x&f.nothing=1", "/?q=x&page=900"]
)
def test_a_spoilt_address_is_a_readable_400(client: Client, filled: Tenant, address: str) -> None:
    response = client.get(address)
    assert response.status_code == 400
    assert "This search can&#x27;t be run" in text_of(response)


def test_an_answer_is_rendered_without_javascript(client: Client, filled: Tenant) -> None:
    body = text_of(client.get("/", {"q": "What happens to a pump without oil?", "ask": "1"}))
    assert 'href="#source-' in body
    assert re.search(r'id="source-\d+"', body)
    assert "Quoted from the documents" in body


def test_a_script_streams_its_answer_so_its_results_come_without_one(client: Client, filled: Tenant) -> None:
    response = client.get("/", {"q": "pump", "ask": "1"}, headers={"HX-Request": "true"})
    assert 'aria-labelledby="answer-title" hidden' in text_of(response)


def test_a_citation_leads_to_the_passage_in_its_document(client: Client, filled: Tenant) -> None:
    [address] = re.findall(
        r'class="hit-title"><a href="([^"]*)', text_of(client.get("/", {"q": "pump", "f.year": "2024"}))
    )
    response = client.get(address.replace("&amp;", "&").partition("#")[0])
    assert 'id="passage-0"' in text_of(response)
    assert "The pump &lt;b&gt;hums&lt;/b&gt; &amp; rattles." in text_of(response)


def test_a_document_that_is_not_for_the_reader_is_not_there(client: Client, filled: Tenant) -> None:
    address = reverse("page-document", args=["acme"])
    assert client.get(address, {"id": "secret.txt"}).status_code == 404
    assert client.get(address, {"id": "pump.txt", "at": "x"}).status_code == 404
    client.force_login(member(filled, groups=["board"]))
    assert client.get(address, {"id": "secret.txt"}).status_code == 200


def test_a_deleted_document_is_gone_from_the_next_page(client: Client, filled: Tenant) -> None:
    from ingestion.services import documents
    from search.models import Document

    assert len(titles(client.get("/", {"q": "pump"}))) == 2
    documents.delete(Document.objects.get(public_id="pump.txt"))
    assert titles(client.get("/", {"q": "pump"})) == ["More pumps"]
    assert client.get("/t/acme/document", {"id": "pump.txt"}).status_code == 404


def test_an_outage_of_the_engine_is_a_friendly_503(client: Client, filled: Tenant, settings: Any) -> None:
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    for address in ("/?q=oil", "/t/acme/document?id=pump.txt"):
        response = client.get(address)
        assert response.status_code == 503
        assert response["Retry-After"]
        assert "Search is taking a short break" in text_of(response)


def test_the_page_has_a_strict_policy_and_no_inline_code(client: Client, filled: Tenant) -> None:
    response = client.get("/", {"q": "pump", "ask": "1"})
    assert "default-src 'self'" in response["Content-Security-Policy"]
    assert "unsafe" not in response["Content-Security-Policy"]
    body = text_of(response)
    assert not re.search(r"<style|\sstyle=|\son\w+=", body)
    assert all("src=" in tag or "application/json" in tag for tag in re.findall(r"<script[^>]*>", body))
    assert not re.search(r'(?:src|href)="(?:https?:)?//', body)


def test_asking_on_the_page_needs_the_forgery_token(filled: Tenant) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/t/acme/ask", {"q": "pump"}).status_code == 403


def test_a_streamed_answer_has_the_apis_events(client: Client, filled: Tenant) -> None:
    import asyncio

    from django.test import AsyncClient

    async def ask() -> str:
        response: Any = await AsyncClient().post("/t/acme/ask", {"q": "What happens to a pump without oil?"})
        assert response.status_code == 200
        return b"".join([part async for part in response.streaming_content]).decode()

    events = re.findall(r"^event: (\w+)$", asyncio.run(ask()), re.MULTILINE)
    assert events[0] == "status"
    assert events[-1] == "done"
    assert {"hits", "token", "citation"} <= set(events)


def test_an_empty_question_is_a_400(transactional_db: None, client: Client, public: Tenant) -> None:
    assert client.post("/t/acme/ask", {"q": " "}).status_code == 400
    assert client.get("/t/acme/ask").status_code == 405


def test_people_sign_in_and_come_back_to_their_page(client: Client, tenant: Tenant) -> None:
    member(tenant, groups=[])
    assert "do not belong together" in text_of(
        client.post("/login/", {"username": "reader", "password": "no"})
    )
    response = client.post(
        "/login/?next=/t/acme/", {"username": "reader", "password": "a long password", "next": "/t/acme/"}
    )
    assert response.headers["Location"] == "/t/acme/"
    assert client.post("/logout/").headers["Location"] == "/"
    assert client.get("/t/acme/").status_code == 404


def test_signing_in_never_leads_to_another_host(client: Client, tenant: Tenant) -> None:
    member(tenant, groups=[])
    response = client.post(
        "/login/", {"username": "reader", "password": "a long password", "next": "https://evil.example/"}
    )
    assert response.headers["Location"] == "/"


def test_a_page_says_how_a_query_was_read(client: Client, filled: Tenant) -> None:
    page = client.get("/", {"q": 'pump "without oil" -rattles year:>2024'})
    assert titles(page) == ["More pumps"]
    said = re.sub(r"<[^>]+>|\s+", " ", text_of(page))
    assert re.search(r"exactly\s+“without oil”", said)
    assert re.search(r"without\s+rattles", said)
    assert re.search(r"where\s+Year is over 2024", said)


def test_a_corrected_query_can_be_searched_as_it_was_typed(client: Client, filled: Tenant) -> None:
    page = text_of(client.get("/", {"q": "ratlles"}))
    assert "Showing results for <strong>rattles</strong>" in page
    [as_typed] = re.findall(r'<a href="([^"]+)">Search for <q>ratlles</q> instead', page)
    again = client.get(f"/{as_typed.replace('&amp;', '&')}")
    assert "Showing results for" not in text_of(again)
    assert '<a href="?q=%22rattles%22"><strong>&quot;rattles&quot;</strong></a>?' in text_of(again)


def test_what_was_typed_is_escaped_wherever_it_is_repeated(client: Client, filled: Tenant) -> None:
    page = text_of(client.get("/", {"q": '"<script>alert(1)</script>" -"<b>x</b>" ratlles<i>'}))
    assert "<script>alert" not in page
    assert "<b>x" not in page
