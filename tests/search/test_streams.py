"""POST /api/v1/ask through Django's ASGI handler, and through a real uvicorn where the connection itself matters."""

import asyncio
import json
import time
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import pytest
from django.http import StreamingHttpResponse
from django.test import AsyncClient

from bench.doubles import ChatDouble
from search import answers, streams
from search.context import REFUSAL
from search.models import Tenant
from search.types import AskRequest, Principal
from tests.factories import accept, authorization, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
QUESTION = "How long does parental leave last?"
ANSWER = "Parental leave lasts sixteen weeks [1]."


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    accept(tenant, "pump", "The pump P-4711 must be primed before its first start.")
    ingest_all(tenant)
    return tenant


@pytest.fixture
def headers(corpus: Tenant) -> dict[str, str]:
    return authorization(corpus)


@pytest.fixture
def double(settings: Any) -> Iterator[ChatDouble]:
    with ChatDouble(reply=lambda body: ANSWER) as running:
        options = {"model": "double", "base_url": running.base_url, "max_retries": 0}
        settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
        yield running


def wait_for(condition: Callable[[], bool], *, seconds: float = 5.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.02)
    assert condition()


async def post(headers: dict[str, str], **body: Any) -> Any:
    body = {"question": QUESTION} | body
    client = AsyncClient()
    return await client.post(
        "/api/v1/ask", json.dumps(body), content_type="application/json", headers=headers
    )


async def read(response: StreamingHttpResponse) -> list[bytes]:
    return [chunk async for chunk in response]


def run(work: Callable[[], Awaitable[Any]]) -> Any:
    async def main() -> Any:
        return await work()

    return asyncio.run(main())


def ask(headers: dict[str, str], **body: Any) -> Any:
    return run(lambda: post(headers, **body))


def parsed(chunks: list[bytes]) -> list[tuple[str, dict[str, Any]]]:
    events = []
    for message in b"".join(chunks).decode().split("\n\n"):
        if message and not message.startswith(":"):
            fields = dict(line.split(": ", 1) for line in message.splitlines())
            events.append((fields["event"], json.loads(fields["data"])))
    return events


def stream(headers: dict[str, str], **body: Any) -> list[tuple[str, dict[str, Any]]]:
    async def both() -> list[bytes]:
        return await read(await post(headers, stream=True, **body))

    return parsed(run(both))


def test_one_json_has_the_whole_answer(headers: dict[str, str], double: ChatDouble) -> None:
    response = ask(headers)
    body = json.loads(response.content)
    assert response.status_code == 200
    assert response.headers["Content-Type"] == "application/json"
    assert (body["answer"], body["generator"]) == (ANSWER, "double")
    assert [citation["marker"] for citation in body["citations"]] == ["[1]"]


def test_a_stream_tells_status_hits_tokens_citations_and_done(
    headers: dict[str, str], double: ChatDouble
) -> None:
    events = stream(headers)
    names = [name for name, _ in events]
    assert list(dict.fromkeys(names)) == ["status", "hits", "token", "citation", "done"]
    assert "".join(data["text"] for name, data in events if name == "token") == ANSWER
    assert names.count("token") > 3
    done = events[-1][1]
    assert done["answer"] == ANSWER
    assert [data for name, data in events if name == "citation"] == done["citations"]
    assert events[1][1]["hits"] == done["hits"]


def test_a_stream_can_neither_be_cached_nor_held_back_by_a_proxy(headers: dict[str, str]) -> None:
    async def both() -> Any:
        response = await post(headers, stream=True)
        await read(response)
        return response

    response = run(both)
    assert response.headers["Content-Type"] == "text/event-stream"
    assert response.headers["Cache-Control"] == "no-cache"
    assert response.headers["X-Accel-Buffering"] == "no"


def test_a_stream_and_one_json_and_the_service_say_the_same(
    headers: dict[str, str], principal: Principal, settings: Any
) -> None:
    settings.REDIS_CACHE_URL = ""
    streamed = stream(headers)[-1][1]
    whole = json.loads(ask(headers).content)
    served = answers.answer(principal, AskRequest(QUESTION))
    for name in ("answer", "citations", "hits", "refused", "generator", "degraded"):
        assert streamed[name] == whole[name] == served[name]


