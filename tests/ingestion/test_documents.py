"""Accepting many documents at once: each on its own terms, in few statements."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from ingestion.exceptions import DocumentRefused
from ingestion.models import IngestionTask
from ingestion.services import documents
from ingestion.services.documents import Accepted, Content, DocumentFieldsInput, Incoming
from search.models import Document, Tenant
from tests.factories import ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


def incoming(public_id: str, text: str = "The valve opens.", **fields: object) -> Incoming:
    return Incoming(public_id, DocumentFieldsInput(**fields), Content(text.encode(), "text/plain"))  # type: ignore[arg-type]


def test_an_id_that_comes_twice_is_a_change_of_what_came_before(tenant: Tenant) -> None:
    outcomes = documents.accept_all(
        tenant, [incoming("a", title="First"), incoming("b"), incoming("a", title="Second")]
    )
    assert all(isinstance(outcome, Accepted) for outcome in outcomes)
    document = Document.objects.get(public_id="a")
    assert (document.title, document.revision) == ("Second", 2)
    assert IngestionTask.objects.filter(document=document).count() == 1
    ingest_all(tenant)
    assert set(Document.objects.values_list("state", flat=True)) == {Document.State.LIVE}


def test_documents_without_an_id_each_get_their_own(tenant: Tenant) -> None:
    documents.accept_all(tenant, [incoming(""), incoming("")])
    assert len(set(Document.objects.values_list("public_id", flat=True))) == 2


def test_a_refused_document_changes_nothing_and_takes_nobody_along(tenant: Tenant) -> None:
    documents.accept(tenant, incoming("a", metadata={"year": 2025}))
    outcomes = documents.accept_all(
        tenant, [incoming("a", metadata={"year": "soon"}), incoming("b", metadata={"area": "ops"})]
    )
    assert isinstance(outcomes[0], DocumentRefused)
    assert isinstance(outcomes[1], Accepted)
    document = Document.objects.get(public_id="a")
    assert (document.revision, document.metadata) == (1, {"year": 2025})


def test_more_documents_take_no_more_statements(tenant: Tenant) -> None:
    counts = []
    for start, end in ((0, 5), (5, 45)):
        with CaptureQueriesContext(connection) as accepted:
            documents.accept_all(tenant, [incoming(f"d{number}") for number in range(start, end)])
        with CaptureQueriesContext(connection) as ingested:
            ingest_all(tenant)
        counts.append((len(accepted), len(ingested)))
    assert counts[1][0] <= counts[0][0]
    assert counts[1][1] <= counts[0][1]
