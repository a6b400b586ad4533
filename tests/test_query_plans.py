"""Queries that run for every search and every claim find their rows by an index that does not grow with the rest.

SQLite plans without statistics here, as it does in `make up`: it then takes the index with the most equalities.
"""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingestion import outbox
from ingestion.services import documents, ingest
from ingestion.services.documents import Content, DocumentFieldsInput, Incoming
from search import services
from search.models import Document, Tenant
from search.types import Principal, SearchRequest
from search.visibility import next_turn, visible_documents
from tests.factories import ingest_all

pytestmark = [
    pytest.mark.usefixtures("main_job"),
    pytest.mark.skipif(connection.vendor != "sqlite", reason="reads SQLite's plans"),
]
# The whole table, or all of an index: what these read grows with every document or task that there ever was.
_READS_ALL = ("SCAN search_", "SCAN ingestion_")
# Small by their condition (running or pending tasks, retired editions), or by what they hold (one row a tenant).
_SMALL = (
    "task_running_lease",
    "task_pending_due",
    "edition_retired",
    "SCAN search_tenant",
    "search_searchindex",
)


def plans(queries: list[dict[str, str]]) -> list[str]:
    """The steps of the plan of each SELECT and UPDATE."""
    steps = []
    with connection.cursor() as cursor:
        for query in queries:
            if query["sql"].startswith(("SELECT", "UPDATE")):
                cursor.execute("EXPLAIN QUERY PLAN " + query["sql"].replace("%", "%%"))
                steps += [str(row[3]) for row in cursor.fetchall()]
    return steps


def reading_all(call: Callable[[], Any]) -> list[str]:
    with CaptureQueriesContext(connection) as captured:
        call()
    found = plans(captured.captured_queries)
    assert found
    return [
        step for step in found if step.startswith(_READS_ALL) and not any(name in step for name in _SMALL)
    ]


def accepted(tenant: Tenant) -> None:
    entries = [
        Incoming(f"d{number}", DocumentFieldsInput(), Content(f"Valve {number}.".encode(), "text/plain"))
        for number in range(5)
    ]
    documents.accept_all(tenant, entries)


def test_a_search_reads_no_table_as_a_whole(tenant: Tenant, principal: Principal) -> None:
    accepted(tenant)
    ingest_all(tenant)
    assert reading_all(lambda: services.search(principal, SearchRequest("valve"))) == []


def test_a_page_is_looked_up_by_document_among_all_that_are_live(
    tenant: Tenant, principal: Principal
) -> None:
    accepted(tenant)
    ingest_all(tenant)
    index_id = Tenant.objects.values_list("live_index_id", flat=True).get(pk=tenant.pk)
    ids = list(Document.objects.values_list("pk", flat=True))
    with CaptureQueriesContext(connection) as captured:
        visible_documents(ids, principal=principal, index_id=index_id or 0, now=timezone.now())
    [edition] = [step for step in plans(captured.captured_queries) if "search_edition" in step]
    assert "document_id=?" in edition


def test_a_stored_response_is_rechecked_by_document_among_all_that_are_live(
    tenant: Tenant, principal: Principal
) -> None:
    accepted(tenant)
    ingest_all(tenant)
    services.search(principal, SearchRequest("valve"))
    with CaptureQueriesContext(connection) as captured:
        assert services.search(principal, SearchRequest("valve"))["cache"] == "response"
    [edition] = [step for step in plans(captured.captured_queries) if "search_edition" in step]
    assert "document_id=?" in edition


def test_the_next_turn_is_found_by_its_index(tenant: Tenant) -> None:
    accepted(tenant)
    with CaptureQueriesContext(connection) as captured:
        assert next_turn(tenant.pk, timezone.now()) is None
    used = " ".join(plans(captured.captured_queries))
    assert "document_visible_from" in used
    assert "document_expires_at" in used
    assert "TEMP B-TREE" not in used


def test_accepting_and_ingesting_read_no_table_as_a_whole(tenant: Tenant) -> None:
    assert reading_all(lambda: accepted(tenant)) == []
    assert reading_all(lambda: ingest_all(tenant)) == []


def test_a_claim_does_not_sort_all_that_waits(tenant: Tenant) -> None:
    accepted(tenant)
    with CaptureQueriesContext(connection) as captured:
        outbox.claim(tenant.pk)
    pending = [step for step in plans(captured.captured_queries) if "task_tenant_state_due" in step]
    assert pending
    sorted_ = [step for step in plans(captured.captured_queries) if "TEMP B-TREE" in step]
    assert len(sorted_) <= 1  # of the leases that have run out


def test_sweeps_read_no_table_as_a_whole(tenant: Tenant) -> None:
    accepted(tenant)
    assert reading_all(outbox.tenants_with_due_tasks) == []
    assert reading_all(ingest.remove_retired) == []
