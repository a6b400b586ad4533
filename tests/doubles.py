"""Doubles of servers that are not to be had offline: real HTTP on 127.0.0.1, asked through real clients.

A route is a method of OpenAIDouble that takes the request's JSON and a handler to answer with.
"""

import base64
import json
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, ClassVar, Self

import numpy as np

from tests.fakes import FakeEmbedder, words


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: "_Server"

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.double.answer(self, body)

    def send_json(self, status: int, body: dict[str, Any], headers: dict[str, str] | None = None) -> None:
        raw = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(raw)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(raw)

    def log_message(self, *args: Any) -> None:
        """Silent: tests read `requests` instead."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    double: "OpenAIDouble"

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hung up (its time-out is under test) is no error here."""


class OpenAIDouble:
    """Speaks `/v1/embeddings` by FakeEmbedder. Use as a context manager; `base_url` is for the openai client.

    `fail_next` scripts errors, `delay_seconds` makes it slow, `requests` holds what came in.
    """

    routes: ClassVar[dict[str, str]] = {"/v1/embeddings": "embeddings"}

    def __init__(self, *, dimension: int = 32) -> None:
        self.embedder = FakeEmbedder(dimension=dimension, max_tokens=1_000_000)
        self.requests: list[tuple[str, dict[str, Any]]] = []
        self.delay_seconds = 0.0
        self._failures: list[tuple[int, dict[str, str]]] = []
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.double = self
        self._thread = threading.Thread(
            target=self._server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        )

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    @property
    def base_url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}/v1"

    def fail_next(self, status: int, *, times: int = 1, headers: dict[str, str] | None = None) -> None:
        self._failures += [(status, headers or {})] * times

    def answer(self, handler: _Handler, body: dict[str, Any]) -> None:
        self.requests.append((handler.path, body))
        time.sleep(self.delay_seconds)
        if self._failures:
            status, headers = self._failures.pop(0)
            handler.send_json(status, {"error": {"message": f"scripted {status}", "type": "double"}}, headers)
        elif handler.path in self.routes:
            route: Callable[[_Handler, dict[str, Any]], None] = getattr(self, self.routes[handler.path])
            route(handler, body)
        else:
            handler.send_json(404, {"error": {"message": f"no route {handler.path}", "type": "double"}})

    def embeddings(self, handler: _Handler, body: dict[str, Any]) -> None:
        texts: list[str] = body["input"]
        vectors = self.embedder.embed_passages(texts)
        # Backwards, so that a client that ignores `index` is found out.
        rows = [
            {"object": "embedding", "index": index, "embedding": _as_asked(vectors[index], body)}
            for index in reversed(range(len(texts)))
        ]
        tokens = sum(self.embedder.count_tokens(texts))
        usage = {"prompt_tokens": tokens, "total_tokens": tokens}
        handler.send_json(200, {"object": "list", "model": body["model"], "data": rows, "usage": usage})


class RerankDouble(OpenAIDouble):
    """Speaks `/v1/rerank` as Cohere, Jina, TEI and vLLM do, scoring by shared words, best first.

    `scripted` is answered in place of scores.
    """

    routes: ClassVar[dict[str, str]] = {"/v1/rerank": "rerank"}
    scripted: Any = None

    def rerank(self, handler: _Handler, body: dict[str, Any]) -> None:
        if self.scripted is not None:
            handler.send_json(200, self.scripted)
            return
        wanted = set(words(body["query"]))
        results = [
            {"index": index, "relevance_score": len(wanted & set(words(text))) / max(len(wanted), 1)}
            for index, text in enumerate(body["documents"])
        ]
        results.sort(key=lambda result: -result["relevance_score"])
        handler.send_json(200, {"model": body["model"], "results": results[: body["top_n"]]})


def _as_asked(vector: np.ndarray, body: dict[str, Any]) -> list[float] | str:
    if body.get("encoding_format") == "base64":
        return base64.b64encode(vector.astype("<f4").tobytes()).decode()
    return [float(value) for value in vector]
