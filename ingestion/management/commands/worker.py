"""A worker: runs jobs in its own process (no fork a job, so models load once), and sweeps for what no ring
announced."""

import threading
from typing import Any

import structlog
from django.conf import settings
from django.core.management.base import BaseCommand
from django.db import DatabaseError, connection
from django_rq import get_queue
from prometheus_client import start_http_server
from rq import SimpleWorker
from rq.serializers import JSONSerializer

from ingestion import jobs, outbox
from ingestion.services import expectations
from search.evaluation import lab_jobs

logger = structlog.get_logger(__name__)


class _Worker(SimpleWorker):
    def handle_warm_shutdown_request(self) -> None:
        super().handle_warm_shutdown_request()  # type: ignore[no-untyped-call]
        jobs.stop()


class Command(BaseCommand):
    help = "Run ingestion jobs until stopped."

    def add_arguments(self, parser: Any) -> None:
        parser.add_argument("--burst", action="store_true", help="stop when nothing is queued")

    def handle(self, *args: Any, **options: Any) -> None:
        jobs.parser()  # before the embedder is loaded, so that the child does not inherit its memory
        if settings.INGESTION_METRICS_PORT:
            start_http_server(settings.INGESTION_METRICS_PORT)
        queue = get_queue()
        stopped = threading.Event()
        sweeper = threading.Thread(target=_sweep_regularly, args=(stopped,), name="sweeper", daemon=True)
        sweeper.start()
        worker = _Worker([queue], connection=queue.connection, serializer=JSONSerializer, worker_ttl=120)
        worker.log_result_lifespan = False
        try:
            worker.work(burst=options["burst"], logging_level="WARNING")
        finally:
            stopped.set()
            jobs.close_parser()


def _sweep_regularly(stopped: threading.Event) -> None:
    while not stopped.wait(settings.INGESTION_SWEEP_SECONDS):
        try:
            jobs.sweep()
            outbox.publish_metrics()
            lab_jobs.publish_metrics()
            expectations.publish_metrics()
        except DatabaseError as error:
            logger.warning("sweep_failed", error=str(error))
        finally:
            connection.close()
