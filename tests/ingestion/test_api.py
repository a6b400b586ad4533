"""The documents, batches, tasks and sources endpoints, as an app developer calls them."""

import json
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from ingestion import jobs
from ingestion.models import IngestionTask
from ingestion.services import sources, sync
from search.models import Document, Tenant
from tests.factories import authorization, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


@pytest.fixture
def key(tenant: Tenant) -> dict[str, str]:
    return authorization(tenant)


def post(client: Client, path: str, body: Any, key: dict[str, str], **headers: str) -> Any:
    return client.post(
        f"/api/v1/{path}", data=json.dumps(body), content_type="application/json", headers=key | headers
    )


def search(client: Client, query: str, key: dict[str, str]) -> list[str]:
    answer = post(client, "search", {"query": query}, key)
    return [hit["document"]["id"] for hit in answer.json()["hits"]]


def test_a_pushed_document_is_accepted_followed_and_found(
    client: Client, tenant: Tenant, key: dict[str, str]
) -> None:
    body = {
        "id": "guides/pump",
        "title": "Pump",
        "markdown": "# Start\n\nPrime the pump.",
        "metadata": {"year": 2025},
    }
    answer = post(client, "documents", body, key)
    assert answer.status_code == 202
    assert answer.json()["document"]["state"] == "pending"
    task = answer.json()["task"]["id"]
    ingest_all(tenant)
    assert client.get(f"/api/v1/tasks/{task}", headers=key).json()["state"] == "done"
    assert client.get("/api/v1/documents/guides/pump", headers=key).json()["state"] == "live"
    assert search(client, "prime the pump", key) == ["guides/pump"]


def test_an_uploaded_file_is_accepted_and_found(client: Client, tenant: Tenant, key: dict[str, str]) -> None:
    file = SimpleUploadedFile(
        "valve.html", b"<html><title>Valve</title><body><p>Open the valve.</p></body></html>"
    )
    metadata = json.dumps({"id": "valve", "metadata": {"area": "ops"}})
    answer = client.post("/api/v1/documents", data={"file": file, "metadata": metadata}, headers=key)
    assert answer.status_code == 202, answer.content
    ingest_all(tenant)
    document = client.get("/api/v1/documents/valve", headers=key).json()
    assert (document["state"], document["title"], document["metadata"]) == ("live", "Valve", {"area": "ops"})


def test_a_file_of_an_unsupported_type_is_415(client: Client, key: dict[str, str]) -> None:
    answer = client.post(
        "/api/v1/documents", data={"file": SimpleUploadedFile("x.png", b"\x89PNG\r\n")}, headers=key
    )
    assert (answer.status_code, answer.json()["code"]) == (415, "unsupported_type")


@pytest.mark.parametrize(
    ("body", "status", "field"),
    [
        ({"id": "a"}, 400, "text"),
        ({"id": "a", "text": "x", "html": "y"}, 400, "text"),
        ({"id": "a", "text": "x", "colour": "red"}, 400, "colour"),
        ({"id": "a", "text": "x", "expires_at": "soon"}, 400, "expires_at"),
        ({"id": "a", "text": "x", "access": ["*"]}, 422, "access"),
        ({"id": "a", "text": "x", "metadata": {"a b": 1}}, 422, "metadata.a b"),
        ({"id": "a", "text": "x", "metadata": {"n": {"deep": 1}}}, 422, "metadata.n"),
    ],
)
def test_bad_documents_are_refused_by_name(
    body: dict[str, Any], status: int, field: str, client: Client, key: dict[str, str]
) -> None:
    answer = post(client, "documents", body, key)
    assert answer.status_code == status
    assert field in answer.json()["fields"]
    assert not Document.objects.exists()


def test_more_than_a_hundred_metadata_fields_are_refused(client: Client, key: dict[str, str]) -> None:
    body = {"id": "a", "text": "x", "metadata": {f"f{n}": n for n in range(101)}}
    assert post(client, "documents", body, key).status_code == 422


def test_an_idempotency_key_makes_a_repeat_harmless(client: Client, key: dict[str, str]) -> None:
    body = {"text": "Made once."}
    first = post(client, "documents", body, key, **{"Idempotency-Key": "k1"})
    second = post(client, "documents", body, key, **{"Idempotency-Key": "k1"})
    assert first.json() == second.json()
    assert Document.objects.count() == 1
    other = post(client, "documents", {"text": "Other."}, key, **{"Idempotency-Key": "k1"})
    assert (other.status_code, other.json()["code"]) == (409, "idempotency_conflict")


def test_a_bulk_request_reports_bad_lines_by_number_and_takes_the_rest(
    client: Client, tenant: Tenant, key: dict[str, str]
) -> None:
    lines = [
        '{"id": "a", "text": "The valve."}',
        "not json",
        '{"id": "b"}',
        "",
        '{"id": "c", "text": "The pump.", "metadata": {"year": 2025}}',
        '{"id": "d", "text": "The pump.", "metadata": {"year": "soon"}}',
    ]
    answer = client.post(
        "/api/v1/documents/bulk", data="\n".join(lines), content_type="application/x-ndjson", headers=key
    )
    assert answer.status_code == 202
    ingest_all(tenant)
    batch = client.get(f"/api/v1/batches/{answer.json()['batch']}", headers=key).json()
    assert (batch["state"], batch["total"], batch["done"], batch["failed"]) == ("done", 5, 2, 3)
    assert [error["line"] for error in batch["errors"]] == [2, 3, 6]
    assert set(Document.objects.values_list("public_id", flat=True)) == {"a", "c"}


