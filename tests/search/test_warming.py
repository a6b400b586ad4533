"""The questions that were asked most, answered again after a rebuild with the rights of those who asked."""

from datetime import timedelta
from decimal import Decimal
from typing import Any
from uuid import uuid4

import pytest
from django.utils import timezone

from ingestion import doorbell, jobs
from ingestion.services import rebuild
from search import answers
from search.authentication import anonymous_reader, create_key, key_principal
from search.models import ApiKey, QueryLog, Tenant
from search.types import AskRequest
from search.warming import most_asked, warm
from tests.factories import ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
LEAVE, PUMP = "How long does parental leave last?", "When must the pump be primed?"


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    Tenant.objects.filter(pk=tenant.pk).update(keeps_queries=True, is_public=True)
    tenant.refresh_from_db()
    ingest(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    ingest(tenant, "pump", "The pump P-4711 must be primed before its first start.")
    return tenant


@pytest.fixture
def key(corpus: Tenant) -> ApiKey:
    return create_key(corpus, name="app", scopes=["ask"], groups=["board"]).row


def asked(tenant: Tenant, query: str, *, times: int = 1, key: ApiKey | None = None, **fields: Any) -> None:
    for _ in range(times):
        usual = {"kind": "ask", "cache": "none", "request_id": uuid4(), "asked_at": timezone.now()}
        QueryLog.objects.create(tenant=tenant, query=query, api_key=key, **usual | fields)


def go_on() -> None:
    """Nothing is more urgent."""


def test_the_most_asked_come_first_as_those_who_asked(corpus: Tenant, key: ApiKey) -> None:
    asked(corpus, LEAVE, times=2)
    asked(corpus, PUMP, times=3, key=key)
    asked(corpus, LEAVE, key=key)
    reader, app = anonymous_reader(corpus), key_principal(key)
    assert list(most_asked(corpus.pk)) == [(app, PUMP), (reader, LEAVE), (app, LEAVE)]
    assert app.groups == ("board",)


def test_what_nobody_asks_again_or_may_not_is_left_out(corpus: Tenant, key: ApiKey, settings: Any) -> None:
    revoked = create_key(corpus, name="old", scopes=["ask"], groups=[]).row
    ApiKey.objects.filter(pk=revoked.pk).update(revoked_at=timezone.now())
    asked(corpus, LEAVE, key=revoked)
    asked(corpus, LEAVE, standalone_question="How long does it last?")
    asked(corpus, LEAVE, kind="search")
    asked(corpus, LEAVE, asked_at=timezone.now() - timedelta(days=31))
    asked(Tenant.objects.create(slug="other", name="Other"), LEAVE)
    assert list(most_asked(corpus.pk)) == []
    asked(corpus, PUMP, times=2)
    asked(corpus, LEAVE)
    settings.SEARCH_WARMED_QUESTIONS = 1
    assert [query for _, query in most_asked(corpus.pk)] == [PUMP]
    Tenant.objects.update(is_public=False)
    assert list(most_asked(corpus.pk)) == []


def test_after_a_rebuild_they_are_answered_from_the_cache(
    corpus: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    rings: list[tuple[str, int]] = []

    def ring(job: str, subject: int) -> bool:
        rings.append((job, subject))
        return True

    monkeypatch.setattr(doorbell, "ring", ring)
    asked(corpus, LEAVE)
    reader = anonymous_reader(corpus)
    answers.answer(reader, AskRequest(LEAVE))
    version = rebuild.start(corpus).version
    ingest_all(corpus)
    assert rebuild.finish(version)
    assert (doorbell.RUN_WARMING, corpus.pk) in rings
    jobs.run_warming(corpus.pk)
    assert answers.answer(reader, AskRequest(LEAVE))["cache"] == "response"
    assert answers.answer(reader, AskRequest(PUMP))["cache"] == "none"


@pytest.mark.parametrize("change", [{"REDIS_URL": ""}, {"OPENSEARCH_URL": "http://127.0.0.1:9"}])
def test_an_outage_ends_it(change: dict[str, str], corpus: Tenant, settings: Any) -> None:
    asked(corpus, LEAVE)
    asked(corpus, PUMP)
    assert warm(corpus.pk, go_on=go_on) == 2
    Tenant.objects.update(monthly_cost_budget=Decimal(1), content_version=99)
    options = {"model": "double", "base_url": "http://127.0.0.1:9/v1"}
    settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
    for name, value in change.items():
        setattr(settings, name, value)
    assert warm(corpus.pk, go_on=go_on) == 0


def test_a_worker_that_stops_leaves_the_rest(corpus: Tenant, monkeypatch: pytest.MonkeyPatch) -> None:
    asked(corpus, LEAVE)
    monkeypatch.setattr(jobs._stopping, "is_set", lambda: True)
    jobs.run_warming(corpus.pk)
    assert answers.answer(anonymous_reader(corpus), AskRequest(LEAVE))["cache"] == "none"
