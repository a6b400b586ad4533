"""The answer flow on the real node, with the extractive generator and with a double of a model."""

import threading
from collections.abc import Iterator
from typing import Any

import pytest

from bench.doubles import ChatDouble
from ingestion.services import documents
from search import answers
from search.context import REFUSAL
from search.exceptions import InvalidFilter, OpenSearchUnavailable
from search.models import Document, Tenant
from search.types import AskRequest, Message, Principal, Unsupported
from tests.factories import accept, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
QUESTION = "How long does parental leave last?"


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.", metadata={"area": "hr"})
    accept(tenant, "pump", "The pump P-4711 must be primed before its first start.", metadata={"area": "ops"})
    accept(tenant, "board", "Parental leave of board members lasts 20 weeks.", access=["board"])
    ingest_all(tenant)
    return tenant


@pytest.fixture
def double(settings: Any) -> Iterator[ChatDouble]:
    with ChatDouble(reply=lambda body: "Parental leave lasts sixteen weeks [1].") as running:
        options = {"model": "double", "base_url": running.base_url, "max_retries": 0}
        settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
        yield running


def ask(principal: Principal, question: str = QUESTION, **options: Any) -> dict[str, Any]:
    return answers.answer(principal, AskRequest(question, **options))


def test_without_a_model_the_answer_is_extracted_and_says_so(corpus: Tenant, principal: Principal) -> None:
    body = ask(principal)
    assert body["generator"] == "extractive"
    assert body["answer"].startswith("Parental leave lasts sixteen weeks and is fully paid. [1]")
    (citation,) = body["citations"]
    assert (citation["marker"], citation["document"]["id"]) == ("[1]", "leave")
    assert citation["quote"] == "Parental leave lasts sixteen weeks and is fully paid."
    assert (body["refused"], body["degraded"], body["cache"]) == (False, [], "none")
    assert {"retrieve", "context", "generate", "total"} <= set(body["timings"])