def test_an_extractive_answer_streams_sentence_by_sentence(headers: dict[str, str]) -> None:
    events = stream(
        headers, question="How long does parental leave last, and what about the pump's first start?"
    )
    assert [name for name, _ in events].count("token") >= 2
    assert events[-1][1]["generator"] == "extractive"


def test_a_stored_answer_streams_too(headers: dict[str, str], double: ChatDouble) -> None:
    first, second = stream(headers), stream(headers)
    assert second[-1][1]["cache"] == "response"
    assert [name for name, _ in second] == ["status", "hits", "token", "citation", "done"]
    assert second[-1][1]["request_id"] != first[-1][1]["request_id"]
    assert len(double.requests) == 1


def test_a_refusal_streams_without_asking_the_model(headers: dict[str, str], double: ChatDouble) -> None:
    events = stream(headers, question="Which penguins breed in Patagonia?")
    assert events[-1][1]["refused"]
    assert ("token", {"text": REFUSAL}) in events
    assert double.requests == []


def test_a_bad_citation_is_gone_from_done(headers: dict[str, str], double: ChatDouble) -> None:
    double.reply = lambda body: "Parental leave lasts sixteen weeks [1]. It costs 99 EUR [1]. See [7]."
    events = stream(headers)
    done = events[-1][1]
    assert done["answer"] == "Parental leave lasts sixteen weeks [1]. It costs 99 EUR. See."
    assert done["degraded"] == ["citation_removed", "answer_unsupported"]
    assert "[7]" not in "".join(data["text"] for name, data in events if name == "token")


@pytest.mark.parametrize("tokens", [None, 3])
def test_a_model_that_fails_gives_hits_and_no_answer(
    tokens: int | None, headers: dict[str, str], double: ChatDouble
) -> None:
    double.break_after_tokens = tokens
    if tokens is None:
        double.fail_next(500)
    done = stream(headers)[-1][1]
    assert (done["answer"], done["degraded"]) == ("", ["generation_unavailable"])
    assert done["hits"]


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        ({"question": "  "}, 400, "invalid_request"),
        ({"question": "x", "streem": True}, 400, "invalid_request"),
        ({"question": "x", "filters": {"field": "nope", "op": "eq", "value": 1}}, 400, "invalid_filter"),
        ({"question": "x", "profile": "nope"}, 400, "invalid_request"),
        ({"question": "x", "history": [{"role": "system", "content": "x"}]}, 400, "invalid_request"),
    ],
)
@pytest.mark.parametrize("streams_it", [False, True])
def test_a_bad_request_has_its_status_and_shape_even_as_a_stream(
    body: dict[str, Any], status: int, code: str, streams_it: bool, headers: dict[str, str]
) -> None:
    response = ask(headers, **body, stream=streams_it)
    assert response.status_code == status
    assert json.loads(response.content)["code"] == code


def test_a_body_that_is_no_json_and_other_types_and_methods_are_refused(headers: dict[str, str]) -> None:
    async def statuses() -> list[int]:
        client = AsyncClient()
        bad = await client.post("/api/v1/ask", "{", content_type="application/json", headers=headers)
        form = await client.post("/api/v1/ask", {"question": "x"}, headers=headers)
        get = await client.get("/api/v1/ask", headers=headers)
        return [bad.status_code, form.status_code, get.status_code]

    assert run(statuses) == [400, 415, 405]


def test_a_key_needs_to_be_known_and_to_have_the_scope(corpus: Tenant) -> None:
    assert ask({}).status_code == 401
    assert ask({"Authorization": "Bearer rag_unknown"}).status_code == 401
    assert ask(authorization(corpus, scopes=("search",))).status_code == 403


@pytest.mark.parametrize("streams_it", [False, True])
def test_an_engine_that_is_down_is_a_503_with_retry_after(
    streams_it: bool, headers: dict[str, str], settings: Any
) -> None:
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    response = ask(headers, stream=streams_it)
    assert (response.status_code, json.loads(response.content)["code"]) == (503, "opensearch_unavailable")
    assert response.headers["Retry-After"]


