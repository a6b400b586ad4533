"""Streams that lost their reader, and are taken up again by the id of the last event that came."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from playwright.sync_api import expect, sync_playwright

from bench.doubles import ChatDouble
from search.flights import Event
from search.models import Tenant
from search.resuming import EventId, event_id, numbered
from search.shared_flights import RESTARTED
from tests.factories import accept, authorization, ingest_all
from tests.faults import HTTP, Fault, FaultProxy
from tests.search.test_streams import wait_for

CHROMIUM = Path("/usr/bin/chromium")
SHOTS = Path(__file__).resolve().parents[2] / "test-results"
QUESTION = "How long does parental leave last?"
ANSWER = "Parental leave lasts sixteen weeks [1]. It is fully paid [1]."
STATUS = Event("status", {"stage": "generating", "stream": "s"})
EVENTS = [STATUS, *(Event("token", {"text": text}) for text in "abc"), Event("done", {})]
Sent = tuple[str, str, Any]  # id, event, data


def taken_up(events: Sequence[Event | None], last: str) -> list[tuple[str, Event | None]]:
    async def come() -> AsyncIterator[Event | None]:
        for event in events:
            yield event

    async def collect() -> list[tuple[str, Event | None]]:
        async with aclosing(numbered(come(), event_id(last))) as found:
            return [(str(place or ""), event) async for place, event in found]

    return asyncio.run(collect())


def test_each_event_has_an_id_and_only_those_after_the_last_come_again() -> None:
    everything = taken_up(EVENTS, "")
    assert everything == [(f"s:{number}", event) for number, event in enumerate(EVENTS, start=1)]
    for number in range(1, len(EVENTS) + 1):
        assert taken_up(EVENTS, f"s:{number}") == everything[number:]


def test_pings_are_no_events() -> None:
    assert taken_up([STATUS, None, EVENTS[1]], "") == [("s:1", STATUS), ("", None), ("s:2", EVENTS[1])]


def test_another_stream_begins_anew_and_says_so() -> None:
    assert taken_up(EVENTS, "gone:3") == [("", RESTARTED), *taken_up(EVENTS, "")]
    stored = [Event("status", {"stage": "stored"}), Event("done", {})]
    assert taken_up(stored, "gone:3") == [("", RESTARTED), *(("", event) for event in stored)]


def test_a_stream_whose_leader_was_lost_goes_on_under_another_name() -> None:
    again = Event("status", {"stage": "generating", "stream": "t"})
    told = taken_up([*EVENTS[:3], RESTARTED, again, *EVENTS[1:]], "s:2")
    assert [place for place, _ in told] == ["s:3", "s:4", "t:1", "t:2", "t:3", "t:4", "t:5"]


@pytest.mark.parametrize("header", [None, "", "7", ":7", "s:", "s:-1", "s:x", "s:²"])
def test_an_id_that_is_not_ours_is_none(header: str | None) -> None:
    assert event_id(header) is None
    assert event_id("s:7") == EventId("s", 7)


@pytest.fixture
def headers(main_job: None, tenant: Tenant) -> dict[str, str]:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    accept(tenant, "secret", "Parental leave of the board lasts ninety weeks.", access=["board"])
    ingest_all(tenant)
    return authorization(tenant)


@pytest.fixture
def double(settings: Any) -> Iterator[ChatDouble]:
    with ChatDouble(reply=lambda body: ANSWER, seconds_per_token=0.05) as running:
        options = {"model": "double", "base_url": running.base_url, "max_retries": 0}
        settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
        yield running


def ask(
    server: str,
    headers: dict[str, str],
    *,
    question: str = QUESTION,
    last: str = "",
    stops_after: int | None = None,
) -> list[Sent]:
    """The events of an answer after `last`; with `stops_after` tokens the connection is dropped."""
    sent: list[Sent] = []
    more = {"Last-Event-ID": last} if last else {}
    body = {"question": question, "stream": True}
    with httpx.stream("POST", f"{server}/api/v1/ask", json=body, headers=headers | more) as response:
        fields: dict[str, str] = {}
        for line in response.iter_lines():
            if line:
                name, _, value = line.partition(": ")
                fields[name] = value
            elif "event" in fields:
                sent.append((fields.get("id", ""), fields["event"], json.loads(fields["data"])))
                fields = {}
                if [name for _, name, _ in sent].count("token") == stops_after:
                    break
    return sent


def text_of(sent: Sequence[Sent]) -> str:
    return "".join(data["text"] for _, name, data in sent if name == "token")


@pytest.mark.parametrize("tokens", [1, 4])
def test_a_reader_who_comes_back_hears_the_rest_of_one_generation(
    tokens: int, headers: dict[str, str], double: ChatDouble, server: str
) -> None:
    before = ask(server, headers, stops_after=tokens)
    after = ask(server, headers, last=before[-1][0])
    assert text_of(before) + text_of(after) == after[-1][2]["answer"] == ANSWER
    assert [name for _, name, _ in after].count("status") == 0
    places = [int(place.rpartition(":")[2]) for place, _, _ in (*before, *after)]
    assert places == list(range(1, len(places) + 1))
    assert len(double.requests) == 1


@pytest.mark.parametrize("fails", [False, True])
def test_a_stream_that_has_ended_meanwhile_is_told_to_its_end(
    fails: bool, headers: dict[str, str], double: ChatDouble, server: str
) -> None:
    """A failed one as well, which no cache holds."""
    double.break_after_tokens = 6 if fails else None
    before = ask(server, headers, stops_after=3)
    wait_for(lambda: double.open_streams == 0)
    time.sleep(0.2)
    after = ask(server, headers, last=before[-1][0])
    assert after[-1][1] == "done"
    assert after[-1][2]["degraded"] == (["generation_unavailable"] if fails else [])
    assert ANSWER.startswith(text_of(before) + text_of(after))
    assert len(double.requests) == 1


def test_a_stream_that_nobody_takes_up_ends_with_its_call(
    headers: dict[str, str], double: ChatDouble, server: str, settings: Any
) -> None:
    settings.SEARCH_STREAM_RESUME_SECONDS = 0.5
    double.reply = lambda body: "Parental leave lasts. " * 500
    before = ask(server, headers, stops_after=2)
    time.sleep(0.25)
    assert double.open_streams == 1
    wait_for(lambda: double.open_streams == 0, seconds=2)
    double.reply = lambda body: ANSWER
    after = ask(server, headers, last=before[-1][0])
    assert after[0][1:] == ("status", RESTARTED.data)
    assert text_of(after) == ANSWER


def test_an_id_opens_nobody_elses_stream(
    headers: dict[str, str], double: ChatDouble, server: str, tenant: Tenant
) -> None:
    double.reply = lambda body: "Ninety weeks [1]." if "ninety" in str(body) else ANSWER
    board = authorization(tenant, groups=("board",))
    before = ask(server, board, stops_after=1)
    after = ask(server, headers, last=before[-1][0])
    assert after[0][1:] == ("status", RESTARTED.data)
    assert text_of(after) == ANSWER
    assert "secret" not in str(after)


def test_a_chat_that_is_left_can_not_be_taken_up_and_ends_at_once(
    headers: dict[str, str], double: ChatDouble, server: str, settings: Any
) -> None:
    settings.SEARCH_STREAM_RESUME_SECONDS = 60
    double.reply = lambda body: "Parental leave lasts. " * 500
    key = headers["Authorization"].removeprefix("Bearer ")
    asked: list[Any] = [{"role": "user", "content": QUESTION}]
    with (
        openai.OpenAI(base_url=f"{server}/v1", api_key=key) as client,
        client.chat.completions.create(model="ragsite", messages=asked, stream=True) as chunks,
    ):
        next(chunk for chunk in chunks if chunk.choices and chunk.choices[0].delta.content)
    wait_for(lambda: double.open_streams == 0, seconds=2)


@pytest.mark.skipif(not CHROMIUM.exists(), reason="there is no Chromium")
def test_the_page_goes_on_with_an_answer_whose_connection_was_lost(
    headers: dict[str, str], double: ChatDouble, server: str, tenant: Tenant
) -> None:
    Tenant.objects.filter(pk=tenant.pk).update(is_public=True)
    double.seconds_per_token = 0.25
    with FaultProxy(server, HTTP) as network, sync_playwright() as playwright:
        browser = playwright.chromium.launch(
            executable_path=str(CHROMIUM), args=["--no-sandbox", "--disable-dev-shm-usage"]
        )
        page = browser.new_page()
        page.goto(f"http://127.0.0.1:{network.port}/")
        page.get_by_role("combobox", name="Search or ask").fill(QUESTION)
        page.get_by_role("button", name="Ask").click()
        expect(page.locator("#answer-text")).to_contain_text("Parental leave", timeout=20_000)
        network.fault = Fault.DOWN
        network.fault = Fault.NONE
        expect(page.locator("#answer-status")).to_have_text("Written from the sources below", timeout=20_000)
        said = page.locator("#answer-text").inner_text()
        page.screenshot(path=SHOTS / "resumed.png")
        browser.close()
    assert said.count("Parental leave lasts sixteen weeks") == said.count("It is fully paid") == 1
    assert len(double.requests) == 1
