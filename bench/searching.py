"""Searches through the API beside the same bodies straight to the engine: one by one, by stage, from many clients."""

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from time import perf_counter
from typing import Any

import orjson
import psutil
import urllib3
from django.core.management.base import CommandError

from embedded.measured import cpu_seconds
from search.evaluation.latency import Throughput, latency, throughput, timed
from search.evaluation.raw import RawSearch

BLOCKS = 4  # the kinds take turns, so that a busy moment of the machine meets all of them
API, CACHED, REPEATED, RAW = "api", "api_vector_cached", "api_response_cached", "opensearch"


@dataclass
class ApiClient:
    """The search endpoint over kept connections; `degraded` counts answers that left something out."""

    url: str
    secret: str
    connections: int
    degraded: int = field(default=0, init=False)

    def __post_init__(self) -> None:
        headers = {"authorization": f"Bearer {self.secret}", "content-type": "application/json"}
        self._pool = urllib3.PoolManager(maxsize=self.connections, headers=headers)

    def search(self, text: str, **options: Any) -> dict[str, float]:
        """The stages of the answer, in milliseconds."""
        return dict(self._answer(text, options)["timings"])

    def found(self, text: str, **options: Any) -> list[str]:
        """The documents' ids, the best first."""
        return [hit["document"]["id"] for hit in self._answer(text, options)["hits"]]

    def _answer(self, text: str, options: dict[str, Any]) -> dict[str, Any]:
        body = orjson.dumps({"query": text, "mode": "hybrid", "top_k": 10, **options})
        answer = self._pool.request("POST", f"{self.url}/api/v1/search", body=body, retries=False)
        if answer.status != 200:
            raise CommandError(f"The API answered {answer.status}: {answer.data[:300]!r}")
        decoded: dict[str, Any] = orjson.loads(answer.data)
        self.degraded += bool(decoded["degraded"])
        return decoded


@dataclass(frozen=True)
class Bench:
    """What is asked, and of whom. A text's first request to the API embeds it, the next finds its vector cached.

    The response cache answers only what was asked in the same form: `rerank` off, or not said, tells two forms apart.
    """

    api: ApiClient
    raw: RawSearch
    server: psutil.Process
    vectors: dict[str, Any]

    def kinds(self, text: str) -> dict[str, Any]:
        return {
            API: lambda: self.api.search(text),
            CACHED: lambda: self.api.search(text, rerank=False),
            REPEATED: lambda: self.api.search(text, rerank=False),
            RAW: lambda: self.raw(text, self.vectors[text]),
        }

    def one_by_one(self, texts: list[str]) -> dict[str, Any]:
        seconds: dict[str, list[float]] = {API: [], CACHED: [], REPEATED: [], RAW: []}
        for number, text in enumerate(texts):
            order = (RAW, API, CACHED, REPEATED) if number % 2 else (API, CACHED, REPEATED, RAW)
            kinds = self.kinds(text)
            for kind in order:
                seconds[kind].append(timed(kinds[kind]))
        return {kind: asdict(latency(values)) for kind, values in seconds.items()}

    def stages(self, texts: list[str], embed: Callable[[str], Any]) -> dict[str, dict[str, float]]:
        """Each stage's time in the API's answers (p50) beside what only its work takes, without Ragsite: its floor."""
        stages: dict[str, list[float]] = {}
        floors: dict[str, list[float]] = {}
        for text in texts:
            vector, asked = self.vectors[text], perf_counter()
            for stage, spent in self.api.search(text).items():
                stages.setdefault(stage, []).append(spent / 1000)
            stages.setdefault("request", []).append(perf_counter() - asked)
            floors.setdefault("embed", []).append(timed(lambda text=text: embed(text)))  # type: ignore[misc]
            began = perf_counter()
            chunk_ids = self.raw.candidates(text, vector)
            between = perf_counter()
            self.raw.page(text, vector, chunk_ids)
            floors.setdefault("retrieve", []).append(between - began)
            floors.setdefault("page", []).append(perf_counter() - between)
        return {
            stage: {"p50_ms": latency(values).p50_ms}
            | ({"floor_p50_ms": latency(floors[stage]).p50_ms} if stage in floors else {})
            for stage, values in stages.items()
        }

    def at_once(self, texts: list[str], *, clients: int) -> dict[str, Any]:
        """Requests a second of `clients` clients, and the server's CPU time a request."""
        found: dict[str, list[tuple[Throughput, float]]] = {API: [], CACHED: [], RAW: []}
        for block in (texts[number::BLOCKS] for number in range(BLOCKS)):
            for kind, rows in found.items():
                rows.append(self._block(kind, block, clients=clients))
        return {kind: _mean(rows, is_api=kind != RAW) for kind, rows in found.items()}

    def _block(self, kind: str, texts: list[str], *, clients: int) -> tuple[Throughput, float]:
        before = cpu_seconds(self.server)
        measured = throughput(lambda n: self.kinds(texts[n])[kind](), requests=len(texts), clients=clients)
        return measured, (cpu_seconds(self.server) - before) / len(texts)


def _mean(rows: list[tuple[Throughput, float]], *, is_api: bool) -> dict[str, float]:
    requests = sum(row.latency.requests for row, _ in rows)
    seconds = sum(row.latency.requests / row.requests_per_second for row, _ in rows)
    figures = {"requests_per_second": round(requests / seconds, 1), "requests": requests}
    figures |= {"p95_ms": max(row.latency.p95_ms for row, _ in rows)}
    if is_api:
        figures["server_cpu_ms"] = round(sum(cpu for _, cpu in rows) / len(rows) * 1000, 2)
    return figures
