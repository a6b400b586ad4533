"""Liveness, readiness and metrics."""

from typing import Any

import pytest
from django.test import Client

from search import health


@pytest.fixture(autouse=True)
def _fresh_canary(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "_canary", (0.0, ""))


def test_alive_asks_nothing(client: Client) -> None:
    assert client.get("/livez").content == b"ok"


@pytest.mark.django_db
def test_a_stopped_opensearch_is_reported_but_does_not_take_the_instance_out(
    client: Client, settings: Any
) -> None:
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    answer = client.get("/readyz")
    assert answer.status_code == 200
    assert answer.json()["checks"]["opensearch"].startswith("down")


@pytest.mark.usefixtures("main_job")
def test_the_canary_is_a_real_hybrid_query(client: Client) -> None:
    assert client.get("/readyz").json() == {
        "ready": True,
        "checks": {"database": "ok", "model": "ok", "opensearch": "ok"},
    }


def test_a_model_that_can_not_be_loaded_makes_it_unready(
    client: Client, db: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.exceptions import EmbeddingUnavailable

    def fails() -> None:
        raise EmbeddingUnavailable("no model here")

    monkeypatch.setattr(health, "get_embedder", fails)
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (503, False)


def test_metrics_are_prometheus_text(client: Client) -> None:
    assert b"ragsite_query_stage_seconds" in client.get("/metrics").content
