"""Answers given to near questions, on the real node: when one is, what it says, and what is never kept."""

import time
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from bench.doubles import ChatDouble
from ingestion.services import documents
from search import answers, question_index
from search.client import get_write_client
from search.metrics import CACHE_READS
from search.models import Document, Tenant
from search.tenants import live_target
from search.types import AskRequest, IndexTarget, Message, Principal
from tests.factories import accept, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
QUESTION = "How long does parental leave last?"
NEAR = "What is the duration of parental leave?"
FAR = "How long does sick leave last?"


@pytest.fixture(autouse=True)
def _is_on(settings: Any) -> None:
    settings.SEARCH_SEMANTIC_CACHE = True


def _told(body: dict[str, Any]) -> str:
    """What the first passage says: an answer that is not supported is not kept."""
    return (
        "It lasts six weeks [1]."
        if "sick leave" in str(body["messages"][-1])
        else "It lasts sixteen weeks [1]."
    )


@pytest.fixture(autouse=True)
def double(settings: Any) -> Iterator[ChatDouble]:
    with ChatDouble(reply=_told) as running:
        options = {"model": "double", "base_url": running.base_url, "max_retries": 0}
        settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
        yield running


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.", metadata={"area": "hr"})
    accept(tenant, "sick", "Sick leave lasts six weeks at full pay.", metadata={"area": "hr"})
    accept(tenant, "board", "Parental leave of board members lasts 20 weeks.", access=["board"])
    ingest_all(tenant)
    return tenant


def ask(principal: Principal, question: str = QUESTION, **options: Any) -> dict[str, Any]:
    body = answers.answer(principal, AskRequest(question, **options))
    index_refreshed()
    return body


def index_refreshed() -> None:
    get_write_client().indices.refresh(index="*-questions-*", params={"ignore_unavailable": "true"})


def target_of(tenant: Tenant) -> IndexTarget:
    target = live_target(tenant.pk)
    assert target is not None
    return target