def test_with_a_model_the_answer_is_its_own_with_usage(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    body = ask(principal)
    assert body["answer"] == "Parental leave lasts sixteen weeks [1]."
    assert body["generator"] == "double"
    assert body["usage"]["completion_tokens"] > 0
    assert [citation["document"]["id"] for citation in body["citations"]] == ["leave"]


def test_a_question_about_nothing_here_is_refused_without_asking_the_model(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    body = ask(principal, "Which penguins breed in Patagonia?")
    assert (body["refused"], body["answer"], body["citations"]) == (True, REFUSAL, [])
    assert double.requests == []


def test_a_tenant_without_documents_refuses(tenant: Tenant, principal: Principal) -> None:
    body = ask(principal)
    assert (body["refused"], body["hits"]) == (True, [])


def test_a_refusal_of_the_model_is_a_refusal(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    double.reply = lambda body: f"{REFUSAL} Sorry [1]."
    body = ask(principal)
    assert (body["refused"], body["answer"], body["citations"]) == (True, REFUSAL, [])


def test_a_citation_that_fails_is_removed_said_and_not_stored(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    double.reply = lambda body: "Parental leave lasts sixteen weeks [1]. It costs 99 EUR [1]."
    body = ask(principal)
    assert body["answer"] == "Parental leave lasts sixteen weeks [1]. It costs 99 EUR."
    assert body["degraded"] == ["citation_removed", "answer_unsupported"]
    assert body["unsupported"] == [{"sentence": "It costs 99 EUR.", "reason": "number", "removed": False}]
    ask(principal)
    assert len(double.requests) == 2


def test_where_the_profile_removes_them_sentences_without_support_are_left_out(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    double.reply = lambda body: "Parental leave lasts sixteen weeks [1]. It is not paid [1]."
    body = ask(principal, settings={"unsupported": Unsupported.REMOVE})
    assert body["answer"] == "Parental leave lasts sixteen weeks [1]."
    assert body["unsupported"] == [{"sentence": "It is not paid [1].", "reason": "negation", "removed": True}]
    assert [citation["marker"] for citation in body["citations"]] == ["[1]"]


def test_an_answer_of_which_nothing_is_supported_is_refused_where_that_is_removed(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    double.reply = lambda body: "Parental leave lasts forty weeks [1]."
    body = ask(principal, settings={"unsupported": Unsupported.REMOVE})
    assert (body["refused"], body["answer"], body["citations"]) == (True, REFUSAL, [])
    assert "answer_unsupported" in body["degraded"]


def test_an_answer_says_how_relevant_its_passages_are(corpus: Tenant, principal: Principal) -> None:
    near, far = ask(principal), ask(principal, "Which penguins breed in Patagonia?")
    assert near["relevance"] > far["relevance"]


@pytest.mark.parametrize("failure", ["status", "empty", "broken"])
def test_a_model_that_fails_leaves_the_hits_and_is_not_stored(
    failure: str, corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    if failure == "status":
        double.fail_next(500)
    double.reply = lambda body: "" if failure == "empty" else "Parental leave lasts sixteen weeks [1]."
    if failure == "broken":
        double.finish_reason = "content_filter"
    body = ask(principal)
    assert (body["answer"], body["citations"], body["refused"]) == ("", [], False)
    assert body["degraded"] == ["generation_unavailable"]
    assert "leave" in [hit["document"]["id"] for hit in body["hits"]]
    ask(principal)
    assert len(double.requests) == 2


def test_an_equal_question_is_answered_from_the_cache(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    first, second = ask(principal), ask(principal)
    assert (first["cache"], second["cache"]) == ("none", "response")
    assert second["answer"] == first["answer"]
    assert second["request_id"] != first["request_id"]
    assert len(double.requests) == 1


@pytest.mark.parametrize(
    "change",
    [
        {"top_k": 5},
        {"history": (Message("user", "Hello"),)},
        {"filters": {"field": "area", "op": "eq", "value": "hr"}},
        {"question": QUESTION + "?"},
    ],
)
def test_a_question_that_differs_is_answered_anew(
    change: dict[str, Any], corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    ask(principal)
    assert ask(principal, **change)["cache"] == "none"


def test_other_groups_and_another_prompt_are_answered_anew(
    corpus: Tenant, principal: Principal, double: ChatDouble, settings: Any
) -> None:
    ask(principal)
    board = Principal(principal.tenant_id, principal.tenant_uuid, ("board",), principal.scopes)
    assert ask(board)["cache"] == "none"
    settings.SEARCH_CONTEXT_TOKENS = 500
    assert ask(principal)["cache"] == "none"


def test_a_document_of_other_groups_is_neither_cited_nor_in_the_prompt(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    body = ask(principal)
    assert "board" not in [hit["document"]["id"] for hit in body["hits"]]
    assert "20 weeks" not in str(double.requests)


def test_a_deleted_document_leaves_the_cached_answer_at_once(corpus: Tenant, principal: Principal) -> None:
    ask(principal)
    documents.delete(Document.objects.get(public_id="leave"))
    body = ask(principal)
    assert body["cache"] == "none"
    assert "sixteen" not in str(body)


def test_a_changed_document_changes_the_answer(corpus: Tenant, tenant: Tenant, principal: Principal) -> None:
    ask(principal)
    ingest(tenant, "leave", "Parental leave lasts eighteen weeks.")
    assert "eighteen" in ask(principal)["answer"]


def test_equal_questions_in_flight_ask_the_model_once(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    double.seconds_before = 0.5
    bodies: list[dict[str, Any]] = []
    threads = [threading.Thread(target=lambda: bodies.append(ask(principal))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(double.requests) == 1
    assert len({body["answer"] for body in bodies}) == 1
    assert len({body["request_id"] for body in bodies}) == 4


def test_without_a_cache_the_answer_says_so(corpus: Tenant, principal: Principal, settings: Any) -> None:
    settings.REDIS_CACHE_URL = "redis://127.0.0.1:9/0"
    body = ask(principal)
    assert body["degraded"] == ["cache_unavailable"]
    assert body["answer"].startswith("Parental leave")


def test_a_wrong_filter_and_an_engine_that_is_down_are_errors(
    corpus: Tenant, principal: Principal, settings: Any
) -> None:
    with pytest.raises(InvalidFilter):
        ask(principal, filters={"field": "nope", "op": "eq", "value": 1})
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    with pytest.raises(OpenSearchUnavailable):
        ask(principal)
