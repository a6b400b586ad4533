"""Rings for work: enqueues an RQ job by its dotted path, after commit. The task row is the truth; a lost
ring costs one sweep."""

from functools import lru_cache

import structlog
from django.conf import settings
from django.db import transaction
from django_rq import get_queue
from redis import Redis
from redis.exceptions import RedisError

from search.redis_connection import connect

logger = structlog.get_logger(__name__)

RUN_DUE_TASKS = "ingestion.jobs.run_due_tasks"
RUN_SYNC = "ingestion.jobs.run_sync"
RUN_PROBE = "ingestion.jobs.run_probe"
RUN_LAB_JOB = "ingestion.jobs.run_lab_job"
RUN_WARMING = "ingestion.jobs.run_warming"
RUN_EXPECTATIONS = "ingestion.jobs.run_expectations"
_QUIET_SECONDS = 5
_TIMEOUT_SECONDS = 0.5


def ring_for_tasks(tenant_id: int) -> None:
    """Ask a worker to claim what is due for a tenant, once the open transaction is committed."""
    transaction.on_commit(lambda: ring(RUN_DUE_TASKS, tenant_id))


def ring_for_sync(sync_run_id: int) -> None:
    transaction.on_commit(lambda: ring(RUN_SYNC, sync_run_id))


def ring(job: str, subject_id: int) -> bool:
    """Enqueue at once, unless the same was rung within seconds and not yet answered. False when Redis is down."""
    try:
        queue = get_queue(connection=_connection())
        if queue.connection.set(_key(job, subject_id), 1, nx=True, ex=_QUIET_SECONDS):
            queue.enqueue_call(job, args=(subject_id,), timeout=-1, result_ttl=0, failure_ttl=86400)
    except RedisError as error:
        logger.warning("doorbell_unreachable", job=job, subject=subject_id, error=str(error))
        return False
    return True


def answered(job: str, subject_id: int) -> None:
    """A worker has come: from now on a new ring is heard."""
    try:
        _connection().delete(_key(job, subject_id))
    except RedisError as error:
        logger.warning("doorbell_unreachable", job=job, subject=subject_id, error=str(error))


def _connection() -> "Redis":
    """One that gives a hanging Redis up, unlike RQ's own: an app waits for its 202 meanwhile."""
    return _connect(settings.RQ_QUEUES["default"]["URL"])


@lru_cache(maxsize=1)
def _connect(url: str) -> "Redis":
    return connect(url, timeout_seconds=_TIMEOUT_SECONDS)


def _key(job: str, subject_id: int) -> str:
    return f"ragsite:doorbell:{job}:{subject_id}"
