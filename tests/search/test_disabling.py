"""What is switched off is in no search, count, answer or page, and stays off in later editions that say it again."""

import pytest
from django.test import Client
from django.urls import reverse

from ingestion.parsers.media_types import MARKDOWN
from ingestion.services import documents, rebuild
from ingestion.services.documents import Content, DocumentFieldsInput, Incoming
from search import answers, disabling, reading, services
from search.exceptions import NotFound, PassageRefused
from search.models import DisabledPassage, Document, Tenant, User
from search.types import AskRequest, FacetRequest, Mode, Principal, SearchRequest
from tests.factories import authorization, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
FILLING = "Oil. " * 60


def push(tenant: Tenant, public_id: str, *parts: str, **metadata: str) -> None:
    """A document with a passage for each part."""
    said = "\n\n".join(f"# Part {name}\n\nThe {name} is told of here. {FILLING}" for name in parts)
    fields = DocumentFieldsInput(title="Manual", metadata=metadata)
    documents.accept(tenant, Incoming(public_id, fields, Content(said.encode(), MARKDOWN)))
    ingest_all(tenant)


@pytest.fixture
def manual(tenant: Tenant) -> Document:
    """Three passages, each of one part; and another document that has one of them too."""
    push(tenant, "other", "fan", kind="sheet")
    push(tenant, "manual", "pump", "fan", "boiler", kind="manual")
    return Document.objects.select_related("tenant").get(public_id="manual")


def found(principal: Principal, query: str) -> list[tuple[str, int]]:
    body = services.search(principal, SearchRequest(query, mode=Mode.LEXICAL, group_by="chunk"))
    return [(hit["document"]["id"], hit["chunk"]["ordinal"]) for hit in body["hits"]]


def test_it_is_neither_found_nor_counted_from_the_next_request_on(
    manual: Document, principal: Principal
) -> None:
    asked = SearchRequest("fan", mode=Mode.LEXICAL, facets=(FacetRequest("kind"),))
    before = services.search(principal, asked)
    assert before["total"]["value"] == 2
    disabling.disable(manual, 1)
    after = services.search(principal, asked)
    assert [hit["document"]["id"] for hit in after["hits"]] == ["other"]
    assert after["total"]["value"] == 1
    assert [(one["value"], one["count"]) for one in after["facets"]["kind"]] == [("sheet", 1)]
    assert found(principal, "pump") == [("manual", 0)]
    disabling.enable_at(manual, 1)
    assert services.search(principal, asked)["total"]["value"] == 2


def test_neither_neighbours_nor_readers_nor_answers_have_it(manual: Document, principal: Principal) -> None:
    def read() -> list[str]:
        [hit] = services.search(principal, SearchRequest("pump", mode=Mode.LEXICAL, neighbours=1))["hits"]
        told = answers.answer(principal, AskRequest("What is told of the fan?"))["hits"]
        shown = reading.read_document(principal, "manual", at=0).passages
        beside = [neighbour["text"] for neighbour in hit.get("neighbours", [])]
        return [*beside, *(one["chunk"]["text"] for one in told), *(one.text for one in shown)]

    def with_fan(texts: list[str]) -> int:
        return sum("The fan is told" in text for text in texts)

    assert with_fan(read()) == 4  # a neighbour, two documents' passages for the answer, and what is shown
    disabling.disable(manual, 1)
    disabling.disable(Document.objects.get(public_id="other"), 0)
    assert with_fan(read()) == 0
    assert [one.ordinal for one in reading.read_document(principal, "manual", at=0).passages] == [0, 2]


def test_later_editions_leave_it_out_while_they_say_it(
    manual: Document, tenant: Tenant, principal: Principal
) -> None:
    disabling.disable(manual, 1)
    push(tenant, "manual", "valve", "pump", "fan")
    assert found(principal, "fan") == [("other", 0)]
    assert found(principal, "valve") == [("manual", 0)]
    push(tenant, "manual", "valve", "pump")
    assert DisabledPassage.objects.get().chunk_ids == []
    push(tenant, "manual", "fan")
    assert found(principal, "fan") == [("other", 0)]
    assert len(DisabledPassage.objects.get().chunk_ids) == 1


