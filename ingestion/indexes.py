"""The index versions that a tenant's documents are written to: the live one, one that is being built, and
one kept for rollback."""

from typing import Any

from django.core.exceptions import ImproperlyConfigured
from django.db import transaction

from ingestion.chunking import CHUNKING_VERSION
from search import index
from search.embeddings import Embedder, get_embedder
from search.exceptions import IndexMismatch
from search.models import MetadataField, SearchIndex, Tenant

State = SearchIndex.State
_mapped: dict[str, frozenset[tuple[str, str]]] = {}


def writable(tenant: Tenant) -> list[SearchIndex]:
    """Every index version of a tenant, each ready to be written to; the first one is made at the first document."""
    if tenant.live_index_id is None:
        _create_first(tenant)
    versions = list(SearchIndex.objects.filter(tenant=tenant).order_by("number"))
    for version in versions:
        ensure_mapped(version)
    return versions


def _create_first(tenant: Tenant) -> None:
    version = new_version(tenant, embedder="default")
    index.create_index(version, ())
    with transaction.atomic():
        locked = Tenant.objects.select_for_update().get(pk=tenant.pk)
        if locked.live_index_id is None:
            index.mark_live(locked, version)
    index.point_alias(tenant, version)
    tenant.refresh_from_db()


def new_version(tenant: Tenant, *, embedder: str) -> SearchIndex:
    """The row of the tenant's next index version; one that another worker has just made is returned as it is."""
    model = get_embedder(embedder)
    with transaction.atomic():
        Tenant.objects.select_for_update().get(pk=tenant.pk)
        building = SearchIndex.objects.filter(tenant=tenant, state=State.BUILDING).first()
        if building is not None:
            return building
        last = SearchIndex.objects.filter(tenant=tenant).order_by("-number").first()
        number = last.number + 1 if last else 1
        return SearchIndex.objects.create(
            vector_weights=_weights_of_live(tenant, model.variant),
            tenant=tenant,
            number=number,
            name=index.physical_name(tenant, number),
            embedder=embedder,
            variant=model.variant,
            dimension=model.dimension,
            chunking_version=CHUNKING_VERSION,
        )


def _weights_of_live(tenant: Tenant, variant: str) -> list[Any]:
    """What holds for the same text and model, until the version is probed itself."""
    live = SearchIndex.objects.filter(tenant=tenant, state=State.LIVE, variant=variant).first()
    return live.vector_weights if live else []


def ensure_mapped(version: SearchIndex) -> None:
    """Put the tenant's metadata fields into the mapping, unless this process has done so. Makes a lost index anew."""
    fields = frozenset(MetadataField.objects.filter(tenant_id=version.tenant_id).values_list("name", "type"))
    if version.name not in _mapped:
        index.create_index(version, fields)
    elif added := fields - _mapped[version.name]:
        index.put_metadata_fields([version], added)
    _mapped[version.name] = fields


def embedder_of(version: SearchIndex) -> Embedder:
    """The embedder that fills an index. Raises IndexMismatch when the settings now name another, or none."""
    try:
        embedder = get_embedder(version.embedder)
    except ImproperlyConfigured as error:
        raise IndexMismatch(f"{version.name} needs an embedder that is not set: {error}") from error
    if embedder.variant != version.variant:
        raise IndexMismatch(
            f"{version.name} was filled by {version.variant}, but the embedder {version.embedder!r} is now "
            f"{embedder.variant}: rebuild the index, or set the embedder back."
        )
    return embedder


def forget_mapped() -> None:
    """For tests, which remove indexes behind this process's back."""
    _mapped.clear()
