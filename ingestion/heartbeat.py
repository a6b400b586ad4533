"""Keeps a lease alive from a thread with its own database connection, until the work ends or its deadline passes."""

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import structlog
from django.conf import settings
from django.db import DatabaseError, connection

logger = structlog.get_logger(__name__)
_BUSY_TIMEOUT_MS = 2000


@contextmanager
def heartbeat(renew: Callable[[], bool]) -> Iterator[None]:
    """Call `renew` every INGESTION_HEARTBEAT_SECONDS while the block runs. Past the deadline the lease is let go."""
    stopped = threading.Event()
    thread = threading.Thread(target=_beat, args=(renew, stopped), name="heartbeat", daemon=True)
    thread.start()
    try:
        yield
    finally:
        stopped.set()
        thread.join()


def _beat(renew: Callable[[], bool], stopped: threading.Event) -> None:
    deadline = time.monotonic() + settings.INGESTION_TASK_DEADLINE_SECONDS
    try:
        _fail_fast()
        while not stopped.wait(settings.INGESTION_HEARTBEAT_SECONDS) and time.monotonic() < deadline:
            try:
                if not renew():
                    return
            except DatabaseError as error:
                logger.warning("heartbeat_failed", error=str(error))
    finally:
        connection.close()


def _fail_fast() -> None:
    """A heartbeat that waits long for SQLite's one writer is worth less than the next one."""
    if connection.vendor == "sqlite":
        with connection.cursor() as cursor:
            cursor.execute(f"PRAGMA busy_timeout={_BUSY_TIMEOUT_MS}")