def test_a_rebuilt_index_leaves_it_out(manual: Document, tenant: Tenant, principal: Principal) -> None:
    disabling.disable(manual, 1)
    version = rebuild.start(tenant).version
    ingest_all(tenant)
    disabling.disable(manual, 2)  # in the version that is not live yet as well
    assert rebuild.finish(version)
    tenant.refresh_from_db()
    assert found(principal, "fan") == [("other", 0)]
    assert found(principal, "boiler") == []
    assert found(principal, "pump") == [("manual", 0)]


def test_all_passages_with_the_text_go_and_come_together(tenant: Tenant, principal: Principal) -> None:
    push(tenant, "twice", "fan", "pump", "fan")
    twice = Document.objects.select_related("tenant").get(public_id="twice")
    first = disabling.disable(twice, 0)
    assert found(principal, "fan") == []
    assert disabling.disable(twice, 2) == first
    disabling.enable_at(twice, 2)
    assert found(principal, "fan") == [("twice", 0), ("twice", 2)]


def test_a_deleted_documents_text_is_not_kept_with_it(manual: Document) -> None:
    disabling.disable(manual, 1)
    documents.delete(manual)
    assert not DisabledPassage.objects.exists()


def test_no_more_are_taken_than_a_query_can_name(manual: Document, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(disabling, "MAX_DISABLED", 1)
    disabling.disable(manual, 1)
    with pytest.raises(PassageRefused, match="1 passages are switched off"):
        disabling.disable(manual, 0)
    with pytest.raises(NotFound):
        disabling.disable(manual, 99)


def test_the_api_switches_off_lists_and_switches_on(
    manual: Document, tenant: Tenant, principal: Principal, client: Client
) -> None:
    headers = authorization(tenant)

    def post(passage: int, *, disabled: bool, document: str = "manual") -> int:
        body = {"document": document, "passage": passage, "disabled": disabled}
        answer = client.post("/api/v1/passages", body, content_type="application/json", headers=headers)
        return answer.status_code

    assert post(1, disabled=True) == 204
    [listed] = client.get("/api/v1/passages", headers=headers).json()["passages"]
    assert listed["document"] == "manual"
    assert listed["text"].startswith("The fan is told of here.")
    assert [chunk.split(":")[2] for chunk in listed["chunks"]] == ["1"]
    assert found(principal, "fan") == [("other", 0)]
    assert post(9, disabled=True) == post(9, disabled=False) == post(0, disabled=True, document="no") == 404
    assert post(1, disabled=False) == 204
    assert client.get("/api/v1/passages", headers=headers).json() == {"passages": []}
    reader = authorization(tenant, scopes=("search",))
    assert client.get("/api/v1/passages", headers=reader).status_code == 403


def test_the_admin_page_switches_off_and_on(manual: Document, principal: Principal, client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    address = reverse("admin:search_document_passages", args=[manual.pk])
    assert "Passages" in client.get(f"/admin/search/document/{manual.pk}/change/").content.decode()
    shown = client.get(address).content.decode()
    assert shown.count('data-state="on"') == 3
    said = client.post(address, {"passage": "1", "switch": "off"}, follow=True).content.decode()
    assert said.count('data-state="off"') == 1
    assert "Passage 1 is off." in said
    assert found(principal, "fan") == [("other", 0)]
    said = client.post(address, {"passage": "1", "switch": "on"}, follow=True).content.decode()
    assert said.count('data-state="on"') == 3
    wrong = client.post(address, {"passage": "x", "switch": "on"}, follow=True).content.decode()
    assert "Say which passage" in wrong
