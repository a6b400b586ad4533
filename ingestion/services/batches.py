"""Bulk requests: JSON Lines, read as they come in; a line that is refused is reported by its number and
spoils nothing else."""

from collections.abc import Callable, Iterable, Iterator
from typing import IO, Any

import orjson
from django.conf import settings
from django.db import transaction

from ingestion.exceptions import IngestionError
from ingestion.models import Batch, BatchEntry
from ingestion.services.documents import Accepted, Incoming, accept_all
from search.models import Tenant

LINES_AT_ONCE = 100  # one transaction: a write lock is held well under 100 ms
BYTES_AT_ONCE = 4 * 1024 * 1024  # lines that are held in memory and written together, unless one is longer


Read = Callable[[Any], Incoming]


class LineError(Exception):
    """A line that can't be accepted."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(detail)
        self.code, self.detail = code, detail


def receive(batch: Batch, stream: IO[bytes], *, read: Read) -> None:
    """Accept each line. `read` takes a line's JSON and raises LineError for what it refuses.

    A request that breaks off keeps what was accepted before, and says so.
    """
    try:
        for part in _parts(enumerate(_lines(stream), start=1)):
            _accept_part(batch, part, read=read)
    except OSError as error:
        _add_errors(
            batch, [{"line": None, "code": "incomplete", "detail": f"The request broke off: {error}"}]
        )
    batch.is_received = True
    batch.save(update_fields=["is_received"])


def _parts(lines: Iterable[tuple[int, bytes]]) -> Iterator[list[tuple[int, bytes]]]:
    part: list[tuple[int, bytes]] = []
    size = 0
    for number, line in lines:
        if part and (len(part) >= LINES_AT_ONCE or size + len(line) > BYTES_AT_ONCE):
            yield part
            part, size = [], 0
        part.append((number, line))
        size += len(line)
    if part:
        yield part


def _accept_part(batch: Batch, part: list[tuple[int, bytes]], *, read: Read) -> None:
    entries: dict[int, Incoming] = {}
    errors: dict[int, LineError] = {}
    for number, line in part:
        try:
            if line.strip():
                entries[number] = read(_value(line))
        except LineError as error:
            errors[number] = error
    with transaction.atomic():
        outcomes = dict(zip(entries, accept_all(batch.tenant, list(entries.values())), strict=True))
        for number, outcome in outcomes.items():
            if isinstance(outcome, IngestionError):
                errors[number] = LineError(outcome.code, str(outcome))
        _enter(batch, [outcome for outcome in outcomes.values() if isinstance(outcome, Accepted)])
        _add_errors(batch, [_error_json(number, errors[number]) for number in sorted(errors)])


def _error_json(number: int, error: LineError) -> dict[str, Any]:
    return {"line": number, "code": error.code, "detail": error.detail}


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


def _value(line: bytes) -> Any:
    if len(line) > settings.INGESTION_MAX_DOCUMENT_BYTES:
        raise LineError("too_large", f"A line has {settings.INGESTION_MAX_DOCUMENT_BYTES} bytes at most.")
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise LineError("invalid_json", f"Not JSON: {error}") from error


def _enter(batch: Batch, accepted: list[Accepted]) -> None:
    entries = {
        outcome.document.pk: BatchEntry(batch=batch, document=outcome.document, task=outcome.task)
        for outcome in accepted
    }
    BatchEntry.objects.bulk_create(
        entries.values(),
        update_conflicts=True,
        unique_fields=["batch", "document"],
        update_fields=["task"],
    )


def start(tenant: Tenant) -> Batch:
    return Batch.objects.create(tenant=tenant)
