"""The scheduler: starts syncs that are due, sweeps, and clears away what is old. Several may run; none does harm."""

import signal
import threading
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection

from ingestion import jobs
from ingestion.services import housekeeping
from search.evaluation import lab_jobs
from search.exceptions import SearchError

logger = structlog.get_logger(__name__)


class Command(BaseCommand):
    help = "Start syncs by their schedule and clear away what is old, until stopped."

    def handle(self, *args: Any, **options: Any) -> None:
        stopped = threading.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopped.set())
        while not stopped.wait(settings.INGESTION_SWEEP_SECONDS):
            try:
                housekeeping.start_due_syncs()
                lab_jobs.start_nightly(hours=settings.SEARCH_LAB_NIGHTLY_HOURS)
                housekeeping.clear_old()
                jobs.sweep()
            except (DatabaseError, SearchError) as error:
                logger.warning("scheduler_round_failed", error=str(error))
            finally:
                connection.close()
