"""The chat endpoints, asked by OpenAI's own client over a real server."""

from collections.abc import Iterator
from typing import Any

import httpx
import openai
import pytest

from bench.doubles import ChatDouble
from search.chat import ChatDialect
from search.context import REFUSAL
from search.exceptions import GenerationUnavailable
from search.models import Profile, Tenant
from search.shared_flights import RESTARTED
from tests.factories import accept, authorization, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
QUESTION = "How long does parental leave last?"
ANSWER = "Parental leave lasts sixteen weeks [1]."
ASKED: list[Any] = [{"role": "user", "content": QUESTION}]


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    accept(tenant, "pump", "The pump P-4711 must be primed before its first start.")
    accept(tenant, "secret", "Parental leave of the board lasts ninety weeks.", access=["board"])
    ingest_all(tenant)
    return tenant


@pytest.fixture
def double(settings: Any) -> Iterator[ChatDouble]:
    with ChatDouble(reply=lambda body: ANSWER) as running:
        options = {"model": "double", "base_url": running.base_url, "max_retries": 0}
        settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
        yield running


def client_of(tenant: Tenant, server: str, **options: Any) -> openai.OpenAI:
    secret = authorization(tenant, **options)["Authorization"].removeprefix("Bearer ")
    return openai.OpenAI(base_url=f"{server}/v1", api_key=secret, max_retries=0)


@pytest.fixture
def client(corpus: Tenant, server: str) -> Iterator[openai.OpenAI]:
    with client_of(corpus, server) as made:
        yield made


def test_a_chat_is_answered_with_citations(client: openai.OpenAI, double: ChatDouble) -> None:
    told = client.chat.completions.create(model="ragsite", messages=ASKED, temperature=0.3, seed=7)
    assert told.object == "chat.completion"
    assert told.model == "ragsite"
    assert told.choices[0].message.role == "assistant"
    assert told.choices[0].message.content == ANSWER
    assert told.choices[0].finish_reason == "stop"
    assert told.usage is not None
    assert told.usage.total_tokens == told.usage.prompt_tokens + told.usage.completion_tokens > 0
    beyond: Any = told.model_extra
    assert [(one["marker"], one["document"]["id"]) for one in beyond["citations"]] == [("[1]", "leave")]
    assert (beyond["refused"], beyond["degraded"]) == (False, [])


def test_a_chat_streams(client: openai.OpenAI, double: ChatDouble) -> None:
    chunks = list(
        client.chat.completions.create(
            model="ragsite", messages=ASKED, stream=True, stream_options={"include_usage": True}
        )
    )
    assert chunks[0].choices[0].delta.role == "assistant"
    texts = [chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices]
    assert "".join(texts) == ANSWER
    assert len([text for text in texts if text]) > 3
    assert len({chunk.id for chunk in chunks}) == 1
    assert [chunk.choices[0].finish_reason for chunk in chunks if chunk.choices][-1] == "stop"
    *told, last = chunks
    assert last.choices == []
    assert last.usage is not None
    assert last.usage.completion_tokens > 0
    assert all(chunk.usage is None for chunk in told)
    beyond: Any = told[-1].model_extra
    assert [one["document"]["id"] for one in beyond["citations"]] == ["leave"]


def test_usage_is_told_in_a_stream_only_when_asked_for(client: openai.OpenAI, double: ChatDouble) -> None:
    chunks = list(client.chat.completions.create(model="ragsite", messages=ASKED, stream=True))
    assert all(chunk.choices for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_the_clients_own_stream_helper_puts_the_answer_together(
    client: openai.OpenAI, double: ChatDouble
) -> None:
    with client.chat.completions.stream(model="ragsite", messages=ASKED) as stream:
        stream.until_done()
        assert stream.get_final_completion().choices[0].message.content == ANSWER


def test_a_stored_answer_streams_the_same(client: openai.OpenAI, double: ChatDouble) -> None:
    told = [
        "".join(
            chunk.choices[0].delta.content or ""
            for chunk in client.chat.completions.create(model="ragsite", messages=ASKED, stream=True)
        )
        for _ in range(2)
    ]
    assert told == [ANSWER, ANSWER]
    assert len(double.requests) == 1


def test_earlier_messages_are_the_history_and_instructions_are_left_out(
    client: openai.OpenAI, double: ChatDouble
) -> None:
    client.chat.completions.create(
        model="ragsite",
        messages=[
            {"role": "system", "content": "You are a pirate."},
            {"role": "user", "content": [{"type": "text", "text": "Who may take parental leave?"}]},
            {"role": "assistant", "content": "All employees [1]."},
            {"role": "user", "content": QUESTION},
        ],
    )
    _, answering = double.requests  # the question was made whole before
    sent = answering["messages"]
    assert [message["role"] for message in sent] == ["system", "user", "assistant", "user"]
    assert sent[1]["content"] == "Who may take parental leave?"
    assert "pirate" not in str(double.requests)


def test_what_the_key_may_not_see_is_not_answered_from(corpus: Tenant, server: str) -> None:
    asked: list[Any] = [{"role": "user", "content": "How long does parental leave of the board last?"}]
    for groups, found in (((), False), (("board",), True)):
        with client_of(corpus, server, groups=groups) as client:
            told = client.chat.completions.create(model="ragsite", messages=asked)
            assert ("ninety" in str(told.model_dump())) is found


def test_filters_narrow_what_is_answered_from(client: openai.OpenAI) -> None:
    only = {"filters": {"field": "document", "op": "eq", "value": "pump"}}
    told = client.chat.completions.create(model="ragsite", messages=ASKED, extra_body=only)
    assert "sixteen" not in str(told.choices[0].message.content)


def test_a_refusal_is_an_answer_that_says_so(client: openai.OpenAI, double: ChatDouble) -> None:
    asked: list[Any] = [{"role": "user", "content": "Which penguins breed in Patagonia?"}]
    told = client.chat.completions.create(model="ragsite", messages=asked)
    beyond: Any = told.model_extra
    assert (told.choices[0].message.content, beyond["refused"]) == (REFUSAL, True)
    assert double.requests == []


def test_an_answer_that_was_cut_says_length(client: openai.OpenAI, double: ChatDouble) -> None:
    double.finish_reason = "length"
    told = client.chat.completions.create(model="ragsite", messages=ASKED)
    assert told.choices[0].finish_reason == "length"


@pytest.mark.parametrize(
    ("asked", "param"),
    [
        ({"n": 2}, "n"),
        ({"tools": [{"type": "function", "function": {"name": "x", "parameters": {}}}]}, "tools"),
        ({"functions": [{"name": "x", "parameters": {}}]}, "functions"),
        ({"response_format": {"type": "json_object"}}, "response_format"),
        ({"messages": []}, "messages"),
        ({"messages": [{"role": "assistant", "content": "Hello."}]}, "messages"),
        ({"messages": [{"role": "user", "content": " "}]}, "messages"),
        ({"messages": [{"role": "user", "content": "x" * 2001}]}, "messages"),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]}, "messages.0.role"),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
            "messages.0.content",
        ),
    ],
)
def test_what_can_not_be_done_is_refused_by_its_name(
    asked: dict[str, Any], param: str, client: openai.OpenAI, double: ChatDouble
) -> None:
    with pytest.raises(openai.BadRequestError) as refused:
        client.chat.completions.create(**{"model": "ragsite", "messages": ASKED} | asked)
    assert (refused.value.param, refused.value.type) == (param, "invalid_request_error")
    assert refused.value.code == "invalid_request"
    assert double.requests == []


