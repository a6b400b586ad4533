"""Reads the tenant's state that a query needs: the index version that serves, and what the filter door
must leave out."""

from search.filters import schema_of
from search.models import Document, MetadataField, Tenant
from search.types import IndexTarget

HIDDEN_LIMIT = 1000


def live_target(tenant_id: int) -> IndexTarget | None:
    """The index that serves a tenant, with its content version in the same read; None before the first document."""
    tenant = Tenant.objects.select_related("live_index").filter(pk=tenant_id).first()
    if tenant is None or tenant.live_index is None:
        return None
    fields = MetadataField.objects.filter(tenant_id=tenant_id).values_list("name", "type")
    version = tenant.live_index
    return IndexTarget(
        tenant_id=tenant_id,
        tenant_uuid=tenant.uuid,
        index_id=version.pk,
        name=version.name,
        embedder=version.embedder,
        variant=version.variant,
        dimension=version.dimension,
        content_version=tenant.content_version,
        languages=tuple(version.languages),
        schema=schema_of(fields),
    )


def hidden_documents(tenant_id: int) -> list[int]:
    """Documents whose deletion, expiry or access change the index has not acknowledged; normally none.

    At most HIDDEN_LIMIT + 1 ids: a caller that gets more than the limit drops what the engine counts.
    """
    hidden = Document.objects.filter(tenant_id=tenant_id, hides_unacknowledged=True)
    return list(hidden.values_list("pk", flat=True)[: HIDDEN_LIMIT + 1])
