"""What is sent straight to OpenSearch is what a search sends: else the two could not be compared."""

from datetime import UTC, datetime
from typing import Any

import orjson
import pytest

from search import services
from search.client import get_client
from search.embeddings import get_embedder
from search.evaluation.raw import RawEngine, raw_search, sample_passages
from search.metrics import StageClock
from search.models import Tenant
from search.types import Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class RecordingEngine(RawEngine):
    """Keeps what is sent, by the last part of its path."""

    def __init__(self) -> None:
        self.sent: dict[str, bytes] = {}

    def send(self, method: str, path: str, body: bytes) -> bytes:
        self.sent[path.rsplit("/", 1)[-1]] = body
        return super().send(method, path, body)


@pytest.fixture
def filled(tenant: Tenant, monkeypatch: pytest.MonkeyPatch) -> Tenant:
    for number in range(12):
        accept(tenant, f"pump-{number}", f"Pump {number} moves water uphill. " * (number + 1))
    ingest_all(tenant)
    monkeypatch.setattr("django.utils.timezone.now", lambda: NOW)
    return tenant


def sent_by_services(principal: Principal, text: str, monkeypatch: pytest.MonkeyPatch) -> dict[str, bytes]:
    """Bodies by the last part of their path, in the form that goes over the wire."""
    client, sent = get_client(), {}
    perform = client.transport.perform_request

    def record(method: str, url: str, *, params: Any = None, body: Any = None, **rest: Any) -> Any:
        lines = body if isinstance(body, list) else [body]
        sent[url.rsplit("/", 1)[-1]] = b"\n".join(
            line if isinstance(line, bytes) else orjson.dumps(line, option=orjson.OPT_SERIALIZE_NUMPY)
            for line in lines
        )
        return perform(method, url, params=params, body=body, **rest)

    monkeypatch.setattr(client.transport, "perform_request", record)
    services.retrieve(principal, SearchRequest(text), clock=StageClock())
    return sent


def test_the_same_bodies_are_sent(
    filled: Tenant, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    engine = RecordingEngine()
    search = raw_search(principal, engine)
    vector = get_embedder(search.target.embedder).embed_query("water uphill")
    search("water uphill", vector)
    sent = sent_by_services(principal, "water uphill", monkeypatch)
    raw_lines = [orjson.loads(line) for line in engine.sent["_msearch"].splitlines()]
    assert raw_lines == [orjson.loads(line) for line in sent["_msearch"].splitlines()]
    raw_page = orjson.loads(engine.sent["_search?include_named_queries_score=true"])
    assert raw_page == orjson.loads(sent["_search"])
    assert len(raw_page["query"]["bool"]["filter"][0]["ids"]["values"]) == 10


def test_passages_are_drawn_alike_for_the_same_seed(filled: Tenant, principal: Principal) -> None:
    search = raw_search(principal, RawEngine())
    first, again = (sample_passages(search.engine, search.target, count=5, seed=7) for _ in range(2))
    assert first == again
    assert all("moves water" in text for text in first)
