"""Equal asks shared by processes: two relays in one process, and two real servers before a double of a model."""

import asyncio
import json
import threading
import urllib.request
from collections.abc import AsyncGenerator, Iterator
from contextlib import closing
from typing import Any

import pytest
from django.db import connection

from bench.clients import Server, stream_answers
from bench.doubles import ChatDouble
from bench.serving import asgi_server
from search import shared_flights
from search.authentication import create_key
from search.exceptions import GenerationUnavailable
from search.flights import Event
from search.models import Tenant
from search.relay import Relay
from search.shared_flights import RESTARTED, shared_events, shared_outcome
from tests.factories import authorization, ingest
from tests.search.test_resuming import ask, text_of

TOKENS = [Event("token", {"text": text}) for text in ("one ", "two ", "three")]
DONE = Event("done", {"answer": "one two three"})


@pytest.fixture
def processes(redis: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each thread has a relay of its own, as a process has."""
    relays = threading.local()

    def relay() -> Relay:
        relays.mine = getattr(relays, "mine", None) or Relay()
        return relays.mine  # type: ignore[no-any-return]

    monkeypatch.setattr(shared_flights, "get_relay", relay)
    monkeypatch.setattr(asyncio, "to_thread", _here)


async def _here(work: Any, *args: Any) -> Any:
    return work(*args)


class Producer:
    """Makes the events of an answer, as often as it is asked to; fails as it is told."""

    def __init__(self) -> None:
        self.runs = 0
        self.breaks_after: int | None = None

    async def __call__(self) -> AsyncGenerator[Event, None]:
        self.runs += 1
        fails_at, self.breaks_after = self.breaks_after, None
        for position, event in enumerate(TOKENS):
            if position == fails_at:
                raise GenerationUnavailable("It broke.")
            await asyncio.sleep(0.1)
            yield event
        yield DONE


def in_threads(count: int, producer: Producer) -> list[list[Event] | Exception]:
    outcomes: list[list[Event] | Exception] = []

    async def collect() -> list[Event]:
        return [event async for event in shared_events("k", producer)]

    def run() -> None:
        try:
            outcomes.append(asyncio.run(collect()))
        except GenerationUnavailable as error:
            outcomes.append(error)

    threads = [threading.Thread(target=run) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    return outcomes


@pytest.mark.usefixtures("processes")
def test_one_process_makes_the_events_and_all_hear_them() -> None:
    producer = Producer()
    assert in_threads(4, producer) == [[*TOKENS, DONE]] * 4
    assert producer.runs == 1


@pytest.mark.usefixtures("processes")
def test_who_follows_a_leader_that_breaks_off_begins_anew_and_says_so() -> None:
    producer = Producer()
    producer.breaks_after = 2
    failed, whole = sorted(in_threads(2, producer), key=lambda outcome: isinstance(outcome, list))
    assert isinstance(failed, GenerationUnavailable)
    assert whole == [*TOKENS[:2], RESTARTED, *TOKENS, DONE]
    assert producer.runs == 2


@pytest.mark.usefixtures("processes")
def test_without_redis_each_process_answers_for_itself(settings: Any) -> None:
    settings.REDIS_CACHE_URL = "unix:///nonexistent.sock"
    producer = Producer()
    assert in_threads(2, producer) == [[*TOKENS, DONE]] * 2
    assert producer.runs == 2


@pytest.mark.usefixtures("processes")
def test_an_outcome_is_shared_and_a_failure_is_not() -> None:
    runs: list[int] = []
    begun = threading.Event()

    def work() -> dict[str, Any]:
        runs.append(1)
        begun.set()
        threading.Event().wait(0.3)
        if len(runs) == 1:
            raise ValueError("once")
        return {"answer": "yes"}

    outcomes: list[Any] = []

    def run() -> None:
        try:
            outcomes.append(shared_outcome("k", work))
        except ValueError as error:
            outcomes.append(str(error))

    first = threading.Thread(target=run)
    first.start()
    begun.wait(5)
    others = [threading.Thread(target=run) for _ in range(3)]
    for thread in others:
        thread.start()
    for thread in (first, *others):
        thread.join(30)
    assert sorted(map(str, outcomes)) == sorted(["once", *[str({"answer": "yes"})] * 3])
    assert len(runs) == 2


@pytest.fixture
def servers(
    main_job: None, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[list[str], ChatDouble]]:
    """Two servers over the tests' database and index, and the double that both ask."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "ragsite.settings")
    monkeypatch.setenv("DATABASE_URL", f"sqlite:///{connection.settings_dict['NAME']}")
    monkeypatch.setenv("SEARCH_STREAM_RESUME_SECONDS", "30")
    monkeypatch.setenv("OPENSEARCH_INDEX_PREFIX", settings.OPENSEARCH_INDEX_PREFIX)
    double = ChatDouble(reply=lambda body: "Parental leave lasts sixteen weeks [1].", seconds_per_token=0.1)
    with double, asgi_server(double.base_url) as (one, _), asgi_server(double.base_url) as (other, _):
        yield [one, other], double


def counted(urls: list[str], metric: str) -> float:
    """The sum of a metric over the servers."""
    total = 0.0
    for url in urls:
        with urllib.request.urlopen(f"{url}/metrics") as response:
            lines = response.read().decode().splitlines()
        total += sum(float(line.split()[-1]) for line in lines if line.startswith(metric))
    return total


async def refusal(server: Server, body: dict[str, Any]) -> tuple[int, bytes]:
    status, reader, writer = await server.post("/api/v1/ask", body)
    with closing(writer):
        return status, await reader.read()


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the servers look at the tests' database file")
def test_64_equal_questions_over_two_processes_cost_one_embedding_one_search_and_one_generation(
    servers: tuple[list[str], ChatDouble], tenant: Tenant
) -> None:
    urls, double = servers
    ingest(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    key = create_key(tenant, name="test", scopes=["ask"], groups=[]).secret
    body = {"question": "How long does parental leave last?"}

    async def ask_both() -> list[Any]:
        asked = [stream_answers(Server(url, key), [body] * 32) for url in urls]
        return [streamed for answers in await asyncio.gather(*asked) for streamed in answers]

    streamed = asyncio.run(ask_both())
    assert {one.status for one in streamed} == {200}, asyncio.run(refusal(Server(urls[0], key), body))
    assert len([one for one in streamed if one.generated]) == 64
    assert len(double.requests) == 1, json.dumps(double.requests)[:500]
    assert counted(urls, 'ragsite_query_stage_seconds_count{stage="embed"}') == 1
    assert counted(urls, 'ragsite_query_stage_seconds_count{stage="retrieve"}') == 1


@pytest.mark.skipif(connection.vendor != "sqlite", reason="the servers look at the tests' database file")
def test_a_stream_that_was_lost_is_taken_up_in_another_process(
    servers: tuple[list[str], ChatDouble], tenant: Tenant
) -> None:
    (one, other), double = servers
    ingest(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    headers = authorization(tenant)
    ask(other, headers, question="Is parental leave paid?")  # it has loaded its model by now
    double.requests.clear()
    double.reply = lambda body: " ".join(["Parental leave lasts sixteen weeks [1]."] * 5)
    before = ask(one, headers, stops_after=1)
    after = ask(other, headers, last=before[-1][0])
    assert text_of(before) + text_of(after) == after[-1][2]["answer"]
    assert "status" not in [name for _, name, _ in after]
    assert len(double.requests) == 1
