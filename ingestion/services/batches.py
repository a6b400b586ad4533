"""Bulk requests: JSON Lines, read as they come in; a line that is refused is reported by its number and
spoils nothing else."""

from collections.abc import Callable, Iterator
from itertools import islice
from typing import IO, Any

import orjson
from django.conf import settings
from django.db import transaction

from ingestion.models import Batch, BatchEntry
from ingestion.services.documents import Accepted
from search.models import Tenant

LINES_AT_ONCE = 20  # one transaction: a write lock is held well under 100 ms


Accept = Callable[[Tenant, Any], Accepted]


class LineError(Exception):
    """A line that can't be accepted."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def receive(batch: Batch, stream: IO[bytes], *, accept: Accept) -> None:
    """Accept each line. `accept` takes a line's JSON and raises LineError for what it refuses.

    A request that breaks off keeps what was accepted before, and says so.
    """
    lines = enumerate(_lines(stream), start=1)
    try:
        while part := list(islice(lines, LINES_AT_ONCE)):
            _accept_part(batch, part, accept=accept)
    except OSError as error:
        _add_errors(
            batch, [{"line": None, "code": "incomplete", "detail": f"The request broke off: {error}"}]
        )
    batch.is_received = True
    batch.save(update_fields=["is_received"])


def _accept_part(batch: Batch, part: list[tuple[int, bytes]], *, accept: Accept) -> None:
    with transaction.atomic():
        errors = [
            error for number, line in part for error in _accept_line(batch, number, line, accept=accept)
        ]
        _add_errors(batch, errors)


def _add_errors(batch: Batch, errors: list[dict[str, Any]]) -> None:
    if errors:
        batch.line_errors = [*batch.line_errors, *errors]
        batch.save(update_fields=["line_errors"])


def _lines(stream: IO[bytes]) -> Iterator[bytes]:
    """Lines of a request body, without holding more than one; an over-long one is cut off there and refused."""
    limit = settings.INGESTION_MAX_DOCUMENT_BYTES
    while line := stream.readline(limit + 1):
        if len(line) > limit and not line.endswith(b"\n"):
            while (rest := stream.readline(limit)) and not rest.endswith(b"\n"):
                continue
        yield line


def _accept_line(batch: Batch, number: int, line: bytes, *, accept: Accept) -> list[dict[str, Any]]:
    if not line.strip():
        return []
    try:
        with transaction.atomic():
            _enter(batch, accept(batch.tenant, _value(line)))
    except LineError as error:
        return [{"line": number, "code": error.code, "detail": error.detail}]
    return []


def _value(line: bytes) -> Any:
    if len(line) > settings.INGESTION_MAX_DOCUMENT_BYTES:
        raise LineError("too_large", f"A line has {settings.INGESTION_MAX_DOCUMENT_BYTES} bytes at most.")
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise LineError("invalid_json", f"Not JSON: {error}") from error


def _enter(batch: Batch, accepted: Accepted) -> None:
    BatchEntry.objects.update_or_create(
        batch=batch, document=accepted.document, defaults={"task": accepted.task}
    )


def start(tenant: Tenant) -> Batch:
    return Batch.objects.create(tenant=tenant)
