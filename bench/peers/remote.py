"""The peers as the measurement sees them: servers of their own, in their own virtual environment."""

import os
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import orjson
import psutil
import urllib3

from embedded.exceptions import EmbeddedError
from embedded.measured import started
from embedded.ports import free_port
from embedded.processes import Command, tail

NAMES = ("haystack", "llamaindex", "in-process", "postgres")
_START_SECONDS = 180.0
_LOAD_SECONDS = 3600.0
_POLL_SECONDS = 0.5
_OFFLINE = {"HF_HUB_OFFLINE": "1", "HAYSTACK_TELEMETRY_ENABLED": "False", "DO_NOT_TRACK": "1"}


class RemotePeer:
    """A peer's server. `uses_opensearch` says whose processor time its searches take beside its own."""

    def __init__(self, name: str, url: str, process: psutil.Process, *, connections: int) -> None:
        self.name = name
        self.process = process
        self.uses_opensearch = name in ("haystack", "llamaindex")
        self._url = url
        self._pool = urllib3.PoolManager(maxsize=connections, headers={"content-type": "application/json"})

    def load(self, passages: Path, first: int, last: int, vectors: Path | None) -> float:
        """Seconds that it took to store the passages, with their vectors given or embedded by the peer."""
        body = {"passages": str(passages), "first": first, "last": last}
        return float(self._post("/load", body | {"vectors": str(vectors) if vectors else None})["seconds"])

    def finish(self) -> float:
        return float(self._post("/finish", {})["seconds"])

    def keep_vectors(self, queries: list[str]) -> None:
        """Embed the queries beforehand, as a cache of embeddings would."""
        self._post("/embed", {"queries": queries})

    def search(self, query: str, *, cached: bool, top_k: int = 10) -> list[str]:
        hits = self._post("/search", {"query": query, "cached": cached, "top_k": top_k})["hits"]
        return [hit["id"] for hit in hits]

    def _post(self, path: str, body: dict[str, Any]) -> dict[str, Any]:
        answer = self._pool.request(
            "POST", self._url + path, body=orjson.dumps(body), retries=False, timeout=_LOAD_SECONDS
        )
        if answer.status != 200:
            raise EmbeddedError(f"{self.name} answered {answer.status} to {path}: {answer.data[:300]!r}")
        decoded: dict[str, Any] = orjson.loads(answer.data)
        return decoded


@contextmanager
def running(
    name: str, *, python: Path, checkout: Path, opensearch_url: str, logs: Path, connections: int
) -> Iterator[RemotePeer]:
    """A peer with nothing stored. Raises EmbeddedError with the end of its log when it does not come up."""
    port = free_port()
    options = ("--port", str(port), "--opensearch", opensearch_url, "--index", f"peers-{name}-{port}")
    command = Command(
        f"peer-{name}",
        (str(python), "-m", "bench.peers.serve", name, *options),
        env={**os.environ, **_OFFLINE},
        cwd=checkout,
        log=logs / f"peer-{name}.log",
    )
    with started(command) as process:
        url = f"http://127.0.0.1:{port}"
        deadline = time.monotonic() + _START_SECONDS
        while not _answers(f"{url}/livez"):
            if process.poll() is not None or time.monotonic() > deadline:
                end_of_log = tail(command.log) if command.log else ""
                raise EmbeddedError(f"{name} did not come up. The end of its log:\n{end_of_log}")
            time.sleep(_POLL_SECONDS)
        yield RemotePeer(name, url, psutil.Process(process.pid), connections=connections)


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5) as answer:  # noqa: S310  our own loopback URL
            return bool(answer.status == 200)
    except (urllib.error.URLError, ConnectionError):
        return False
