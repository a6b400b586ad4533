"""Who pays: answers, follow-ups and rewritings counted and held to budgets, against a double of a model."""

import asyncio
import json
from collections.abc import Iterator
from contextlib import aclosing
from decimal import Decimal
from typing import Any

import httpx
import openai
import pytest

from bench.doubles import ChatDouble
from search import answers, checks, ledger
from search.context import build_prompt
from search.exceptions import BudgetExhausted, BudgetUnavailable, GenerationUnavailable
from search.generation import ExtractiveGenerator, OpenAIGenerator, get_generator
from search.generations import Usage
from search.models import ApiKey, Spending, Tenant
from search.spending import budgets_of, charged, cost_micros
from search.types import AskRequest, Message, Principal
from tests.factories import accept, authorization, ingest_all
from tests.search.passages import make_passages

pytestmark = pytest.mark.usefixtures("main_job")
QUESTION = "How long does parental leave last?"
ANSWER = "Parental leave lasts sixteen weeks [1]."
PROMPT = build_prompt("How long?", make_passages("Two years."))
PRICES = {"double": {"prompt": 2.0, "completion": 8.0}}


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    ingest_all(tenant)
    return tenant


@pytest.fixture
def double(settings: Any) -> Iterator[ChatDouble]:
    with ChatDouble(reply=lambda body: ANSWER) as running:
        options = {"model": "double", "base_url": running.base_url, "max_retries": 0}
        settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
        settings.SEARCH_MODEL_PRICES = PRICES
        yield running


def limit(tenant: Tenant, **limits: Any) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(**limits)


def row() -> Spending:
    ledger.flush()
    return Spending.objects.get()