def test_what_is_over_the_pool_is_refused_at_once_and_places_come_back(
    headers: dict[str, str], double: ChatDouble, settings: Any
) -> None:
    settings.SEARCH_STREAM_POOL_SIZE = 1
    double.paused = True

    async def two() -> list[Any]:
        first = asyncio.create_task(post(headers))
        while not double.requests:
            await asyncio.sleep(0.01)
        shed = await post(headers, question=QUESTION + "?")
        double.paused = False
        return [await first, shed, await post(headers, question=QUESTION + "??")]

    first, shed, third = run(two)
    assert [first.status_code, shed.status_code, third.status_code] == [200, 503, 200]
    assert json.loads(shed.content)["code"] == "overloaded"
    assert shed.headers["Retry-After"]


def test_equal_questions_in_flight_share_one_generation(headers: dict[str, str], double: ChatDouble) -> None:
    double.seconds_before = 0.5

    async def several() -> list[list[bytes]]:
        responses = await asyncio.gather(*(post(headers, stream=True) for _ in range(5)))
        return await asyncio.gather(*(read(response) for response in responses))

    told = [parsed(chunks) for chunks in run(several)]
    assert len(double.requests) == 1
    assert {"".join(data["text"] for name, data in events if name == "token") for events in told} == {ANSWER}
    assert len({events[-1][1]["request_id"] for events in told}) == 5


def test_a_silent_second_is_filled_with_a_comment(
    headers: dict[str, str], double: ChatDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(streams, "PING_SECONDS", 0.1)
    double.seconds_before = 0.55

    async def both() -> list[bytes]:
        return await read(await post(headers, stream=True))

    assert 3 <= run(both).count(streams.PING) <= 6


def test_a_bug_in_the_middle_of_a_stream_is_told_as_an_error(
    headers: dict[str, str], double: ChatDouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any, **__: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(streams, "finish_answer", broken)
    name, data = stream(headers)[-1]
    assert (name, data["code"]) == ("error", "internal_error")


def test_a_client_that_leaves_cancels_the_generation(
    headers: dict[str, str], double: ChatDouble, server: str, settings: Any
) -> None:
    settings.SEARCH_STREAM_RESUME_SECONDS = 0
    double.reply = lambda body: "Parental leave lasts. " * 500
    double.seconds_per_token = 0.02
    body = {"question": QUESTION, "stream": True}
    with httpx.stream("POST", f"{server}/api/v1/ask", json=body, headers=headers) as response:
        next(line for line in response.iter_lines() if line == "event: token")
        assert double.open_streams == 1
    wait_for(lambda: double.open_streams == 0)


def test_one_of_two_clients_that_leaves_does_not_stop_the_other(
    headers: dict[str, str], double: ChatDouble, server: str
) -> None:
    double.reply = lambda body: ANSWER + " It is fully paid [1]." * 5
    double.seconds_per_token = 0.02
    body = {"question": QUESTION, "stream": True}
    with httpx.stream("POST", f"{server}/api/v1/ask", json=body, headers=headers) as stays:
        lines = stays.iter_lines()
        next(line for line in lines if line == "event: token")
        with httpx.stream("POST", f"{server}/api/v1/ask", json=body, headers=headers) as leaves:
            next(line for line in leaves.iter_lines() if line == "event: token")
        assert "event: done" in list(lines)
    assert len(double.requests) == 1


def test_another_origin_that_is_allowed_may_ask(headers: dict[str, str], server: str, settings: Any) -> None:
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    asked = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST"}
    preflight = httpx.options(f"{server}/api/v1/ask", headers=asked)
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
    response = httpx.post(
        f"{server}/api/v1/ask",
        json={"question": QUESTION},
        headers=headers | {"Origin": "https://app.example.org"},
    )
    assert response.headers["Access-Control-Allow-Origin"] == "https://app.example.org"
    assert response.headers["X-Content-Type-Options"] == "nosniff"


def test_the_schema_describes_the_endpoint(client: Any) -> None:
    schema = client.get("/api/schema/?format=json").json()
    described = schema["paths"]["/api/v1/ask"]["post"]
    assert set(described["responses"]["200"]["content"]) == {"application/json", "text/event-stream"}
    assert "question" in str(schema["components"]["schemas"])
