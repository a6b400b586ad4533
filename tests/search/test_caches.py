"""The caches' scope, one test a field, and single flight."""

import threading
import time
from dataclasses import replace
from typing import Any
from uuid import UUID

import numpy as np
import pytest

from search import caches
from search.caches import CacheScope, SingleFlight
from search.exceptions import CacheUnavailable
from search.pipelines import FusionSpec
from search.types import Fusion, RetrievalSettings

SCOPE = CacheScope(
    kind="search",
    tenant=UUID(int=1),
    index="i-v1",
    content_version=1,
    curation="1.0",
    access="a",
    request={"question": "x", "top_k": 10},
    filters=None,
    profile=RetrievalSettings(),
    fusion=FusionSpec(Fusion.MIN_MAX, 0.45, 60, 0.1),
    models=("m",),
    prompt_version="",
)


@pytest.mark.parametrize(
    "change",
    [
        {"kind": "ask"},
        {"tenant": UUID(int=2)},
        {"index": "i-v2"},
        {"content_version": 2},
        {"curation": "1.1"},
        {"access": "b"},
        {"request": {"question": "x", "top_k": 11}},
        {"filters": {"field": "f", "op": "eq", "value": 1}},
        {"profile": RetrievalSettings(version=2)},
        {"profile": RetrievalSettings(k=100)},
        {"fusion": FusionSpec(Fusion.MIN_MAX, 0.5, 60, 0.1)},
        {"fusion": FusionSpec(Fusion.MIN_MAX, 0.45, 60, 0.2)},
        {"models": ("n",)},
        {"prompt_version": "2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_each_field_of_the_scope_makes_another_key(change: dict[str, Any]) -> None:
    assert replace(SCOPE, **change).key() != SCOPE.key()
    assert replace(SCOPE, **change).without_question() != SCOPE.without_question()


def test_only_the_question_may_differ_between_near_ones() -> None:
    other = replace(SCOPE, request={"question": "y", "top_k": 10})
    assert other.key() != SCOPE.key()
    assert other.without_question() == SCOPE.without_question()


def test_every_field_of_the_scope_has_its_test() -> None:
    assert set(CacheScope.__dataclass_fields__) == {
        "kind",
        "tenant",
        "index",
        "content_version",
        "curation",
        "access",
        "request",
        "filters",
        "profile",
        "fusion",
        "models",
        "prompt_version",
    }


@pytest.mark.usefixtures("redis")
def test_a_query_embedding_is_kept_per_tenant_and_variant() -> None:
    vector = np.array([0.6, 0.8], dtype=np.float32)
    caches.write_embedding(UUID(int=1), "v1", "pump", vector)
    kept = caches.read_embedding(UUID(int=1), "v1", "pump")
    assert kept is not None
    assert kept.tolist() == vector.tolist()
    assert caches.read_embedding(UUID(int=2), "v1", "pump") is None
    assert caches.read_embedding(UUID(int=1), "v2", "pump") is None


def test_a_cache_that_is_down_says_so(settings: Any) -> None:
    settings.REDIS_CACHE_URL = "unix:///nonexistent.sock"
    with pytest.raises(CacheUnavailable):
        caches.read_response(SCOPE)


def test_equal_work_in_flight_is_done_once() -> None:
    flights, done = SingleFlight(), []

    def work() -> str:
        time.sleep(0.2)
        done.append(1)
        return "outcome"

    outcomes: list[tuple[str, bool]] = []
    threads = [threading.Thread(target=lambda: outcomes.append(flights.run("k", work))) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
    assert sorted(shared for _, shared in outcomes) == [False] + [True] * 7


def test_an_error_in_flight_reaches_everyone_and_is_not_kept() -> None:
    flights = SingleFlight()

    def fails() -> str:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        flights.run("k", fails)
    assert flights.run("k", lambda: "fine") == ("fine", False)
