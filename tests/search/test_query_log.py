"""What is kept of requests, of whom, with what it was made, for how long; and its admin pages."""

from datetime import timedelta
from typing import Any
from uuid import uuid4

import httpx
import openai
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone

from ingestion import jobs
from search import query_log
from search.context import PROMPT_VERSION
from search.exceptions import QueueUnavailable
from search.models import ApiKey, Feedback, Membership, Profile, QueryLog, Tenant, User
from search.tenants import forget_tenants
from tests.factories import authorization, ingest

pytestmark = pytest.mark.usefixtures("main_job")
QUESTION = "How long does parental leave last?"
ROW = {"kind": "search", "query": "leave", "cache": "none", "hits": [{"document": "leave", "chunk": "1:1:0"}]}


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    forget_tenants()
    Tenant.objects.filter(pk=tenant.pk).update(keeps_queries=True, is_public=True)
    ingest(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    return tenant


def asked(server: str, tenant: Tenant, **body: Any) -> dict[str, Any]:
    path = "ask" if "question" in body else "search"
    response = httpx.post(f"{server}/api/v1/{path}", json=body, headers=authorization(tenant))
    return dict(response.json())


def logged() -> QueryLog:
    jobs.sweep()
    return QueryLog.objects.get()


def row(tenant: Tenant, **fields: Any) -> QueryLog:
    usual = ROW | {"request_id": uuid4(), "asked_at": timezone.now()}
    return QueryLog.objects.create(tenant=tenant, **usual | fields)


def test_an_answer_is_kept_with_what_it_was_made_with(corpus: Tenant, server: str) -> None:
    body = asked(server, corpus, question=QUESTION)
    kept = logged()
    assert (str(kept.request_id), kept.kind, kept.query) == (body["request_id"], "ask", QUESTION)
    assert (kept.answer, kept.refused, kept.cache) == (body["answer"], False, "none")
    assert (kept.api_key, kept.generator) == (ApiKey.objects.get(), "extractive")
    assert (kept.profile, kept.prompt) == ("default@0", PROMPT_VERSION)
    assert kept.embedder == corpus.live_index.variant if corpus.live_index else kept.embedder
    chunk = body["citations"][0]["chunk"]["id"]
    assert kept.citations == [{"document": "leave", "chunk": chunk}]
    assert kept.hits[0]["chunk"] == body["hits"][0]["chunk"]["id"]
    assert timezone.now() - kept.asked_at < timedelta(minutes=1)


def test_a_stored_answer_is_kept_with_the_versions_that_made_it(corpus: Tenant, server: str) -> None:
    version = Profile.objects.create(tenant=corpus, name="default", version=7, settings={"k": 50})
    Tenant.objects.update(live_profile=version)
    told = [asked(server, corpus, question=QUESTION)["cache"] for _ in range(2)]
    jobs.sweep()
    kept = QueryLog.objects.order_by("asked_at")
    assert [one.cache for one in kept] == told == ["none", "response"]
    assert {one.profile for one in kept} == {"default@7"}


def test_a_search_the_page_a_stream_and_a_chat_are_kept(corpus: Tenant, server: str, client: Client) -> None:
    asked(server, corpus, query="paid leave")
    assert (
        client.get(reverse("page-tenant", args=[corpus.slug]), {"q": "leave of parents"}).status_code == 200
    )
    headers = authorization(corpus)
    body = {"question": "And is it paid?", "stream": True, "history": [{"role": "user", "content": QUESTION}]}
    httpx.post(f"{server}/api/v1/ask", json=body, headers=headers)
    key = headers["Authorization"].removeprefix("Bearer ")
    with openai.OpenAI(base_url=f"{server}/v1", api_key=key) as chat:
        chat.chat.completions.create(model="ragsite", messages=[{"role": "user", "content": "Paid?"}])
    jobs.sweep()
    kept = {one.query: one for one in QueryLog.objects.all()}
    assert kept.keys() == {"paid leave", "leave of parents", "And is it paid?", "Paid?"}
    assert kept["leave of parents"].api_key is None
    assert QUESTION in kept["And is it paid?"].standalone_question


def test_a_tenant_that_does_not_say_so_has_no_log(corpus: Tenant, server: str) -> None:
    asked(server, corpus, question=QUESTION)
    Tenant.objects.update(keeps_queries=False)
    forget_tenants()
    asked(server, corpus, query="paid leave")
    assert query_log.flush() == 1
    assert QueryLog.objects.count() == 0


def test_what_is_taken_twice_is_kept_once(
    corpus: Tenant, server: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A worker that dies between its rows and the stream leaves them to the next one."""
    asked(server, corpus, query="leave")
    with monkeypatch.context() as patched:
        patched.setattr("redis.Redis.xdel", lambda *_: 0)
        assert query_log.flush() == 1
    assert query_log.flush() == 1
    assert QueryLog.objects.count() == 1
    assert query_log.flush() == 0


def test_without_the_queue_an_answer_is_told_all_the_same(corpus: Tenant, server: str, settings: Any) -> None:
    for settings.REDIS_URL in ("", "redis://127.0.0.1:9/0"):
        assert asked(server, corpus, question=f"{QUESTION} {settings.REDIS_URL}")["answer"]
        with pytest.raises(QueueUnavailable):
            query_log.flush()


def test_old_entries_go_and_all_of_a_tenant_that_keeps_them_no_more(corpus: Tenant, settings: Any) -> None:
    settings.SEARCH_QUERY_LOG_DAYS = 30
    other = Tenant.objects.create(slug="other", name="Other")
    row(corpus, query="old", asked_at=timezone.now() - timedelta(days=31))
    row(corpus, query="young", asked_at=timezone.now() - timedelta(days=29))
    row(other, query="foreign")
    query_log.clear_old()
    assert [one.query for one in QueryLog.objects.all()] == ["young"]


def test_the_admin_shows_each_with_its_passages_and_ratings(corpus: Tenant, client: Client) -> None:
    client.force_login(User.objects.create_superuser("boss"))
    kept = row(corpus, kind="ask", query="what of leave", answer="Sixteen weeks [1].", refused=False)
    row(corpus, query="nothing at all", hits=[])
    Feedback.objects.create(tenant=corpus, request_id=kept.request_id, rating=1, kind="ask")
    listing = reverse("admin:search_querylog_changelist")
    told = client.get(listing).content.decode()
    assert all(said in told for said in ("what of leave", "nothing at all", "Up"))
    for outcome, found in (("nothing", "nothing at all"), ("rated", "what of leave")):
        told = client.get(listing, {"outcome": outcome}).content.decode()
        assert [query in told for query in ("nothing at all", "what of leave")] == [
            found == "nothing at all",
            found == "what of leave",
        ]
    assert "what of leave" in client.get(listing, {"q": "of leave"}).content.decode()
    page = client.get(reverse("admin:search_querylog_change", args=[kept.pk])).content.decode()
    assert all(
        said in page for said in ("Sixteen weeks [1].", "1:1:0", reverse("admin:search_feedback_changelist"))
    )
    rating = Feedback.objects.get()
    page = client.get(reverse("admin:search_feedback_change", args=[rating.pk])).content.decode()
    assert reverse("admin:search_querylog_change", args=[kept.pk]) in page


def test_a_manager_sees_the_log_of_their_tenants_alone(corpus: Tenant, client: Client) -> None:
    other = Tenant.objects.create(slug="other", name="Other", keeps_queries=True)
    row(corpus, query="ours")
    foreign = row(other, query="theirs")
    manager = User.objects.create_user("mia", is_staff=True)
    Membership.objects.create(user=manager, tenant=corpus, role=Membership.Role.MANAGER)
    client.force_login(manager)
    told = client.get(reverse("admin:search_querylog_changelist")).content.decode()
    assert "ours" in told
    assert "theirs" not in told
    assert client.get(reverse("admin:search_querylog_change", args=[foreign.pk])).status_code == 302
