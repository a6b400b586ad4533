"""Queries that a language model (a double of one) puts into other words, through the whole search."""

from collections.abc import Iterator
from typing import Any

import pytest
from pytest_django import Settings

from bench.doubles import ChatDouble
from search import services
from search.models import Profile, Tenant
from search.rewriting import SYSTEM_PROMPT, UNAVAILABLE
from search.types import Mode, Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


@pytest.fixture
def double(settings: Settings) -> Iterator[ChatDouble]:
    with ChatDouble(reply=lambda body: "parental leave weeks") as started:
        options = {"model": "double", "base_url": started.base_url, "max_retries": 0}
        settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
        yield started


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks.", metadata={"area": "hr"})
    accept(tenant, "pump", "The pump E-21 moves water uphill.")
    ingest_all(tenant)
    Profile.objects.create(
        tenant=tenant, name="rewriting", version=1, settings={"rewrite": "model"}, state=Profile.State.LIVE
    )
    return tenant


def search(principal: Principal, query: str) -> dict[str, Any]:
    request = SearchRequest(query, mode=Mode.LEXICAL, profile="rewriting")
    return services.search(principal, request)


def ids(body: dict[str, Any]) -> list[str]:
    return [hit["document"]["id"] for hit in body["hits"]]


def test_what_the_model_wrote_is_searched_and_said(
    corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    body = search(principal, "time off for a new baby")
    assert ids(body) == ["leave"]
    assert body["query"]["rewritten"] == "parental leave weeks"
    assert "rewrite" in body["timings"]
    (asked,) = double.requests
    assert [message["content"] for message in asked["messages"]] == [SYSTEM_PROMPT, "time off for a new baby"]


def test_the_same_query_is_rewritten_once(corpus: Tenant, principal: Principal, double: ChatDouble) -> None:
    search(principal, "time off for a new baby")
    services.search(
        principal, SearchRequest("time off for a new baby", mode=Mode.LEXICAL, profile="rewriting", top_k=3)
    )
    assert len(double.requests) == 1


@pytest.mark.parametrize("query", ['"water uphill"', "water -leave", "area:hr", "E-21"])
def test_operators_and_codes_are_searched_as_typed(
    query: str, corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    assert "rewritten" not in search(principal, query)["query"]
    assert double.requests == []


def test_no_operator_of_the_models_counts(corpus: Tenant, principal: Principal, double: ChatDouble) -> None:
    double.reply = lambda body: "leave -weeks area:none"
    body = search(principal, "time off for a new baby")
    assert ids(body) == ["leave"]
    assert (body["query"]["excluded"], body["query"]["filters"]) == ([], [])


@pytest.mark.parametrize("reply", ["", "two\nlines", "long " * 2000])
def test_what_is_no_query_is_left_out_and_said(
    reply: str, corpus: Tenant, principal: Principal, double: ChatDouble
) -> None:
    double.reply = lambda body: reply
    body = search(principal, "water uphill")
    assert (ids(body), body["degraded"]) == (["pump"], [UNAVAILABLE])


def test_a_model_that_fails_or_is_late_leaves_the_words_as_typed(
    corpus: Tenant, principal: Principal, double: ChatDouble, settings: Settings
) -> None:
    double.fail_next(500)
    body = search(principal, "water uphill")
    assert (ids(body), body["degraded"]) == (["pump"], [UNAVAILABLE])
    double.seconds_before = 1.0
    settings.SEARCH_REWRITE_TIMEOUT_SECONDS = 0.1
    late = search(principal, "water uphill")
    assert (ids(late), late["degraded"]) == (["pump"], [UNAVAILABLE])
    assert late["timings"]["rewrite"] < 600


def test_without_a_model_the_words_stand_and_that_is_said(corpus: Tenant, principal: Principal) -> None:
    body = search(principal, "water uphill")
    assert (ids(body), body["degraded"]) == (["pump"], [UNAVAILABLE])
