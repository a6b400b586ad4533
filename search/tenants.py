"""Reads the tenant's state that a query needs: the index version that serves, and what the filter door
must leave out."""

import time

from search.filters import schema_of
from search.models import DisabledPassage, Document, MetadataField, Tenant
from search.prepared import PreparedQuery
from search.profile_settings import version_settings
from search.types import IndexTarget, LanguageWeight, RetrievalSettings

HIDDEN_LIMIT = 1000
_KEEPS_SECONDS = 10.0
_targets = PreparedQuery(
    lambda tenant_id: Tenant.objects.filter(pk=tenant_id).values_list(
        "live_index_id",
        "live_index__name",
        "live_index__embedder",
        "live_index__variant",
        "live_index__dimension",
        "live_index__languages",
        "live_index__vector_weights",
        "live_index__mapping_version",
        "uuid",
        "content_version",
        "curation_version",
        "synonyms_version",
        "answers_near_questions",
        "live_profile__name",
        "live_profile__version",
        "live_profile__settings",
    )
)
_fields = PreparedQuery(
    lambda tenant_id: MetadataField.objects.filter(tenant_id=tenant_id).values_list("name", "type")
)
_hidden = PreparedQuery(
    lambda tenant_id: Document.objects.filter(tenant_id=tenant_id, hides_unacknowledged=True).values_list(
        "pk"
    )[: HIDDEN_LIMIT + 1]
)
_disabled = PreparedQuery(
    lambda tenant_id: DisabledPassage.objects.filter(tenant_id=tenant_id).values_list("chunk_ids")
)
_keeps = PreparedQuery(lambda tenant_id: Tenant.objects.filter(pk=tenant_id).values_list("keeps_queries"))
_known_to_keep: dict[int, tuple[float, bool]] = {}


def live_target(tenant_id: int) -> IndexTarget | None:
    """The index that serves a tenant, with its content version and live profile in the same read.

    None before the first document.
    """
    tenants = _targets.rows(tenant_id=tenant_id)
    if not tenants or tenants[0][0] is None:
        return None
    index_id, name, embedder, variant, dimension, languages, weights, mapping_version, *rest = tenants[0]
    tenant_uuid, content_version, curation_version, synonyms_version, near_questions, *profile = rest
    return IndexTarget(
        tenant_id=tenant_id,
        tenant_uuid=tenant_uuid,
        index_id=index_id,
        name=name,
        embedder=embedder,
        variant=variant,
        dimension=dimension,
        content_version=content_version,
        curation_version=curation_version,
        synonyms_version=synonyms_version,
        answers_near_questions=near_questions,
        languages=tuple(languages),
        mapping_version=mapping_version,
        schema=schema_of(_fields.rows(tenant_id=tenant_id)),
        weights=tuple(LanguageWeight(language, weight, chunks) for language, weight, chunks in weights),
        profile=version_settings(*profile) if profile[0] else RetrievalSettings(),
    )


def left_out(tenant_id: int) -> tuple[list[int], list[str]]:
    """What the filter door leaves out.

    Documents whose deletion, expiry or access change the index has not acknowledged; normally none. At most
    HIDDEN_LIMIT + 1 ids: a caller that gets more than the limit drops what the engine counts. And the chunks of
    passages that are switched off.
    """
    hidden = [document_id for (document_id,) in _hidden.rows(tenant_id=tenant_id)]
    return hidden, [chunk_id for (ids,) in _disabled.rows(tenant_id=tenant_id) for chunk_id in ids]


def keeps_queries(tenant_id: int) -> bool:
    """Whether the tenant's queries may be kept with ratings; as it was at most ten seconds ago."""
    now = time.monotonic()
    read_at, keeps = _known_to_keep.get(tenant_id, (float("-inf"), False))
    if now - read_at > _KEEPS_SECONDS:
        keeps = any(kept for (kept,) in _keeps.rows(tenant_id=tenant_id))
        _known_to_keep[tenant_id] = (now, keeps)
    return keeps


def forget_tenants() -> None:
    """For tests: what was read of tenants is read anew."""
    _known_to_keep.clear()
