"""No tenant ever sees another's: random requests over every endpoint, with the caches on."""

import json
import random
from typing import Any

import pytest
from django.test import Client

from ingestion.services import documents
from search.models import Collection, Document, Tenant
from tests.factories import accept, authorization, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
WORDS = ("valve", "pump", "gasket", "leave", "travel", "invoice")
REQUESTS = 1000


def fill(slug: str, mark: str) -> Tenant:
    """Both tenants use the same words and ids; only `mark` tells their texts apart."""
    tenant = Tenant.objects.create(slug=slug, name=slug)
    for number, word in enumerate(WORDS):
        text = f"The {word} of {mark} is kept in room {number}. A {word} costs {number} euros at {mark}."
        accept(
            tenant, f"doc-{number}", text, title=f"{mark} {word}", metadata={"owner": mark, "room": number}
        )
    accept(tenant, "hidden", f"The secret valve of {mark}hr.", access=["hr"], metadata={"owner": f"{mark}hr"})
    ingest_all(tenant)
    rooms = {"field": "room", "op": "gte", "value": 2}
    for name, audience in (("rooms", None), ("staff", ["hr"]), (f"of-{mark}", None)):
        Collection.objects.create(tenant=tenant, slug=name, name=name, filters=rooms, audience=audience)
    return tenant


def random_request(rng: random.Random) -> tuple[str, dict[str, Any]]:
    query = " ".join(rng.sample([*WORDS, "alpha", "beta", "secret", "room", "costs"], rng.randint(1, 4)))
    filters = rng.choice(
        [
            None,
            {"field": "owner", "op": "in", "value": ["alpha", "beta", "alphahr", "betahr"]},
            {"field": "owner", "op": "prefix", "value": ""},
            {"not": {"field": "owner", "op": "eq", "value": rng.choice(["alpha", "beta"])}},
            {
                "or": [
                    {"field": "room", "op": "gte", "value": 0},
                    {"field": "document", "op": "eq", "value": "hidden"},
                ]
            },
            {"field": "owner", "op": "exists", "value": rng.choice([True, False])},
        ]
    )
    collection = rng.choice([None, None, None, "rooms", "staff", "of-alpha", "of-beta"])
    if rng.random() < 0.3:
        asked = {"question": f"Where is the {query}?", "filters": filters, "collection": collection}
        return "/api/v1/ask", asked
    body: dict[str, Any] = {
        "query": query,
        "mode": rng.choice(["hybrid", "lexical", "vector"]),
        "filters": filters,
        "collection": collection,
    }
    body |= {"facets": ["owner"], "top_k": rng.randint(1, 20), "group_by": rng.choice(["document", "chunk"])}
    return "/api/v1/search", body


def test_no_hit_count_highlight_facet_or_answer_of_another_tenant_or_group(client: Client) -> None:
    rng = random.Random(7)
    headers = {}
    for slug, other in (("alpha", "beta"), ("beta", "alpha")):
        headers[slug] = (authorization(fill(slug, slug)), other)
    for _ in range(REQUESTS):
        slug = rng.choice(["alpha", "beta"])
        key, other = headers[slug]
        path, body = random_request(rng)
        answer = client.post(path, data=json.dumps(body), content_type="application/json", headers=key)
        if (collection := body["collection"]) not in (None, "rooms", f"of-{slug}"):
            detail = f"There is no collection {collection!r}."
            assert (answer.status_code, answer.json()) == (404, {"code": "not_found", "detail": detail})
            continue
        assert answer.status_code == 200, answer.content
        if collection is not None:
            assert {"doc-0", "doc-1"}.isdisjoint(hit["document"]["id"] for hit in answer.json()["hits"])
        shown = {k: v for k, v in answer.json().items() if k not in ("request_id", "timings", "query")}
        read = answer.json().get("query", {})  # what was typed is no secret to whoever typed it
        shown["offered"] = f"{read.get('corrected')} {read.get('did_you_mean')}".split()
        shown["offered"] = [word for word in shown["offered"] if word not in read.get("text", "")]
        text = json.dumps(shown)
        assert other not in text
        assert f"{slug}hr" not in text
        if path.endswith("search"):
            assert shown["total"]["value"] <= len(WORDS)


def test_a_key_reads_documents_tasks_and_sources_of_its_own_tenant_only(client: Client) -> None:
    alpha = Tenant.objects.create(slug="alpha", name="alpha")
    beta = authorization(Tenant.objects.create(slug="beta", name="beta"))
    accepted = accept(alpha, "doc", "Text.")
    for path in ("documents/doc", f"tasks/{accepted.task.uuid}"):
        assert client.get(f"/api/v1/{path}", headers=beta).status_code == 404
    assert client.delete("/api/v1/documents/doc", headers=beta).status_code == 404
    assert Document.objects.get().state == "pending"


def test_a_cached_answer_is_not_shown_once_its_document_is_deleted(client: Client) -> None:
    tenant = fill("alpha", "alpha")
    key = authorization(tenant)
    body = {"question": "Where is the gasket of alpha kept?"}

    def ask() -> Any:
        return client.post("/api/v1/ask", data=body, content_type="application/json", headers=key).json()

    ask()
    assert ask()["cache"] == "response"
    documents.delete(Document.objects.get(public_id="doc-2"))
    again = ask()
    assert again["cache"] == "none"
    assert "doc-2" not in {hit["document"]["id"] for hit in again["hits"]}
