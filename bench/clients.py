"""Clients that measure a running server: many streamed answers at once, and searches one after another.

Plain asyncio sockets: next to the server on the same cores, a client must cost little.
"""

import asyncio
import json
import math
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

Reader = asyncio.StreamReader


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


def _since(started: float) -> float:
    return (time.perf_counter() - started) * 1000


def summary(times: Sequence[float]) -> dict[str, float]:
    """p50, p95 and max in milliseconds, by nearest rank."""
    if not times:
        return {"count": 0}
    ordered = sorted(times)
    ranks = {"p50": 0.5, "p95": 0.95, "max": 1.0}
    figures = {name: round(ordered[math.ceil(share * len(ordered)) - 1], 1) for name, share in ranks.items()}
    return {"count": len(ordered), **figures}
