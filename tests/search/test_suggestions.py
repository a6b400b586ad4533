"""Suggestions on the real node: titles by the beginnings of their words, and only those that one may see."""

from typing import Any

import pytest
from django.test import Client

from ingestion.services import documents
from search import index, retrieval, suggestions
from search.mapping import index_body
from search.models import Document, Tenant
from search.types import Principal
from tests.factories import accept, authorization, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


@pytest.fixture
def titled(tenant: Tenant) -> Tenant:
    accept(tenant, "leave", "Sixteen weeks.", title="Parental leave policy")
    accept(tenant, "leave-2", "Again.", title="Parental leave policy")
    accept(tenant, "pump", "The pump. " * 400, title="Pump P-4711: first start")
    accept(tenant, "cafe", "Open.", title="Café Zürich")
    accept(tenant, "salaries", "Bands.", title="Pump salaries", access=["hr"])
    ingest_all(tenant)
    return tenant


def suggested(principal: Principal, text: str, size: int = 8) -> list[str]:
    body = suggestions.suggest(principal, text, size=size)
    assert body["degraded"] == []
    return [suggestion["text"] for suggestion in body["suggestions"]]


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("p", "Parental leave policy"),
        ("par", "Parental leave policy"),
        ("PARENTAL le", "Parental leave policy"),
        ("leave", "Parental leave policy"),
        ("polic paren", "Parental leave policy"),
        ("parentel", "Parental leave policy"),
        ("pmup", "Pump P-4711: first start"),
        ("4711", "Pump P-4711: first start"),
        ("cafe zur", "Café Zürich"),
    ],
)
def test_a_title_is_suggested_by_the_beginnings_of_its_words(
    typed: str, title: str, titled: Tenant, principal: Principal
) -> None:
    assert title in suggested(principal, typed)


@pytest.mark.parametrize(
    "typed", ["", "   ", "zebra", "leave zebra", "ump", "*", "p* OR leave~5", "\x00", "💥" * 50]
)
def test_nothing_is_suggested_for_what_no_title_begins_with(
    typed: str, titled: Tenant, principal: Principal
) -> None:
    assert suggested(principal, typed) == []


def test_a_title_is_suggested_once_and_the_size_is_kept(titled: Tenant, principal: Principal) -> None:
    assert suggested(principal, "parental") == ["Parental leave policy"]
    assert len(suggested(principal, "p", size=1)) == 1


def test_what_matches_as_typed_comes_before_a_slip(tenant: Tenant, principal: Principal) -> None:
    accept(tenant, "a", "x", title="Puma")
    accept(tenant, "b", "x", title="Pump")
    ingest_all(tenant)
    assert suggested(principal, "pump")[0] == "Pump"
    assert suggested(principal, "puma")[0] == "Puma"


def test_a_title_is_suggested_only_to_those_who_may_see_its_document(
    titled: Tenant, principal: Principal
) -> None:
    hr = Principal(titled.pk, titled.uuid, ("hr",), principal.scopes)
    assert "Pump salaries" not in suggested(principal, "pump")
    assert "Pump salaries" in suggested(hr, "pump")
    documents.delete(Document.objects.get(public_id="salaries"))
    assert "Pump salaries" not in suggested(hr, "pump")


def test_a_changed_title_is_suggested_in_place_of_the_former(titled: Tenant, principal: Principal) -> None:
    documents.change(
        Document.objects.get(public_id="cafe"), documents.DocumentFieldsInput(title="Bistro Bern")
    )
    ingest_all(titled)
    assert suggested(principal, "bis") == ["Bistro Bern"]
    assert suggested(principal, "cafe") == []


@pytest.fixture
def headed(tenant: Tenant) -> Tenant:
    _accept_page(tenant, "pump", "# Pump\n\n## Grease and water\n\nDaily.")
    _accept_page(tenant, "mill", "# Mill\n\n## Grinding the wheel\n\nSlowly.")
    _accept_page(tenant, "valve", "# Grinder\n\n## Grinding the wheel\n\nNever.")
    _accept_page(tenant, "secret", "# Plans\n\n## Grinding halt\n\nSoon.", access=["hr"])
    ingest_all(tenant)
    return tenant


def _accept_page(tenant: Tenant, public_id: str, text: str, **fields: Any) -> None:
    content = documents.Content(text.encode(), "text/markdown")
    documents.accept(tenant, documents.Incoming(public_id, documents.DocumentFieldsInput(**fields), content))


