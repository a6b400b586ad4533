"""A double of the network before one server: a TCP proxy on 127.0.0.1 whose fault is switched on while it runs.

Both ends are real; what is wrong is wrong at the socket, on connections that are kept as on new ones.
"""

import asyncio
import re
import socket
import threading
from collections.abc import Callable, Coroutine
from contextlib import suppress
from dataclasses import dataclass
from enum import Enum
from typing import Any, Self
from urllib.parse import urlsplit

_NOISE = bytes(range(255, 0, -3)) * 8 + b"\r\n\r\n"
_PAGE = b"<html><body>Sign in to the proxy.</body></html>"
_LATE_SECONDS = 0.03
_DROP_SECONDS = 0.1
_AT_ONCE = 65536


class Fault(Enum):
    """`LATE` is within every deadline; `DROPS` never is, though each byte comes in time."""

    NONE = "none"
    DOWN = "down"
    HANGS = "hangs"
    LATE = "late"
    DROPS = "drops"
    FAILS = "fails"
    LIMITS = "limits"
    NOISE = "noise"
    PAGE = "page"
    HALF = "half"


@dataclass(frozen=True, slots=True)
class Speech:
    """A protocol, as far as faults speak it. `whole`: how many requests stand whole in what was read."""

    whole: Callable[[bytes], int]
    replies: dict[Fault, bytes]


def _http_requests(read: bytes) -> int:
    head, end, body = read.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)content-length: *(\d+)", head)
    if re.search(rb"(?i)transfer-encoding: *chunked", head):
        return int(body.endswith(b"0\r\n\r\n"))
    return int(bool(end) and len(body) >= (int(length[1]) if length else 0))


def _http(status: str, body: bytes, kind: bytes = b"application/json", extra: bytes = b"") -> bytes:
    head = b"HTTP/1.1 %s\r\nContent-Type: %s\r\nContent-Length: %d\r\n" % (status.encode(), kind, len(body))
    return head + extra + b"\r\n" + body


HTTP = Speech(
    _http_requests,
    {
        Fault.FAILS: _http("500 Internal Server Error", b'{"error": "no memory"}'),
        Fault.LIMITS: _http("429 Too Many Requests", b'{"error": "later"}', extra=b"Retry-After: 600\r\n"),
        Fault.NOISE: _NOISE,
        Fault.PAGE: _http("200 OK", _PAGE, b"text/html"),
        Fault.HALF: _http("200 OK", b'{"took": 3, "respon'),
    },
)
RESP = Speech(
    lambda read: len(re.findall(rb"(?:^|\r\n)\*\d+\r\n", read)),
    {
        Fault.FAILS: b"-LOADING Valkey is loading the dataset in memory\r\n",
        Fault.LIMITS: b"-ERR max number of clients reached\r\n",
        Fault.NOISE: _NOISE,
        Fault.PAGE: _http("200 OK", _PAGE, b"text/html"),
        Fault.HALF: b"$1000\r\nhalf of it",
    },
)


class FaultProxy:
    """Use as a context manager; `port` is where clients go, `fault` may be changed at any time."""

    def __init__(self, upstream: str, speech: Speech) -> None:
        self._upstream = urlsplit(upstream)
        self._speech = speech
        self._fault = Fault.NONE
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        self._do(self._listen())
        return self

    def __exit__(self, *_: object) -> None:
        self._do(self._close())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def fault(self) -> Fault:
        return self._fault

    @fault.setter
    def fault(self, fault: Fault) -> None:
        """A server that goes down hangs up; one that only fails keeps its connections."""
        was, self._fault = self._fault, fault
        if fault is Fault.DOWN:
            self._do(self._close())
        elif was is Fault.DOWN:
            self._do(self._listen())

    def _do(self, work: Coroutine[Any, Any, None]) -> None:
        asyncio.run_coroutine_threadsafe(work, self._loop).result(10)

    async def _listen(self) -> None:
        listener = socket.create_server(("127.0.0.1", self.port), backlog=128)
        self.port = listener.getsockname()[1]
        self._server = await asyncio.start_server(self._serve, sock=listener)

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            with suppress(ConnectionError, asyncio.CancelledError):
                await self._connected(reader, writer)
        finally:
            self._connections.discard(task)
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        answers, requests = await self._dial()
        back = asyncio.create_task(self._pump_back(answers, writer))
        read = b""
        try:
            while data := await reader.read(_AT_ONCE):
                if self._fault in self._speech.replies:
                    read += data
                    if count := self._speech.whole(read):
                        writer.write(self._speech.replies[self._fault] * count)
                        read = b""
                elif self._fault is not Fault.HANGS:
                    requests.write(data)
        finally:
            back.cancel()
            requests.transport.abort()

    async def _dial(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        url = self._upstream
        if url.scheme == "unix":
            return await asyncio.open_unix_connection(url.path)
        return await asyncio.open_connection(url.hostname, url.port)

    async def _pump_back(self, answers: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await answers.read(_AT_ONCE):
            if self._fault is Fault.LATE:
                await asyncio.sleep(_LATE_SECONDS)
            if self._fault is Fault.DROPS:
                await self._drip(data, writer)
            else:
                writer.write(data)
        writer.close()

    async def _drip(self, data: bytes, writer: asyncio.StreamWriter) -> None:
        """What is before an HTTP body goes at once."""
        at_once = data.find(b"\r\n\r\n") + 4 if data.startswith(b"HTTP/") else 0
        writer.write(data[:at_once])
        for byte in data[at_once:]:
            await asyncio.sleep(_DROP_SECONDS)
            writer.write(bytes([byte]))
