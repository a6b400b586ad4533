"""The table of failures (docs/failures.md), cell by cell: each dependency in each way wrong, on real parts.

What a search and an answer then say, that they say it in time, and that all is well again at once after it.
"""

import json
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from bench.doubles import ChatDouble
from ingestion import jobs
from ingestion.models import IngestionTask
from search.models import Tenant
from tests.doubles import OpenAIDouble, RerankDouble
from tests.factories import accept, authorization, ingest_all
from tests.faults import HTTP, RESP, Fault, FaultProxy

pytestmark = pytest.mark.usefixtures("main_job")
ANSWER = "Parental leave lasts sixteen weeks [1]."
QUESTION = "Is parental leave, which lasts sixteen weeks, fully paid?"
# Of one thing that is wrong, in seconds; what the rest may take on a busy machine comes on top
DEADLINES = {
    "opensearch": 1.0,
    "cache": 0.2,
    "queue": 0.2,
    "model": 1.5,
    "reranker": 0.4,
    "embedder": 0.5,
}
REST_SECONDS = 2.5
BROKEN = [fault for fault in Fault if fault not in (Fault.NONE, Fault.LATE)]


@dataclass(frozen=True, slots=True)
class Told:
    """What a reader is told: the status, the reasons in `degraded` or the error's code, and how many hits."""

    status: int
    reasons: tuple[str, ...] = ()
    has_hits: bool = True
    has_answer: bool = True


WELL = Told(200)
DOWN_ENGINE = Told(503, ("opensearch_unavailable",), has_hits=False, has_answer=False)
NO_ANSWER = Told(200, ("generation_unavailable",), has_answer=False)


def _told(dependency: str, fault: Fault) -> tuple[Told, Told]:
    """Of a search, and of an answer."""
    if fault is Fault.LATE or dependency == "queue":
        return WELL, WELL
    if dependency == "opensearch":
        return DOWN_ENGINE, DOWN_ENGINE
    if dependency == "model":
        return WELL, NO_ANSWER
    is_late = fault in (Fault.HANGS, Fault.DROPS)
    reason = {
        "cache": "cache_unavailable",
        "embedder": "embedding_unavailable",
        "reranker": "rerank_deadline" if is_late else "rerank_unavailable",
    }[dependency]
    return Told(200, (reason,)), Told(200, (reason,))


class Site:
    """A whole site of this process, with a proxy before each thing that it depends on."""

    def __init__(
        self, server: str, tenant: Tenant, proxies: dict[str, FaultProxy], model: ChatDouble
    ) -> None:
        self.proxies = proxies
        self.model = model
        self.tenant = tenant
        self._client = httpx.Client(base_url=server, headers=authorization(tenant), timeout=30)
        self._asked = 0

    def search(self) -> Told:
        return self._told("/api/v1/search", {"query": self._new()}, answers=False)

    def ask(self) -> Told:
        return self._told("/api/v1/ask", {"question": self._new()})

    def ask_again(self) -> Told:
        """What was asked last, which no cache may answer if that went wrong."""
        return self._told("/api/v1/ask", {"question": f"{QUESTION} {self._asked}"})

    def stream(self) -> Told:
        body = {"question": self._new(), "stream": True}
        response = self._client.post("/api/v1/ask", json=body)
        if response.status_code != 200:
            return _read(response.status_code, response.json(), answers=True)
        return _read(200, json.loads(response.text.rsplit("event: done\ndata: ", 1)[1]), answers=True)

    def push(self) -> int:
        return self._client.post("/api/v1/documents", json={"id": "new", "text": "A new one."}).status_code

    def close(self) -> None:
        self._client.close()

    def _new(self) -> str:
        """Never asked before, so that no cache answers."""
        self._asked += 1
        return f"{QUESTION} {self._asked}"

    def _told(self, path: str, body: dict[str, Any], *, answers: bool = True) -> Told:
        response = self._client.post(path, json=body)
        return _read(response.status_code, response.json(), answers=answers)


def _read(status: int, body: dict[str, Any], *, answers: bool) -> Told:
    if status != 200:
        return Told(status, (body["code"],), has_hits=False, has_answer=False)
    has_answer = not answers or (bool(body["answer"]) and not body["refused"])
    return Told(status, tuple(body["degraded"]), bool(body["hits"]), has_answer)