def test_a_question_that_asks_the_same_gets_the_answer_and_is_told_so(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    first, near = ask(principal), ask(principal, NEAR)
    assert (first["cache"], near["cache"]) == ("none", "semantic")
    assert near["cached"]["question"] == QUESTION
    assert 0.0 <= near["cached"]["age_seconds"] < 60.0
    assert (near["answer"], near["citations"]) == (first["answer"], first["citations"])
    assert near["request_id"] != first["request_id"]
    assert {"semantic_cache", "total"} <= set(near["timings"])
    assert len(double.requests) == 1


def test_an_equal_question_comes_from_the_response_cache_and_says_its_age(
    corpus: Tenant, principal: Principal
) -> None:
    ask(principal)
    again = ask(principal)
    assert (again["cache"], again["cached"]["question"]) == ("response", QUESTION)


def test_each_layer_counts_a_miss_or_a_hit_once_a_question(corpus: Tenant, principal: Principal) -> None:
    def reads() -> dict[tuple[str, str], float]:
        names = [(layer, outcome) for layer in ("response", "semantic") for outcome in ("miss", "hit")]
        return {name: CACHE_READS.labels(*name)._value.get() for name in names}

    told = []
    for question in (QUESTION, NEAR, QUESTION):
        before = reads()
        ask(principal, question)
        told.append([name for name, count in reads().items() if count > before[name]])
        assert sum(reads().values()) == sum(before.values()) + len(told[-1])
    response_missed, response_hit = ("response", "miss"), ("response", "hit")
    assert told == [
        [response_missed, ("semantic", "miss")],
        [response_missed, ("semantic", "hit")],
        [response_hit],
    ]


def test_a_question_about_something_else_is_answered_anew(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    ask(principal)
    assert ask(principal, FAR)["cache"] == "none"
    assert len(double.requests) == 2


@pytest.mark.parametrize(
    "change",
    [
        {"top_k": 5},
        {"filters": {"field": "area", "op": "eq", "value": "hr"}},
        {"history": (Message("user", "Hello"), Message("assistant", "Yes?"))},
        {"settings": {"k": 50}},
    ],
    ids=lambda change: next(iter(change)),
)
def test_under_another_scope_it_is_answered_anew(
    change: dict[str, Any], corpus: Tenant, principal: Principal
) -> None:
    ask(principal)
    assert ask(principal, NEAR, **change)["cache"] == "none"


@pytest.mark.parametrize("question", [f'{NEAR[:-1]} "sixteen weeks"', f"{NEAR} -sick"])
def test_typed_operators_say_exactly_what_is_meant(
    question: str, corpus: Tenant, principal: Principal
) -> None:
    ask(principal)
    assert ask(principal, question)["cache"] == "none"


def test_other_groups_and_tenants_have_answers_of_their_own(corpus: Tenant, principal: Principal) -> None:
    ask(principal)
    board = Principal(principal.tenant_id, principal.tenant_uuid, ("board",), principal.scopes)
    assert ask(board, NEAR)["cache"] == "none"
    other = Tenant.objects.create(slug="other", name="Other")
    ingest(other, "leave", "Parental leave lasts nine weeks.")
    stranger = Principal(other.pk, other.uuid, (), principal.scopes)
    assert ask(stranger, NEAR)["cache"] == "none"


def test_a_change_of_documents_or_a_deletion_ends_it(
    corpus: Tenant, tenant: Tenant, principal: Principal
) -> None:
    ask(principal)
    ingest(tenant, "news", "Something else is new.")
    assert ask(principal, NEAR)["cache"] == "none"
    assert ask(principal, "For how many weeks does parental leave last?")["cache"] == "semantic"
    documents.delete(Document.objects.get(public_id="leave"))
    assert ask(principal, "What duration has parental leave?")["cache"] == "none"


def test_a_document_that_may_no_longer_be_seen_is_not_in_a_hit(
    corpus: Tenant, tenant: Tenant, principal: Principal
) -> None:
    ask(principal)
    Document.objects.filter(public_id="leave").update(
        access=["board"]
    )  # and nothing else: as if versions had failed
    assert ask(principal, NEAR)["cache"] == "none"


def test_answers_that_lack_something_are_not_kept(
    corpus: Tenant, tenant: Tenant, principal: Principal, double: ChatDouble
) -> None:
    double.reply = lambda body: "It lasts sixteen weeks [1]. It costs 99 EUR [1]."
    assert ask(principal)["degraded"]
    double.fail_next(500)
    assert ask(principal, "For how long does parental leave last?")["degraded"] == ["generation_unavailable"]
    assert ask(principal, "Which penguins breed in Patagonia?")["refused"]
    index_refreshed()
    assert question_index.listed(tenant.uuid, target_of(tenant).variant) == []


def test_it_can_be_off_for_all_or_for_a_tenant(
    corpus: Tenant, tenant: Tenant, principal: Principal, settings: Any
) -> None:
    ask(principal)
    tenant.answers_near_questions = False
    tenant.save()
    assert ask(principal, NEAR)["cache"] == "none"
    tenant.answers_near_questions = True
    tenant.save()
    settings.SEARCH_SEMANTIC_CACHE = False
    assert ask(principal, "What duration has parental leave?")["cache"] == "none"


def test_an_entry_ends_with_its_time_or_when_a_document_comes(
    corpus: Tenant, tenant: Tenant, principal: Principal, settings: Any
) -> None:
    settings.SEARCH_SEMANTIC_CACHE_TTL_SECONDS = 0
    ask(principal)
    assert ask(principal, NEAR)["cache"] == "none"
    settings.SEARCH_SEMANTIC_CACHE_TTL_SECONDS = 3600
    turn = timezone.now() + timedelta(seconds=2)
    Document.objects.filter(public_id="board").update(expires_at=turn)
    ask(principal, FAR)
    time.sleep(max(0.0, (turn - timezone.now()).total_seconds()))
    assert ask(principal, "What is the duration of sick leave?")["cache"] == "none"


def test_expired_and_surplus_entries_are_removed(
    corpus: Tenant, tenant: Tenant, principal: Principal, settings: Any
) -> None:
    ask(principal)
    ask(principal, FAR)
    target = target_of(tenant)
    assert [entry.question for entry in question_index.listed(tenant.uuid, target.variant)] == [FAR, QUESTION]
    settings.SEARCH_SEMANTIC_CACHE_ENTRIES = 1
    assert question_index.trim(tenant.uuid, target.variant, now=timezone.now()) == 1
    index_refreshed()
    assert [entry.question for entry in question_index.listed(tenant.uuid, target.variant)] == [FAR]
    assert question_index.trim(tenant.uuid, target.variant, now=timezone.now() + timedelta(days=1)) == 1


def test_entries_are_searched_and_evicted_within_their_tenant(
    corpus: Tenant, tenant: Tenant, principal: Principal
) -> None:
    ask(principal)
    ask(principal, FAR)
    variant = target_of(tenant).variant
    (sick,) = question_index.listed(tenant.uuid, variant, text="sick")
    stranger = Tenant.objects.create(slug="other", name="Other")
    assert question_index.read_body(stranger.uuid, variant, sick.id) is None
    assert question_index.evict(stranger.uuid, variant, [sick.id]) == 0
    body = question_index.read_body(tenant.uuid, variant, sick.id)
    assert body is not None
    assert "six weeks" in body["answer"]
    assert question_index.evict(tenant.uuid, variant, [sick.id]) == 1
    assert [entry.question for entry in question_index.listed(tenant.uuid, variant)] == [QUESTION]
    assert question_index.evict(tenant.uuid, variant) == 1


def test_an_index_that_was_lost_is_made_again_as_it_should_be(corpus: Tenant, principal: Principal) -> None:
    ask(principal)
    client = get_write_client()
    (name,) = client.indices.get(index="*-questions-*")
    client.indices.delete(index=name)
    assert ask(principal, NEAR)["cache"] == "none"
    assert ask(principal, "For how many weeks does parental leave last?")["cache"] == "semantic"


def test_without_the_engine_it_is_a_miss(corpus: Tenant, principal: Principal, settings: Any) -> None:
    from search.exceptions import OpenSearchUnavailable

    ask(principal)
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    with pytest.raises(OpenSearchUnavailable):
        answers.answer(principal, AskRequest(NEAR))
    assert answers.answer(principal, AskRequest(QUESTION))["cache"] == "response"
