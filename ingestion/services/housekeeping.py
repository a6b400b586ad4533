"""What is done regularly: syncs by their schedule, chunks of retired editions that a worker left, expired
idempotency keys, former contents that nobody has put back, old entries of the query log."""

from datetime import datetime, timedelta

from django.db.models import Max
from django.utils import timezone

from ingestion import former
from ingestion.models import IdempotencyKey, Source, SyncRun
from ingestion.services import ingest, rebuild, sync
from search import query_log

IDEMPOTENCY_HOURS = 24


def start_due_syncs() -> list[SyncRun]:
    """Start a sync of each enabled source whose interval has passed since its last one began."""
    now = timezone.now()
    sources = Source.objects.filter(is_enabled=True, sync_interval_minutes__isnull=False)
    sources = sources.annotate(last_run=Max("sync_runs__created_at"))
    return [
        sync.start(source)
        for source in sources
        if _is_due(source.last_run, source.sync_interval_minutes or 0, now)
    ]


def _is_due(last_run: datetime | None, minutes: int, now: datetime) -> bool:
    return last_run is None or now - last_run >= timedelta(minutes=minutes)


def clear_old() -> None:
    """Raises OpenSearchUnavailable, after which the next round tries again."""
    IdempotencyKey.objects.filter(created_at__lt=timezone.now() - timedelta(hours=IDEMPOTENCY_HOURS)).delete()
    former.clear_old()
    query_log.clear_old()
    ingest.remove_retired()
    rebuild.finish_complete()