@pytest.fixture
def site(
    tenant: Tenant, server: str, opensearch: str, valkeys: tuple[str, str], settings: Any
) -> Iterator[Site]:
    with ExitStack() as stack:
        model = stack.enter_context(ChatDouble(reply=lambda body: ANSWER))
        reranker, embedder = stack.enter_context(RerankDouble()), stack.enter_context(OpenAIDouble())
        behind = {
            "opensearch": (opensearch, HTTP),
            "cache": (valkeys[1], RESP),
            "queue": (valkeys[0], RESP),
            "model": (model.base_url, HTTP),
            "reranker": (reranker.base_url, HTTP),
            "embedder": (embedder.base_url, HTTP),
        }
        proxies = {name: stack.enter_context(FaultProxy(*server)) for name, server in behind.items()}
        _configure(settings, {name: proxy.port for name, proxy in proxies.items()})
        accept(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
        ingest_all(tenant)
        running = Site(server, tenant, proxies, model)
        stack.callback(running.close)
        yield running
        for proxy in proxies.values():
            proxy.fault = Fault.NONE


def _configure(settings: Any, ports: dict[str, int]) -> None:
    settings.OPENSEARCH_URL = f"http://127.0.0.1:{ports['opensearch']}"
    settings.OPENSEARCH_SEARCH_TIMEOUT_SECONDS = DEADLINES["opensearch"]
    settings.OPENSEARCH_BULK_TIMEOUT_SECONDS = DEADLINES["opensearch"]
    settings.REDIS_CACHE_URL = f"redis://127.0.0.1:{ports['cache']}/0"
    settings.REDIS_URL = f"redis://127.0.0.1:{ports['queue']}/0"
    settings.RQ_QUEUES["default"]["URL"] = settings.REDIS_URL
    settings.SEARCH_RERANK_DEADLINE_SECONDS = DEADLINES["reranker"]
    settings.SEARCH_GENERATION_TIMEOUT_SECONDS = DEADLINES["model"]
    settings.SEARCH_REFUSAL_COSINE = 0.0  # the embedder is a double: what it finds near means nothing
    urls = {name: f"http://127.0.0.1:{ports[name]}/v1" for name in ("model", "reranker", "embedder")}
    settings.SEARCH_GENERATOR = {
        "BACKEND": "search.generation.OpenAIGenerator",
        "OPTIONS": {"model": "double", "base_url": urls["model"], "first_token_timeout": 0.7},
    }
    settings.SEARCH_RERANKER = {
        "BACKEND": "search.reranking.remote.RemoteReranker",
        "OPTIONS": {"model": "double", "base_url": urls["reranker"]},
    }
    options = {"api_key": "x", "base_url": urls["embedder"], "model": "double", "dimension": 32}
    limits = {"query_timeout_seconds": DEADLINES["embedder"], "timeout_seconds": 1.0, "max_retries": 0}
    backend = "search.embeddings.openai.OpenAIEmbedder"
    settings.SEARCH_EMBEDDERS = {"default": {"BACKEND": backend, "OPTIONS": options | limits}}


CELLS = [(dependency, fault) for dependency in DEADLINES for fault in Fault if fault is not Fault.NONE]


@pytest.mark.parametrize(
    ("dependency", "fault"), CELLS, ids=[f"{dependency}-{fault.value}" for dependency, fault in CELLS]
)
def test_each_failure_is_told_in_time_and_gone_with_its_cause(
    dependency: str, fault: Fault, site: Site
) -> None:
    assert [site.search(), site.ask(), site.stream()] == [WELL] * 3
    site.proxies[dependency].fault = fault
    searched, answered = _told(dependency, fault)
    for ask, expected in ((site.search, searched), (site.ask, answered), (site.stream, answered)):
        began = time.monotonic()
        assert ask() == expected
        assert time.monotonic() - began < DEADLINES[dependency] + REST_SECONDS
    site.proxies[dependency].fault = Fault.NONE
    assert [site.ask_again(), site.search(), site.ask(), site.stream()] == [WELL] * 4


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: fault.value)
@pytest.mark.parametrize("dependency", ["opensearch", "queue", "embedder", "cache"])
def test_whatever_is_wrong_a_document_is_accepted_and_live_later_with_no_attempt_spent(
    dependency: str, fault: Fault, site: Site
) -> None:
    site.proxies[dependency].fault = fault
    began = time.monotonic()
    assert site.push() == 202
    assert time.monotonic() - began < DEADLINES[dependency] + REST_SECONDS
    jobs.run_due_tasks(site.tenant.pk)
    task = IngestionTask.objects.get(document__public_id="new")
    if dependency in ("opensearch", "embedder"):
        assert (task.state, task.attempts) == (IngestionTask.State.PENDING, 0)
    site.proxies[dependency].fault = Fault.NONE
    IngestionTask.objects.update(due_at=task.created_at)
    ingest_all(site.tenant)
    task.refresh_from_db()
    assert (task.state, task.attempts) == (IngestionTask.State.DONE, 1)


@pytest.mark.parametrize("fault", BROKEN, ids=lambda fault: fault.value)
def test_with_a_budget_no_model_is_asked_while_it_can_not_be_counted(fault: Fault, site: Site) -> None:
    Tenant.objects.filter(pk=site.tenant.pk).update(monthly_token_budget=10**9)
    assert site.ask() == WELL
    made = len(site.model.requests)
    site.proxies["queue"].fault = fault
    began = time.monotonic()
    assert site.ask() == site.stream() == Told(200, ("budget_unavailable",), has_answer=False)
    assert time.monotonic() - began < 2 * (DEADLINES["queue"] + REST_SECONDS)
    assert len(site.model.requests) == made
    site.proxies["queue"].fault = Fault.NONE
    assert site.ask_again() == WELL
