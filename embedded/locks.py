"""A lock between processes on a file; the system releases it when its holder dies."""

import fcntl
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def held(path: Path, *, wait_s: float | None = None) -> Iterator[None]:
    """Holds the lock. Raises TimeoutError when another keeps it for `wait_s`; None waits for ever."""
    deadline = None if wait_s is None else time.monotonic() + wait_s
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        while not _taken(descriptor):
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError(f"{path} is held by another process")
            time.sleep(0.1)
        yield
    finally:
        os.close(descriptor)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
