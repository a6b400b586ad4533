"""When an index is probed, by whom, and where what was found is kept: queries read the weights with the index.

A probe is due once an index is filled and whenever a fifth of it has changed, while nothing is being ingested.
"""

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict
from datetime import timedelta
from typing import Any

import structlog
from django.conf import settings
from django.db import transaction
from django.db.models import Exists, F, OuterRef, Q, QuerySet
from django.utils import timezone

from ingestion import indexes
from ingestion.models import IngestionTask
from search.evaluation import weighing
from search.evaluation.probing import ProbedLanguage, ProbeSettings, probe_index
from search.models import Document, SearchIndex, Tenant

logger = structlog.get_logger(__name__)
CHANGED_SHARE = 0.2
_LEASE = timedelta(minutes=10)


def due() -> list[int]:
    """Ids of live versions that have changed enough, of tenants that nothing is being ingested for."""
    busy = IngestionTask.objects.filter(tenant=OuterRef("tenant"), state__in=IngestionTask.OPEN)
    changed = SearchIndex.objects.filter(
        state=SearchIndex.State.LIVE, changes_since_probe__gte=F("probe_after_changes")
    )
    return list(changed.filter(_unleased()).exclude(Exists(busy)).values_list("pk", flat=True))


def ask_again(versions: "QuerySet[SearchIndex]") -> int:
    """Make the probes of live versions due, whatever has changed. Returns how many."""
    return versions.filter(state=SearchIndex.State.LIVE).update(probe_after_changes=0)


def lease(version_id: int) -> SearchIndex | None:
    """The version, if this worker may probe it: no other one does, and it is still due."""
    wanted = SearchIndex.objects.filter(_unleased(), pk=version_id)
    wanted = wanted.filter(changes_since_probe__gte=F("probe_after_changes"))
    taken = wanted.update(probing_until=timezone.now() + _LEASE)
    return SearchIndex.objects.get(pk=version_id) if taken else None


def release(version: SearchIndex) -> None:
    SearchIndex.objects.filter(pk=version.pk).update(probing_until=None)


def _unleased() -> Q:
    return Q(probing_until=None) | Q(probing_until__lt=timezone.now())


def run(version: SearchIndex, *, go_on: Callable[[], None] = lambda: None) -> SearchIndex:
    """Probe a version and keep what was found. `go_on` is called between parts and may raise to end the work.

    Raises OpenSearchUnavailable, BulkRefused, EmbeddingUnavailable, IndexMismatch.
    """
    started = time.monotonic()
    found = probe_index(
        version.name,
        indexes.embedder_of(version),
        ProbeSettings(settings.SEARCH_VECTOR_WEIGHT, settings.SEARCH_UNRELATED_COSINE),
        go_on=go_on,
    )
    kept = _keep(version, found, seconds=time.monotonic() - started)
    logger.info(
        "index_probed", index=version.name, weights=kept.vector_weights, seconds=kept.probe["seconds"]
    )
    return kept


def _keep(version: SearchIndex, found: Sequence[ProbedLanguage], *, seconds: float) -> SearchIndex:
    """The new weights go live at once: the content version grows, so that no cached response has the old ones."""
    documents = Document.objects.filter(tenant=version.tenant_id, state=Document.State.LIVE).count()
    with transaction.atomic():
        tenant = Tenant.objects.select_for_update().get(pk=version.tenant_id)
        kept = SearchIndex.objects.get(pk=version.pk)
        weights = [
            [one.language, one.weighed.vector_weight, one.chunks]
            for one in found
            if one.weighed.questions >= weighing.LEAST_QUESTIONS
        ]
        if weights != kept.vector_weights and tenant.live_index_id == kept.pk:
            Tenant.objects.filter(pk=tenant.pk).update(content_version=F("content_version") + 1)
        kept.vector_weights = weights
        kept.probe = _report(
            found, documents=documents, seconds=seconds, content_version=tenant.content_version
        )
        kept.changes_since_probe -= min(version.changes_since_probe, kept.changes_since_probe)
        kept.probe_after_changes = max(1, math.ceil(CHANGED_SHARE * documents))
        kept.save(update_fields=["vector_weights", "probe", "changes_since_probe", "probe_after_changes"])
    return kept


def _report(
    found: Sequence[ProbedLanguage], *, documents: int, seconds: float, content_version: int
) -> dict[str, Any]:
    return {
        "at": timezone.now().isoformat(timespec="seconds"),
        "content_version": content_version,
        "documents": documents,
        "seconds": round(seconds, 1),
        "languages": [asdict(one) for one in found],
    }