def test_headings_come_behind_titles_each_once_and_only_for_those_who_may_see_them(
    headed: Tenant, principal: Principal
) -> None:
    assert suggested(principal, "grind") == ["Grinder", "Grinding the wheel"]
    assert suggested(principal, "wheel gri") == ["Grinding the wheel"]
    hr = Principal(headed.pk, headed.uuid, ("hr",), principal.scopes)
    assert set(suggested(hr, "grind")) == {"Grinder", "Grinding the wheel", "Grinding halt"}
    assert suggested(hr, "grind", size=1) == ["Grinder"]


def test_words_of_a_title_and_a_heading_together_suggest_neither(
    headed: Tenant, principal: Principal
) -> None:
    assert suggested(principal, "pump grease") == []
    assert suggested(principal, "grease") == ["Grease and water"]


def test_a_former_editions_heading_is_not_suggested(headed: Tenant, principal: Principal) -> None:
    _accept_page(headed, "pump", "# Pump\n\n## Oil and water\n\nDaily.")
    ingest_all(headed)
    assert suggested(principal, "grease") == []
    assert suggested(principal, "oil") == ["Oil and water"]


def test_an_index_of_an_older_mapping_suggests_titles_alone(
    headed: Tenant, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make_index_anew(headed, monkeypatch, without="headings")
    _accept_page(headed, "valve", "# Grinder\n\n## Grinding the wheel\n\nSeldom.")
    ingest_all(headed)
    assert suggested(principal, "grind") == ["Grinder"]


def _make_index_anew(tenant: Tenant, monkeypatch: pytest.MonkeyPatch, *, without: str) -> None:
    """The live index as it was made before a field could be suggested from; it is empty."""

    def older(*args: Any, **options: Any) -> dict[str, Any]:
        body = index_body(*args, **options)
        del body["mappings"]["properties"][without]["fields"]
        return body

    monkeypatch.setattr("search.mapping.index_body", older)
    tenant.refresh_from_db()
    live = tenant.live_index
    assert live is not None
    index.drop_index(live.name)
    index.create_index(live, [])
    monkeypatch.setattr(retrieval, "_suggests", {})


def test_an_index_of_an_older_mapping_suggests_nothing_and_says_why(
    titled: Tenant, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    _make_index_anew(titled, monkeypatch, without="title")
    body = suggestions.suggest(principal, "pump", size=8)
    assert body["suggestions"] == []
    assert body["degraded"] == ["suggestions_need_rebuild"]


def test_a_tenant_without_documents_suggests_nothing(tenant: Tenant, principal: Principal) -> None:
    assert suggested(principal, "pump") == []


def test_the_endpoint_takes_a_beginning_and_needs_the_search_scope(titled: Tenant, client: Client) -> None:
    headers = authorization(titled)
    answer = client.get("/api/v1/suggest", {"q": "pump"}, headers=headers)
    assert answer.status_code == 200
    assert answer.json()["suggestions"] == [{"text": "Pump P-4711: first start", "document": "pump"}]
    assert client.get("/api/v1/suggest", {"q": "x" * 201}, headers=headers).status_code == 400
    assert client.get("/api/v1/suggest", headers=headers).json()["fields"] == {
        "q": ["This field is required."]
    }
    assert (
        client.get("/api/v1/suggest", {"q": "p"}, headers=authorization(titled, scopes=("ask",))).status_code
        == 403
    )
    assert client.get("/api/v1/suggest", {"q": "p"}).status_code == 401


def test_the_page_suggests_to_its_reader_alone(titled: Tenant, client: Client) -> None:
    assert client.get("/t/acme/suggest", {"q": "pump"}).status_code == 404
    Tenant.objects.filter(pk=titled.pk).update(is_public=True)
    answer = client.get("/t/acme/suggest", {"q": "pump"})
    assert [suggestion["text"] for suggestion in answer.json()["suggestions"]] == ["Pump P-4711: first start"]


def test_as_many_words_as_are_taken_stay_under_the_engines_limit(
    tenant: Tenant, principal: Principal
) -> None:
    """Each has a neighbour for every letter, one slip away."""
    words = [f"{first}{last}" for first in ("ab", "cd") for last in "abcdefghijklmnopqrstuvwxy"]
    accept(tenant, "words", "All of them.", title=" ".join(words))
    ingest_all(tenant)
    assert suggested(principal, " ".join(words)) == [" ".join(words)]
