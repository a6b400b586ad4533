"""RQ's entry points: ids in, a service call. The only place, with the commands, where any exception is caught."""

import threading
import time
from collections.abc import Callable

import structlog
from django.conf import settings
from django.db import close_old_connections

from ingestion import doorbell, outbox
from ingestion.exceptions import WorkerStopping
from ingestion.outbox import Claim
from ingestion.parsers import ParserChild
from ingestion.services import expectations, ingest, probe, sync
from search import ledger, query_log, warming
from search.evaluation import lab_jobs
from search.exceptions import Unavailable

logger = structlog.get_logger(__name__)
_parser: ParserChild | None = None
_stopping = threading.Event()
_PROBE_PART_SECONDS = 0.5


def parser() -> ParserChild:
    """This worker's parser child, one for its whole life. Workers start it before the embedder is loaded."""
    global _parser
    if _parser is None:
        _parser = ParserChild(
            memory_bytes=settings.INGESTION_PARSER_MEMORY_BYTES,
            timeout_seconds=settings.INGESTION_PARSER_TIMEOUT_SECONDS,
            output_bytes=settings.INGESTION_PARSER_OUTPUT_BYTES,
        )
        _parser.start()
    return _parser


def stop() -> None:
    """Give back what this worker holds at the next step of its work. For good: the worker is about to end."""
    _stopping.set()


def close_parser() -> None:
    """End the child with its worker."""
    global _parser
    if _parser is not None:
        _parser.close()
        _parser = None


def run_due_tasks(tenant_id: int) -> int:
    """Claim and do one batch of a tenant's due tasks; ring again before the work, so that idle workers join in."""
    close_old_connections()
    doorbell.answered(doorbell.RUN_DUE_TASKS, tenant_id)
    claim = outbox.claim(tenant_id)
    if claim is None:
        return 0
    doorbell.ring(doorbell.RUN_DUE_TASKS, tenant_id)
    run_claim(claim)
    expectations.ring_if_due(tenant_id)
    return len(claim.tasks)


def run_claim(claim: Claim) -> None:
    """The job boundary of a claim: an error that nobody foresaw is written into its tasks, which are tried
    again alone."""
    try:
        ingest.run(claim, parser(), stopping=_stopping)
    except Exception as error:
        logger.exception(
            "claim_failed", tenant=claim.tenant_id, tasks=[str(task.uuid) for task in claim.tasks]
        )
        held = outbox.still_held_now(claim)
        for task in claim.tasks:
            if task.pk in held:
                outbox.try_again(
                    task, code="internal_error", reason=f"{type(error).__name__}: {error}"[:1000]
                )


def run_sync(sync_run_id: int) -> None:
    """Run one pending or abandoned sync; who is not the first to lease it does nothing."""
    close_old_connections()
    doorbell.answered(doorbell.RUN_SYNC, sync_run_id)
    try:
        sync.run(sync_run_id)
    except Exception as error:
        logger.exception("sync_failed", sync_run=sync_run_id)
        sync.fail(sync_run_id, f"{type(error).__name__}: {error}"[:1000])
    expectations.ring_if_due(sync.tenant_of(sync_run_id))


def run_probe(version_id: int) -> None:
    """Probe an index version that is due, unless another worker does. What is to be ingested meanwhile goes first."""
    close_old_connections()
    doorbell.answered(doorbell.RUN_PROBE, version_id)
    version = probe.lease(version_id)
    if version is None:
        return
    try:
        probe.run(version, go_on=_ingestion_first())
    except (WorkerStopping, *ingest.OUTAGES) as error:  # it stays due
        logger.warning("probe_put_off", index=version.name, code=error.code)
    except Exception:
        logger.exception("probe_failed", index=version.name)
    finally:
        probe.release(version)


def _ingestion_first() -> Callable[[], None]:
    """Does what is due, at most every half second."""
    looked_at = time.monotonic()

    def go_on() -> None:
        nonlocal looked_at
        if _stopping.is_set():
            raise WorkerStopping("Its worker was stopped; another one goes on.")
        if time.monotonic() - looked_at >= _PROBE_PART_SECONDS:
            for tenant_id in outbox.tenants_with_due_tasks():
                run_due_tasks(tenant_id)
            looked_at = time.monotonic()

    return go_on


def run_lab_job(job_id: int) -> None:
    """Work on one job of the relevance lab for a while, and ring again for the rest, behind what else waits."""
    close_old_connections()
    doorbell.answered(doorbell.RUN_LAB_JOB, job_id)
    try:
        if lab_jobs.work(job_id, should_stop=_stopping.is_set):
            doorbell.ring(doorbell.RUN_LAB_JOB, job_id)
    except Exception as error:
        logger.exception("lab_job_failed", lab_job=job_id)
        lab_jobs.fail(job_id, f"{type(error).__name__}: {error}")


def run_expectations(tenant_id: int) -> None:
    """Ask a tenant's expectations that are due, and ring again for what is left, behind what else waits."""
    close_old_connections()
    doorbell.answered(doorbell.RUN_EXPECTATIONS, tenant_id)
    try:
        if expectations.run(tenant_id, should_stop=_stopping.is_set):
            doorbell.ring(doorbell.RUN_EXPECTATIONS, tenant_id)
    except Exception:
        logger.exception("expectations_failed", tenant=tenant_id)


def run_warming(tenant_id: int) -> None:
    """Fill the caches after a rebuild, what is to be ingested going first. A worker that stops leaves the rest cold."""
    close_old_connections()
    doorbell.answered(doorbell.RUN_WARMING, tenant_id)
    try:
        warming.warm(tenant_id, go_on=_ingestion_first())
    except WorkerStopping:
        logger.info("warming_ended", tenant=tenant_id)


def sweep() -> int:
    """Ring for everything that is due and that no ring may have announced. Returns how many rings."""
    _flush_streams()
    rings = [
        doorbell.ring(doorbell.RUN_DUE_TASKS, tenant_id) for tenant_id in outbox.tenants_with_due_tasks()
    ]
    rings += [doorbell.ring(doorbell.RUN_SYNC, run_id) for run_id in sync.due_runs()]
    rings += [doorbell.ring(doorbell.RUN_PROBE, version_id) for version_id in probe.due()]
    rings += [doorbell.ring(doorbell.RUN_LAB_JOB, job_id) for job_id in lab_jobs.due_jobs()]
    rings += [doorbell.ring(doorbell.RUN_EXPECTATIONS, tenant_id) for tenant_id in expectations.due()]
    return len(rings)


def _flush_streams() -> None:
    """A part of what queries left to be written down; the next sweep takes the next one."""
    try:
        ledger.flush()
        query_log.flush()
    except Unavailable as error:
        logger.warning("queue_unreachable", error=error.detail)
