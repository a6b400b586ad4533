"""A double of a chat.completions server, for tests and benchmarks: real HTTP on 127.0.0.1, in a thread.

It tells nothing about a model: what it says, and how fast, is scripted. It holds hundreds of streams.
"""

import argparse
import asyncio
import json
import sys
import threading
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Self

Reply = Callable[[dict[str, Any]], str]


def echo(body: dict[str, Any]) -> str:
    """The default reply: obeys nothing, cites the first passage."""
    return "The double has read the passages [1]."


@dataclass(kw_only=True)
class ChatDouble:
    """Use as a context manager; `base_url` is for the openai client. Fields may be changed while it runs."""

    reply: Reply = echo
    seconds_before: float = 0.0
    seconds_per_token: float = 0.0
    paused: bool = False
    break_after_tokens: int | None = None
    finish_reason: str = "stop"
    garbage: str | None = None  # sent in place of a stream's events
    paths: list[str] = field(default_factory=list)
    requests: list[dict[str, Any]] = field(default_factory=list)
    lost_clients: int = 0
    open_streams: int = 0

    def __post_init__(self) -> None:
        self._failures: list[tuple[int, dict[str, str]]] = []
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self.port = 0

    def __enter__(self) -> Self:
        self._thread.start()
        asyncio.run_coroutine_threadsafe(self._start(), self._loop).result(10)
        return self

    def __exit__(self, *_: object) -> None:
        asyncio.run_coroutine_threadsafe(self._stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self.port}/v1"

    def fail_next(self, status: int, *, times: int = 1, headers: dict[str, str] | None = None) -> None:
        self._failures += [(status, headers or {})] * times

    async def _start(self) -> None:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=1024)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _stop(self) -> None:
        if self._server is not None:
            self._server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while (request := await _read_request(reader)) is not None:
                await self._answer(*request, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            self.lost_clients += 1
        finally:
            writer.close()
            with suppress(ConnectionError):
                await writer.wait_closed()

    async def _answer(self, path: str, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        self.requests.append(body)
        self.paths.append(path)
        await asyncio.sleep(self.seconds_before)
        while self.paused:
            await asyncio.sleep(0.01)
        if self._failures:
            status, headers = self._failures.pop(0)
            _send_json(
                writer, status, {"error": {"message": f"scripted {status}", "type": "double"}}, headers
            )
        elif not path.partition("?")[0].endswith("/chat/completions"):
            _send_json(writer, 404, {"error": {"message": f"no route {path}", "type": "double"}}, {})
        elif body.get("stream"):
            await self._stream(body, writer)
        else:
            text = self.reply(body)
            await asyncio.sleep(self.seconds_per_token * len(_tokens(text)))
            message = {"role": "assistant", "content": text}
            choice = {"index": 0, "message": message, "finish_reason": self.finish_reason}
            _send_json(writer, 200, _completion(body, choices=[choice], usage=_usage(body, text)), {})
        await writer.drain()

    async def _stream(self, body: dict[str, Any], writer: asyncio.StreamWriter) -> None:
        head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
        writer.write(head.encode())
        self.open_streams += 1
        if self.garbage is not None:
            _send_chunk(writer, self.garbage)
        try:
            async for chunk in self._chunks(body):
                if writer.transport.is_closing():
                    raise ConnectionResetError
                _send_chunk(writer, f"data: {json.dumps(chunk)}\n\n")
                await writer.drain()
        finally:
            self.open_streams -= 1
        if self.break_after_tokens is not None:
            raise ConnectionResetError
        _send_chunk(writer, "data: [DONE]\n\n")
        writer.write(b"0\r\n\r\n")

    async def _chunks(self, body: dict[str, Any]) -> AsyncIterator[dict[str, Any]]:
        text = "" if self.garbage is not None else self.reply(body)
        for position, token in enumerate(_tokens(text)):
            if position == self.break_after_tokens:
                return
            yield _delta(body, {"content": token}, None)
            await asyncio.sleep(self.seconds_per_token)
        yield _delta(body, {}, self.finish_reason)
        if (body.get("stream_options") or {}).get("include_usage"):
            yield _completion(body, choices=[], usage=_usage(body, text))


async def _read_request(reader: asyncio.StreamReader) -> tuple[str, dict[str, Any]] | None:
    """(path, JSON body), or None when the client has closed its connection."""
    line = await reader.readline()
    if not line:
        return None
    path = line.decode().split()[1]
    length = 0
    while (header := (await reader.readline()).decode().strip()) != "":
        name, _, value = header.partition(":")
        if name.lower() == "content-length":
            length = int(value)
    return path, json.loads(await reader.readexactly(length))


def _send_json(
    writer: asyncio.StreamWriter, status: int, body: dict[str, Any], headers: dict[str, str]
) -> None:
    raw = json.dumps(body).encode()
    extra = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    head = f"HTTP/1.1 {status} Double\r\nContent-Type: application/json\r\nContent-Length: {len(raw)}\r\n"
    writer.write(f"{head}{extra}\r\n".encode() + raw)


def _send_chunk(writer: asyncio.StreamWriter, text: str) -> None:
    raw = text.encode()
    writer.write(f"{len(raw):x}\r\n".encode() + raw + b"\r\n")


def _tokens(text: str) -> list[str]:
    """Words with the space before them; a marker comes in two tokens, as from a model."""
    words = text.split(" ")
    spaced = [word if position == 0 else f" {word}" for position, word in enumerate(words)]
    return [part for word in spaced for part in _halves(word)]


def _halves(word: str) -> list[str]:
    at = word.find("[") + 1
    return [word[:at], word[at:]] if 0 < at < len(word) else [word]


def _completion(body: dict[str, Any], **fields: Any) -> dict[str, Any]:
    kind = "chat.completion.chunk" if body.get("stream") else "chat.completion"
    return {"id": "double", "object": kind, "created": 0, "model": body.get("model", "double"), **fields}


def _delta(body: dict[str, Any], delta: dict[str, Any], finish_reason: str | None) -> dict[str, Any]:
    return _completion(body, choices=[{"index": 0, "delta": delta, "finish_reason": finish_reason}])


def _usage(body: dict[str, Any], text: str) -> dict[str, int]:
    read = sum(len(str(message["content"]).split()) for message in body["messages"])
    written = len(_tokens(text))
    return {"prompt_tokens": read, "completion_tokens": written, "total_tokens": read + written}


def main() -> None:
    """Runs until standard input is closed; the base URL is the only line that it prints."""
    parser = argparse.ArgumentParser(description="A double of a chat.completions server.")
    parser.add_argument("--seconds", type=float, default=10.0, help="that a stream takes")
    parser.add_argument("--tokens", type=int, default=100, help="of an answer")
    options = parser.parse_args()
    words = ["word"] * options.tokens
    pause = options.seconds / max(1, options.tokens)
    with ChatDouble(reply=lambda body: " ".join(words), seconds_per_token=pause) as double:
        sys.stdout.write(double.base_url + "\n")
        sys.stdout.flush()
        sys.stdin.read()


if __name__ == "__main__":
    main()
