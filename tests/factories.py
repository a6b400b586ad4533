"""Documents and keys for tests, made through the real services."""

from typing import Any

from ingestion import jobs
from ingestion.services import documents
from ingestion.services.documents import Accepted, Content, DocumentFieldsInput, Incoming
from search.authentication import create_key
from search.models import Tenant


def accept(tenant: Tenant, public_id: str, text: str, **fields: Any) -> Accepted:
    """A pushed plain-text document, accepted but not yet ingested."""
    content = Content(text.encode(), "text/plain")
    return documents.accept(tenant, Incoming(public_id, DocumentFieldsInput(**fields), content))


def ingest_all(tenant: Tenant) -> int:
    """Do all that is due for a tenant, in this process. Returns how many tasks were claimed."""
    done = 0
    while claimed := jobs.run_due_tasks(tenant.pk):
        done += claimed
    return done


def ingest(tenant: Tenant, public_id: str, text: str, **fields: Any) -> Accepted:
    """A pushed document, accepted and ingested."""
    accepted = accept(tenant, public_id, text, **fields)
    ingest_all(tenant)
    accepted.task.refresh_from_db()
    accepted.document.refresh_from_db()
    return accepted


def authorization(
    tenant: Tenant,
    *,
    scopes: tuple[str, ...] = ("search", "ask", "documents", "sources"),
    groups: tuple[str, ...] = (),
) -> dict[str, str]:
    """Headers of a new key, for Django's test client."""
    key = create_key(tenant, name="test", scopes=list(scopes), groups=list(groups))
    return {"Authorization": f"Bearer {key.secret}"}