def test_a_patch_changes_metadata_and_access(client: Client, tenant: Tenant, key: dict[str, str]) -> None:
    post(client, "documents", {"id": "a", "text": "The valve."}, key)
    ingest_all(tenant)
    answer = client.patch(
        "/api/v1/documents/a", data='{"access": ["ops"]}', content_type="application/json", headers=key
    )
    assert answer.status_code == 202
    assert search(client, "valve", key) == []
    ingest_all(tenant)
    ops = authorization(tenant, groups=("ops",))
    assert search(client, "valve", ops) == ["a"]


def test_a_deleted_document_is_gone_from_the_very_next_search(
    client: Client, tenant: Tenant, key: dict[str, str]
) -> None:
    post(client, "documents", {"id": "a", "text": "The valve."}, key)
    ingest_all(tenant)
    assert search(client, "valve", key) == ["a"]
    assert client.delete("/api/v1/documents/a", headers=key).status_code == 204
    assert search(client, "valve", key) == []
    assert client.get("/api/v1/documents/a", headers=key).status_code == 404


def test_a_post_onto_a_synced_document_is_a_conflict(
    client: Client, tenant: Tenant, key: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("Text.")
    source = sources.create(tenant, kind="folder", config={"path": str(tmp_path)}, slug="hb")
    jobs.run_sync(sync.start(source).pk)
    answer = post(client, "documents", {"id": "hb/a.txt", "text": "Other."}, key)
    assert (answer.status_code, answer.json()["code"]) == (409, "synced_document")


def test_a_source_is_made_listed_and_synced(
    client: Client, tenant: Tenant, key: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "a.txt").write_text("Text.")
    made = post(client, "sources", {"kind": "folder", "config": {"path": str(tmp_path)}, "slug": "hb"}, key)
    assert made.status_code == 201
    assert post(client, "sources/hb/sync", {}, key).status_code == 202
    jobs.run_sync(source_run(tenant))
    (listed,) = client.get("/api/v1/sources", headers=key).json()["sources"]
    assert (listed["id"], listed["last_sync"]["counts"]["added"]) == ("hb", 1)
    refused = post(client, "sources", {"kind": "folder", "config": {"pth": "x"}}, key)
    assert (refused.status_code, "pth" in refused.json()["detail"]) == (422, True)


def source_run(tenant: Tenant) -> int:
    from ingestion.models import SyncRun

    return SyncRun.objects.get(source__tenant=tenant).pk


def test_keys_are_checked_and_scopes_hold(client: Client, tenant: Tenant) -> None:
    assert post(client, "search", {"query": "x"}, {}).status_code == 401
    assert post(client, "search", {"query": "x"}, {"Authorization": "Bearer nope"}).status_code == 401
    reader = authorization(tenant, scopes=("search",))
    answer = post(client, "documents", {"text": "x"}, reader)
    assert (answer.status_code, answer.json()["code"]) == (403, "permission_denied")
    assert not IngestionTask.objects.exists()


@pytest.mark.parametrize(
    ("body", "named"),
    [
        ({}, "query"),
        ({"query": "x", "mode": "fuzzy"}, "mode"),
        ({"query": "x", "top_k": 0}, "top_k"),
        ({"query": "x", "colour": 1}, "colour"),
        ({"query": "x", "filters": {"field": "nope", "op": "eq", "value": 1}}, "nope"),
        ({"query": "x", "facets": ["nope"]}, "facets"),
        ({"query": "x", "profile": "nope"}, "profile"),
    ],
)
def test_bad_searches_are_refused_by_name(
    body: dict[str, Any], named: str, client: Client, tenant: Tenant, key: dict[str, str]
) -> None:
    post(client, "documents", {"id": "a", "text": "The valve."}, key)
    ingest_all(tenant)
    answer = post(client, "search", body, key)
    assert answer.status_code == 400
    assert named in answer.json()["fields"]


def test_a_path_that_is_not_there_is_a_404_in_the_one_error_shape(
    client: Client, key: dict[str, str]
) -> None:
    answer = client.get("/api/v1/nothing", headers=key)
    assert (answer.status_code, answer.json()["code"]) == (404, "not_found")


def test_with_opensearch_down_a_search_is_503_with_retry_after_and_documents_are_accepted(
    client: Client, tenant: Tenant, key: dict[str, str], settings: Any
) -> None:
    post(client, "documents", {"id": "a", "text": "The valve."}, key)
    ingest_all(tenant)
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    answer = post(client, "search", {"query": "anything"}, key)
    assert (answer.status_code, answer.json()["code"]) == (503, "opensearch_unavailable")
    assert int(answer.headers["Retry-After"]) > 0
    assert post(client, "documents", {"id": "b", "text": "The pump."}, key).status_code == 202