def test_a_call_is_counted_by_what_the_server_says_at_its_price(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    usage = answers.answer(principal, AskRequest(QUESTION))["usage"]
    counted = row()
    assert (counted.tenant, counted.api_key, counted.model, counted.calls) == (corpus, None, "double", 1)
    assert counted.prompt_tokens == usage["prompt_tokens"] > 0
    assert counted.completion_tokens == usage["completion_tokens"] > 0
    assert counted.cost_micros == usage["prompt_tokens"] * 2 + usage["completion_tokens"] * 8


def test_a_stored_answer_costs_nothing(corpus: Tenant, principal: Principal, double: ChatDouble) -> None:
    for _ in range(2):
        answers.answer(principal, AskRequest(QUESTION))
    assert row().calls == 1


def test_a_keys_calls_are_its_own(corpus: Tenant, server: str, double: ChatDouble) -> None:
    headers = authorization(corpus)
    body = {"question": QUESTION, "history": [{"role": "user", "content": "Is it paid?"}]}
    assert httpx.post(f"{server}/api/v1/ask", json=body, headers=headers).status_code == 200
    counted = row()
    assert (counted.api_key, counted.calls) == (ApiKey.objects.get(), 2)  # made whole, and answered


@pytest.mark.parametrize("limits", [{"monthly_token_budget": 100}, {"monthly_cost_budget": Decimal("0.001")}])
def test_a_call_that_might_pass_the_tenants_budget_is_not_made(
    limits: dict[str, Any], corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    limit(corpus, **limits)
    body = answers.answer(principal, AskRequest(QUESTION))
    assert (body["answer"], body["degraded"]) == ("", ["budget_exhausted"])
    assert body["hits"]
    assert double.requests == []
    limit(corpus, monthly_token_budget=None, monthly_cost_budget=None)
    assert answers.answer(principal, AskRequest(QUESTION))["answer"] == ANSWER
    limit(corpus, **limits)
    assert answers.answer(principal, AskRequest(QUESTION))["cache"] == "response"


def test_a_budget_lasts_until_it_is_spent(corpus: Tenant, principal: Principal, double: ChatDouble) -> None:
    """Each call takes some 200 tokens of the double's, and is estimated at no more than 1,500."""
    limit(corpus, monthly_token_budget=2500)
    told = [answers.answer(principal, AskRequest(f"{QUESTION} {number}"))["degraded"] for number in range(30)]
    made = len(double.requests)
    assert told == [[]] * made + [["budget_exhausted"]] * (30 - made)
    assert 3 < made < 30
    (bound,) = budgets_of(corpus.pk, None)
    assert 1000 < ledger.spent_of(bound) <= 2500
    counted = row()
    assert counted.prompt_tokens + counted.completion_tokens == ledger.spent_of(bound)


def test_a_keys_budget_binds_that_key_alone(corpus: Tenant, server: str, double: ChatDouble) -> None:
    poor, rich = authorization(corpus), authorization(corpus)
    ApiKey.objects.filter(pk=ApiKey.objects.earliest("pk").pk).update(monthly_token_budget=0)
    told = [
        httpx.post(f"{server}/api/v1/ask", json={"question": QUESTION}, headers=headers).json()["degraded"]
        for headers in (poor, rich)
    ]
    assert told == [["budget_exhausted"], []]


def test_a_stream_and_a_chat_say_that_the_budget_is_used_up(
    corpus: Tenant, server: str, double: ChatDouble
) -> None:
    limit(corpus, monthly_token_budget=0)
    headers = authorization(corpus)
    body = {"question": QUESTION, "stream": True}
    told = httpx.post(f"{server}/api/v1/ask", json=body, headers=headers).text
    assert json.loads(told.split("event: done\ndata: ")[1])["degraded"] == ["budget_exhausted"]
    key = headers["Authorization"].removeprefix("Bearer ")
    messages: list[Any] = [{"role": "user", "content": QUESTION}]
    with openai.OpenAI(base_url=f"{server}/v1", api_key=key, max_retries=0) as client:
        with pytest.raises(openai.RateLimitError) as refused:
            client.chat.completions.create(model="ragsite", messages=messages)
        assert refused.value.code == "budget_exhausted"
        with pytest.raises(openai.APIError) as broke_off:
            list(client.chat.completions.create(model="ragsite", messages=messages, stream=True))
        assert broke_off.value.code == "budget_exhausted"
    assert double.requests == []


def test_a_follow_up_is_made_whole_by_the_rule_once_the_budget_is_used_up(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    limit(corpus, monthly_token_budget=0)
    request = AskRequest("And is it paid?", history=(Message("user", QUESTION),))
    body = answers.answer(principal, request)
    assert body["standalone_question"] == f"{QUESTION} And is it paid?"
    assert body["degraded"] == ["follow_up_by_rule", "budget_exhausted"]
    assert double.requests == []


@pytest.mark.parametrize("url", ["", "redis://127.0.0.1:9/0"])
def test_without_the_ledger_a_budget_is_closed_and_others_are_answered(
    url: str, corpus: Tenant, principal: Principal, double: ChatDouble, settings: Any
) -> None:
    settings.REDIS_URL = url
    assert answers.answer(principal, AskRequest(QUESTION))["answer"] == ANSWER
    limit(corpus, monthly_token_budget=10**9)
    body = answers.answer(principal, AskRequest(f"{QUESTION} Really?"))
    assert (body["answer"], body["degraded"]) == ("", ["budget_unavailable"])
    assert len(double.requests) == 1


def test_a_model_without_a_price_is_not_asked_within_a_budget_of_cost(
    corpus: Tenant, principal: Principal, double: ChatDouble, settings: Any
) -> None:
    settings.SEARCH_MODEL_PRICES = {}
    limit(corpus, monthly_cost_budget=Decimal(10**6))
    body = answers.answer(principal, AskRequest(QUESTION))
    assert (body["answer"], body["degraded"]) == ("", ["budget_unavailable"])
    settings.SEARCH_MODEL_PRICES = {"double": {"prompt": 0, "completion": 0}}
    assert answers.answer(principal, AskRequest(QUESTION))["answer"] == ANSWER


def test_a_reader_who_leaves_has_spent_what_was_written(
    tenant: Tenant, principal: Principal, double: ChatDouble
) -> None:
    limit(tenant, monthly_token_budget=5000)
    double.reply = lambda body: "word " * 200
    double.seconds_per_token = 0.005
    generator = charged(get_generator(), principal)

    async def leave() -> None:
        async with aclosing(generator.stream(PROMPT)) as pieces:
            for _ in range(30):
                await anext(pieces)

    asyncio.run(leave())
    (bound,) = budgets_of(tenant.pk, None)
    counted = row()
    assert counted.calls == 1
    assert 20 <= counted.completion_tokens <= 100
    assert ledger.spent_of(bound) == counted.prompt_tokens + counted.completion_tokens


def test_a_call_that_failed_before_its_first_word_has_spent_nothing(
    tenant: Tenant, principal: Principal, double: ChatDouble
) -> None:
    limit(tenant, monthly_token_budget=5000)
    double.fail_next(500)
    with pytest.raises(GenerationUnavailable):
        charged(get_generator(), principal).generate(PROMPT)
    (bound,) = budgets_of(tenant.pk, None)
    assert (len(double.requests), ledger.flush(), ledger.spent_of(bound)) == (1, 0, 0)


def test_the_estimate_is_above_what_a_call_takes(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    limit(corpus, monthly_token_budget=10**6)
    usage = answers.answer(principal, AskRequest(QUESTION))["usage"]
    generator: Any = charged(get_generator(), principal)
    prompt = build_prompt(QUESTION, make_passages("Parental leave lasts sixteen weeks and is fully paid."))
    assert generator._estimate(prompt).prompt_tokens > usage["prompt_tokens"]


def test_extraction_costs_nothing(principal: Principal) -> None:
    generator = ExtractiveGenerator()
    assert charged(generator, principal) is generator


def test_a_cost_is_in_millionths_and_unknown_without_a_price(settings: Any) -> None:
    settings.SEARCH_MODEL_PRICES = {"m": {"prompt": 0.4, "completion": 1.6}}
    assert cost_micros("m", Usage(1000, 500)) == 1200
    assert cost_micros("n", Usage(1000, 500)) is None


@pytest.mark.parametrize(
    "price", [1.5, {"prompt": 1}, {"prompt": -1, "completion": 1}, {"prompt": "1", "completion": 1}]
)
def test_a_price_that_makes_no_sense_is_refused_at_start(price: Any, settings: Any) -> None:
    settings.SEARCH_MODEL_PRICES = {"m": price}
    assert [problem.id for problem in checks.price_settings()] == ["search.E006"]
    settings.SEARCH_MODEL_PRICES = PRICES
    assert checks.price_settings() == []


def test_errors_say_whose_budget_it_was(
    tenant: Tenant, principal: Principal, double: ChatDouble, settings: Any
) -> None:
    limit(tenant, monthly_token_budget=0)
    with pytest.raises(BudgetExhausted, match="tenant"):
        charged(get_generator(), principal).generate(PROMPT)
    settings.REDIS_URL = ""
    with pytest.raises(BudgetUnavailable):
        charged(OpenAIGenerator(model="double"), principal).generate(PROMPT)
