"""The MCP endpoint, asked by the official client over a real server."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator
from typing import Any

import httpx
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError

from bench.doubles import ChatDouble
from search.context import REFUSAL
from search.models import Tenant
from tests.factories import accept, authorization, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
QUESTION = "How long does parental leave last?"
ANSWER = "Parental leave lasts sixteen weeks [1]."
VERSION = "2025-06-18"
Ask = Callable[[Client], Awaitable[Any]]


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(
        tenant,
        "leave",
        "Parental leave lasts sixteen weeks and is fully paid.",
        url="https://x.example/leave",
    )
    accept(
        tenant, "hr/leave of the board", "Parental leave of the board lasts ninety weeks.", access=["board"]
    )
    accept(tenant, "pumps", "The pump P-4711 needs oil.")
    ingest_all(tenant)
    return tenant


@pytest.fixture
def double(settings: Any) -> Iterator[ChatDouble]:
    with ChatDouble(reply=lambda body: ANSWER) as running:
        options = {"model": "double", "base_url": running.base_url, "max_retries": 0}
        settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
        yield running


def asked(server: str, headers: dict[str, str], ask: Ask, *, mode: str = "auto") -> Any:
    """What `ask` gets from an official client that is connected with these headers."""

    async def main() -> Any:
        async with (
            httpx2.AsyncClient(headers=headers) as http,
            Client(streamable_http_client(f"{server}/mcp", http_client=http), mode=mode) as client,
        ):
            return await ask(client)

    return asyncio.run(main())


def call(server: str, headers: dict[str, str], tool: str, **arguments: Any) -> Any:
    return asked(server, headers, lambda client: client.call_tool(tool, arguments))


def post(server: str, headers: dict[str, str], message: Any, **more: str) -> httpx.Response:
    accepted = {"Accept": "application/json, text/event-stream"}
    return httpx.post(f"{server}/mcp", json=message, headers=headers | accepted | more)


def request(method: str, **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": params}


@pytest.mark.parametrize("mode", ["auto", "legacy"])
def test_a_client_finds_out_what_there_is(mode: str, corpus: Tenant, server: str) -> None:
    async def look(client: Client) -> Any:
        return client.protocol_version, client.server_info, (await client.list_tools()).tools

    version, info, tools = asked(server, authorization(corpus), look, mode=mode)
    assert (version, info.name) == ("2025-11-25", "ragsite")
    assert [tool.name for tool in tools] == ["search", "fetch", "ask"]
    assert tools[0].input_schema["required"] == ["query"]


def test_a_search_gives_passages_that_fetch_reads_on(corpus: Tenant, server: str) -> None:
    headers = authorization(corpus)
    found = call(server, headers, "search", query="parental leave", top_k=3)
    assert not found.is_error
    first = found.structured_content["results"][0]
    assert (first["id"], first["url"]) == ("leave", "https://x.example/leave")
    assert "sixteen weeks" in first["text"]
    assert "sixteen weeks" in found.content[0].text
    read = call(server, headers, "fetch", id=first["id"]).structured_content
    assert read["text"] == "Parental leave lasts sixteen weeks and is fully paid."
    assert read["next_passage"] is None


def test_a_long_document_is_read_in_parts(corpus: Tenant, server: str) -> None:
    long = "\n\n".join(f"Section {number}. " + f"Pump {number} needs oil. " * 60 for number in range(50))
    ingest(corpus, "pumps", long)
    headers = authorization(corpus)
    parts, passage = [], 0
    while passage is not None:
        part = call(server, headers, "fetch", id="pumps", passage=passage).structured_content
        parts.append(part["text"])
        passage = part["next_passage"]
    assert len(parts) > 1
    whole = "\n".join(parts)
    assert [number for number in range(50) if f"Section {number}." not in whole] == []


def test_filters_narrow_a_search(corpus: Tenant, server: str) -> None:
    only = {"field": "document", "op": "eq", "value": "pumps"}
    found = call(server, authorization(corpus), "search", query="parental leave", filters=only)
    assert {result["id"] for result in found.structured_content["results"]} <= {"pumps"}


def test_an_answer_has_its_citations(corpus: Tenant, server: str, double: ChatDouble) -> None:
    told = call(server, authorization(corpus), "ask", question=QUESTION)
    assert not told.is_error
    body = told.structured_content
    assert (body["answer"], body["refused"]) == (ANSWER, False)
    assert [(one["marker"], one["id"], one["url"]) for one in body["citations"]] == [
        ("[1]", "leave", "https://x.example/leave")
    ]


def test_a_client_that_reads_no_streams_gets_one_json(
    corpus: Tenant, server: str, double: ChatDouble
) -> None:
    message = request("tools/call", name="ask", arguments={"question": QUESTION})
    for accepted, kind in (
        ("application/json", "application/json"),
        ("text/event-stream", "text/event-stream"),
    ):
        response = post(server, authorization(corpus), message, Accept=accepted)
        assert response.headers["Content-Type"] == kind
        assert ANSWER in response.text


def test_a_refusal_is_said(corpus: Tenant, server: str, double: ChatDouble) -> None:
    told = call(server, authorization(corpus), "ask", question="Which penguins breed in Patagonia?")
    assert (told.structured_content["answer"], told.structured_content["refused"]) == (REFUSAL, True)
    assert double.requests == []


def test_a_model_that_fails_leaves_the_passages(corpus: Tenant, server: str, double: ChatDouble) -> None:
    double.fail_next(500)
    told = call(server, authorization(corpus), "ask", question=QUESTION)
    assert told.is_error
    assert told.structured_content["degraded"] == ["generation_unavailable"]
    assert told.structured_content["results"][0]["id"] == "leave"


def test_what_the_key_may_not_see_is_not_there(corpus: Tenant, server: str) -> None:
    hidden = "hr/leave of the board"
    for groups, is_there in (((), False), (("board",), True)):
        headers = authorization(corpus, groups=groups)
        found = call(server, headers, "search", query="leave of the board").structured_content
        assert (hidden in {result["id"] for result in found["results"]}) is is_there
        assert call(server, headers, "fetch", id=hidden).is_error is not is_there
        told = call(server, headers, "ask", question="How long does parental leave of the board last?")
        assert ("ninety" in str(told.content)) is is_there


@pytest.mark.parametrize(
    ("tool", "arguments", "said"),
    [
        ("search", {}, "invalid_request: query"),
        ("search", {"query": "x", "limit": 3}, "invalid_request: limit"),
        ("search", {"query": "x", "filters": {"field": "nope", "op": "eq", "value": 1}}, "invalid_filter"),
        ("ask", {"question": " "}, "invalid_request: question"),
        ("ask", {"question": "x", "profile": "nope"}, "invalid_request"),
        ("fetch", {"id": "nope"}, "not_found"),
        ("fetch", {"id": "pumps", "passage": "x"}, "invalid_request: passage"),
        ("fetch", {"id": "pumps", "page": 1}, "invalid_request: page"),
    ],
)
def test_a_mistake_is_told_to_the_agent(
    tool: str, arguments: dict[str, Any], said: str, corpus: Tenant, server: str
) -> None:
    told = call(server, authorization(corpus), tool, **arguments)
    assert told.is_error
    assert told.content[0].text.startswith(said)


def test_an_engine_that_is_down_is_told_to_the_agent(corpus: Tenant, server: str, settings: Any) -> None:
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    for tool, arguments in (("search", {"query": "x"}), ("ask", {"question": QUESTION})):
        told = call(server, authorization(corpus), tool, **arguments)
        assert told.is_error
        assert told.content[0].text.startswith("opensearch_unavailable")


def test_tools_are_those_of_the_keys_scopes(corpus: Tenant, server: str) -> None:
    headers = authorization(corpus, scopes=("search",))
    tools = asked(server, headers, lambda client: client.list_tools()).tools
    assert [tool.name for tool in tools] == ["search", "fetch"]

    async def refused(client: Client) -> str:
        with pytest.raises(MCPError) as error:
            await client.call_tool("ask", {"question": QUESTION})
        return str(error.value)

    assert "no tool 'ask'" in asked(server, headers, refused)


def test_without_a_key_there_is_nothing(corpus: Tenant, server: str) -> None:
    for headers in ({}, {"Authorization": "Bearer rag_unknown"}):
        response = post(server, headers, request("initialize", protocolVersion=VERSION))
        assert response.status_code == 401
        assert response.headers["WWW-Authenticate"] == "Bearer"


def test_an_older_version_is_kept_to_and_an_unknown_one_answered_with_the_newest(
    corpus: Tenant, server: str
) -> None:
    for wanted, given in ((VERSION, VERSION), ("1999-01-01", "2025-11-25")):
        response = post(server, authorization(corpus), request("initialize", protocolVersion=wanted))
        assert response.json()["result"]["protocolVersion"] == given


@pytest.mark.parametrize(
    ("message", "status", "code"),
    [
        ([request("ping")], 400, -32600),
        ({"id": 1, "method": "ping"}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1.5, "method": "ping"}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": 7}, 400, -32600),
        ({"jsonrpc": "2.0", "id": 1, "method": "ping", "params": [1]}, 400, -32600),
        (request("resources/list"), 200, -32601),
        (request("tools/call", name="rm", arguments={}), 200, -32602),
        (request("tools/call", name="search", arguments=[1]), 200, -32602),
    ],
)
def test_what_is_no_call_is_an_error_of_the_protocol(
    message: Any, status: int, code: int, corpus: Tenant, server: str
) -> None:
    response = post(server, authorization(corpus), message)
    assert (response.status_code, response.json()["error"]["code"]) == (status, code)


def test_a_ping_is_answered_with_nothing(corpus: Tenant, server: str) -> None:
    assert post(server, authorization(corpus), request("ping")).json() == {
        "jsonrpc": "2.0",
        "id": 1,
        "result": {},
    }


def test_notifications_are_taken_and_other_methods_and_versions_refused(corpus: Tenant, server: str) -> None:
    headers = authorization(corpus)
    told = post(server, headers, {"jsonrpc": "2.0", "method": "notifications/initialized"})
    assert (told.status_code, told.content) == (202, b"")
    newer = post(server, headers, request("ping"), **{"MCP-Protocol-Version": "2099-01-01"})
    assert (newer.status_code, newer.json()["error"]["code"]) == (400, -32022)
    assert httpx.get(f"{server}/mcp", headers=headers).status_code == 405
    assert httpx.delete(f"{server}/mcp", headers=headers).status_code == 405


def test_pages_of_other_sites_may_not_call_unless_they_are_named(
    corpus: Tenant, server: str, settings: Any
) -> None:
    headers = authorization(corpus)
    page = {"Origin": "https://app.example.org"}
    assert post(server, headers, request("ping"), **page).json()["code"] == "origin_refused"
    assert post(server, headers, request("ping"), Origin=server).status_code == 200
    settings.CORS_ALLOWED_ORIGINS = ["https://app.example.org"]
    response = post(server, headers, request("ping"), **page)
    assert (response.status_code, response.headers["Access-Control-Allow-Origin"]) == (200, page["Origin"])


def test_what_is_over_the_pool_is_told_so(corpus: Tenant, server: str, settings: Any) -> None:
    settings.SEARCH_STREAM_POOL_SIZE = 0
    for tool, arguments in (("search", {"query": "x"}), ("ask", {"question": QUESTION})):
        assert call(server, authorization(corpus), tool, **arguments).content[0].text.startswith("overloaded")