def test_models_are_the_tenants_profiles(corpus: Tenant, client: openai.OpenAI) -> None:
    made = Profile.objects.create(tenant=corpus, name="careful", state=Profile.State.LIVE, settings={})
    Profile.objects.create(tenant=corpus, name="draft", settings={})
    Profile.objects.filter(pk=made.pk).update(live_at=made.created_at)
    assert {"ragsite", "ragsite/careful"} <= {model.id for model in client.models.list()}
    assert client.models.retrieve("ragsite/careful").created == int(made.created_at.timestamp())
    told = client.chat.completions.create(model="ragsite/careful", messages=ASKED)
    assert told.model == "ragsite/careful"
    for unknown in ("ragsite/draft", "gpt-4o"):
        with pytest.raises(openai.NotFoundError) as refused:
            client.chat.completions.create(model=unknown, messages=ASKED)
        assert (refused.value.code, refused.value.param) == ("model_not_found", "model")
        with pytest.raises(openai.NotFoundError):
            client.models.retrieve(unknown)


def test_a_key_must_be_known_and_may_ask(corpus: Tenant, server: str) -> None:
    with client_of(corpus, server, scopes=("search",)) as client:
        with pytest.raises(openai.PermissionDeniedError):
            client.chat.completions.create(model="ragsite", messages=ASKED)
        with pytest.raises(openai.PermissionDeniedError):
            client.models.list()
    unknown = openai.OpenAI(base_url=f"{server}/v1", api_key="rag_unknown", max_retries=0)
    with pytest.raises(openai.AuthenticationError) as refused:
        unknown.chat.completions.create(model="ragsite", messages=ASKED)
    assert refused.value.code == "not_authenticated"


def test_a_model_that_fails_is_a_503_and_in_a_stream_an_error(
    client: openai.OpenAI, double: ChatDouble
) -> None:
    double.fail_next(500, times=2)
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="ragsite", messages=ASKED)
    assert (failed.value.status_code, failed.value.code) == (503, "generation_unavailable")
    with pytest.raises(openai.APIError) as broke_off:
        list(client.chat.completions.create(model="ragsite", messages=ASKED, stream=True))
    assert broke_off.value.code == "generation_unavailable"


def test_an_engine_that_is_down_is_a_503_in_openais_shape(client: openai.OpenAI, settings: Any) -> None:
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    with pytest.raises(openai.InternalServerError) as failed:
        client.chat.completions.create(model="ragsite", messages=ASKED, stream=True)
    assert (failed.value.status_code, failed.value.code) == (503, "opensearch_unavailable")


def test_a_chat_may_be_rated_by_its_id(client: openai.OpenAI, corpus: Tenant, server: str) -> None:
    told = client.chat.completions.create(model="ragsite", messages=ASKED)
    rating = {"request_id": told.id.removeprefix("chatcmpl-"), "rating": "up"}
    response = httpx.post(f"{server}/api/v1/feedback", json=rating, headers=authorization(corpus))
    assert response.status_code == 201


def test_another_origin_that_is_allowed_may_chat(corpus: Tenant, server: str, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    asked = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST"}
    asked["Access-Control-Request-Headers"] = "authorization, content-type, x-stainless-lang"
    for path in ("/v1/chat/completions", "/v1/models"):
        preflight = httpx.options(server + path, headers=asked)
        assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
        assert "x-stainless-lang" in preflight.headers["Access-Control-Allow-Headers"]


def test_other_paths_are_not_found_as_json(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError):
        client.embeddings.create(model="ragsite", input="x")


def test_an_answer_that_begins_anew_in_another_process_is_an_error_since_words_can_not_be_taken_back() -> (
    None
):
    with pytest.raises(GenerationUnavailable):
        ChatDialect("ragsite", "1", has_usage=False).message(RESTARTED)
