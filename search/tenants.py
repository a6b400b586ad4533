"""Reads the tenant's state that a query needs: the index version that serves, and what the filter door must leave out."""

from django.db.models import F

from search.filters import schema_of
from search.models import Document, MetadataField, Tenant
from search.types import IndexTarget

HIDDEN_LIMIT = 1000


def live_target(tenant_id: int) -> IndexTarget | None:
    """The index that serves a tenant, with its content version in the same read; None before the first document."""
    row = (
        Tenant.objects.filter(pk=tenant_id, live_index__isnull=False)
        .values(
            "uuid",
            "content_version",
            index_id=F("live_index__id"),
            name=F("live_index__name"),
            embedder=F("live_index__embedder"),
            variant=F("live_index__variant"),
            dimension=F("live_index__dimension"),
            languages=F("live_index__languages"),
        )
        .first()
    )
    if row is None:
        return None
    fields = MetadataField.objects.filter(tenant_id=tenant_id).values_list("name", "type")
    languages = tuple(row.pop("languages"))
    return IndexTarget(
        tenant_id=tenant_id, tenant_uuid=row.pop("uuid"), languages=languages, schema=schema_of(fields), **row
    )


def hidden_documents(tenant_id: int) -> list[int]:
    """Documents whose deletion, expiry or access change the index has not acknowledged; normally none.

    At most HIDDEN_LIMIT + 1 ids: a caller that gets more than the limit drops what the engine counts.
    """
    hidden = Document.objects.filter(tenant_id=tenant_id, hides_unacknowledged=True)
    return list(hidden.values_list("pk", flat=True)[: HIDDEN_LIMIT + 1])
