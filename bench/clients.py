"""Clients that measure a running server: many streamed answers at once, and searches one after another.

Plain asyncio sockets: next to the server on the same cores, a client must cost little.
"""

import asyncio
import json
import math
import time
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Reader = asyncio.StreamReader
OK = 200
SHED = 503
RETRY_SECONDS = 1.0  # what Retry-After says of a full server


@dataclass(frozen=True, slots=True)
class Server:
    """Where the API is, and the key to ask it with."""

    url: str
    key: str

    async def post(self, path: str, body: dict[str, Any]) -> tuple[int, Reader, asyncio.StreamWriter]:
        """(status, reader at the body, writer) of a request on a connection of its own."""
        parts = urlsplit(self.url)
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
        raw = json.dumps(body).encode()
        head = (
            f"POST {path} HTTP/1.1\r\nHost: {parts.netloc}\r\nAuthorization: Bearer {self.key}\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(raw)}\r\nConnection: close\r\n\r\n"
        )
        writer.write(head.encode() + raw)
        status = int((await reader.readline()).split()[1])
        while (await reader.readline()).strip():
            continue
        return status, reader, writer


@dataclass(frozen=True, slots=True)
class Streamed:
    """One streamed answer. `first_token_ms` is None when none came; `done` says whether it came to its end."""

    status: int
    first_token_ms: float | None
    total_ms: float
    done: bool
    refused: bool = False

    @property
    def generated(self) -> bool:
        """A refusal asks no model and would flatter the figures."""
        return self.done and not self.refused


@dataclass(frozen=True, slots=True)
class Answered:
    """A search's HTTP status, 0 when the connection broke, and how long it took."""

    status: int
    total_ms: float


async def stream_answer(server: Server, body: dict[str, Any]) -> Streamed:
    started = time.perf_counter()
    first: float | None = None
    done = refused = False
    status, reader, writer = await server.post("/api/v1/ask", body | {"stream": True})
    try:
        while line := await reader.readline():
            if first is None and line.startswith(b"event: token"):
                first = _since(started)
            done = done or line.startswith(b"event: done")
            refused = refused or (done and b'"refused":true' in line)
    finally:
        writer.close()
    return Streamed(status, first, _since(started), done, refused)


async def stream_answers(server: Server, bodies: Iterable[dict[str, Any]]) -> list[Streamed]:
    """All at once."""
    return list(await asyncio.gather(*(stream_answer(server, body) for body in bodies)))


async def search_until(
    server: Server, bodies: Iterable[dict[str, Any]], ended: "asyncio.Future[Any] | None"
) -> list[float]:
    """Milliseconds of each search, one after another, until `ended` is done or the bodies are. Raises on an error."""
    times: list[float] = []
    for body in bodies:
        if ended is not None and ended.done():
            break
        started = time.perf_counter()
        status, reader, writer = await server.post("/api/v1/search", body)
        await reader.read()
        writer.close()
        if status != 200:
            raise RuntimeError(f"A search was answered with {status}.")
        times.append(_since(started))
    return times


async def search_again(server: Server, bodies: Iterator[dict[str, Any]], until: float) -> list[Answered]:
    """One client's searches, the next one when the last is answered; after a refusal it waits as it is told."""
    answers: list[Answered] = []
    while time.monotonic() < until:
        started = time.perf_counter()
        try:
            status, reader, writer = await server.post("/api/v1/search", next(bodies))
            await reader.read()
            writer.close()
        except OSError:
            status = 0
        answers.append(Answered(status, _since(started)))
        if status != OK:
            await asyncio.sleep(RETRY_SECONDS)
    return answers


async def ask_again(server: Server, bodies: Iterator[dict[str, Any]], until: float) -> list[Streamed]:
    """One reader's streamed answers, one after another."""
    answers: list[Streamed] = []
    while time.monotonic() < until:
        answers.append(await stream_answer(server, next(bodies)))
        if not answers[-1].done:
            await asyncio.sleep(RETRY_SECONDS)
    return answers


def outcomes(streamed: Sequence[Streamed]) -> dict[str, Any]:
    """How streamed answers ended, and when their first tokens came."""
    first = [one.first_token_ms for one in streamed if one.first_token_ms is not None and one.generated]
    return {
        "completed": sum(one.done for one in streamed),
        "refused": sum(one.refused for one in streamed),
        "shed": sum(one.status == SHED for one in streamed),
        "errors": sum(not one.done and one.status != SHED for one in streamed),
        "first_token_ms": summary(first),
    }


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def summary(times: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and max in milliseconds, by nearest rank."""
    if not times:
        return {"count": 0}
    ordered = sorted(times)
    ranks = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    figures = {name: round(ordered[math.ceil(share * len(ordered)) - 1], 1) for name, share in ranks.items()}
    return {"count": len(ordered), **figures}
