"""Measure Ragsite beside what people would pick instead, in interleaved rounds on one machine and one OpenSearch.

The peers run in a virtual environment of their own (`make peers` builds it) and behind HTTP, as Ragsite does.
"""

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import numpy as np
import orjson
import psutil
import urllib3
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bench.given_vectors import given_vectors, store_for_chunks
from bench.peers import remote, rounds
from bench.workers import Workers, worker_commands
from embedded.command import ServicesCommand, service_urls
from embedded.measured import listening, web_server
from embedded.programs import DEFAULT_WORKERS
from ingestion.services import judged_sets, throwaway
from search.authentication import create_key
from search.embeddings import get_embedder
from search.embeddings.onnx import OnnxEmbedder
from search.evaluation import measures, queries
from search.evaluation.datasets import JudgedSet, Passage, read_passages, read_set
from search.evaluation.latency import throughput, timed
from search.models import Tenant

_WITHIN = 0.01  # of the best nDCG: a speed counts only there
_FORMS = ("embedded", "cached")
_WARM_UP = 20
_SEED = 21


class System(Protocol):
    """A system under measurement: Ragsite, or a peer's server."""

    name: str
    process: psutil.Process
    uses_opensearch: bool

    def load(self, passages: Path, first: int, last: int, vectors: Path | None) -> float: ...
    def finish(self) -> float: ...
    def keep_vectors(self, queries: list[str]) -> None: ...
    def search(self, query: str, *, cached: bool) -> list[str]: ...


@dataclass
class Ragsite:
    """Its own workers and its own web server, as `make up` runs them."""

    tenant: Tenant
    workers: Workers
    url: str
    secret: str
    process: psutil.Process
    connections: int
    name: str = "ragsite"
    uses_opensearch: bool = True
    _pool: urllib3.PoolManager = field(init=False)

    def __post_init__(self) -> None:
        headers = {"authorization": f"Bearer {self.secret}", "content-type": "application/json"}
        self._pool = urllib3.PoolManager(maxsize=self.connections, headers=headers)

    def load(self, passages: Path, first: int, last: int, vectors: Path | None) -> float:
        """Accepted, embedded unless the vector is stored, indexed, live: all that a document goes through."""
        part = list(_part(passages, first, last))
        if vectors is not None:
            store_for_chunks(self.tenant, part, np.load(vectors, mmap_mode="r")[first:last])
        return timed(lambda: self._ingest(part))

    def _ingest(self, part: list[Passage]) -> None:
        refused = list(judged_sets.accept(self.tenant, iter(part), needs_title=False, progress=_nothing))
        throwaway.wait(self.tenant, check=self.workers.check)
        if missing := [*refused, *throwaway.failures(self.tenant)]:
            raise CommandError(f"Ragsite did not take {len(missing)} passages: {missing[0]}")

    def finish(self) -> float:
        return 0.0

    def keep_vectors(self, queries: list[str]) -> None:
        """The searches that embedded them, just before, have kept them."""

    def search(self, query: str, *, cached: bool) -> list[str]:
        """`rerank` off or not said are two forms of a question: the response cache answers neither of the two."""
        return self._ask(query, rerank=False if cached else None)

    def _ask(self, query: str, *, rerank: bool | None) -> list[str]:
        asked = {"query": query, "mode": "hybrid", "top_k": 10}
        body = orjson.dumps(asked if rerank is None else asked | {"rerank": rerank})
        answer = self._pool.request("POST", f"{self.url}/api/v1/search", body=body, retries=False)
        decoded = orjson.loads(answer.data)
        if answer.status != 200 or decoded["degraded"] or decoded.get("cache") == "response":
            raise CommandError(f"Ragsite answered {answer.status}: {answer.data[:300]!r}")
        return [hit["document"]["id"] for hit in decoded["hits"]]


class Command(ServicesCommand):
    help = "Measure Ragsite beside its peers: ingestion, search, processor time, memory, nDCG@10."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("passages", type=Path, metavar="FILE", help="JSON Lines, plain or .zst")
        parser.add_argument("--count", type=int, default=10_000, metavar="N", help="passages of the corpus")
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--requests", type=int, default=60, help="a block (default: 60)")
        parser.add_argument("--embed", type=int, default=200, help="passages a round embedded by each system")
        parser.add_argument("--clients", type=_numbers, default=(1, 4, 8), metavar="1,4,8")
        parser.add_argument("--judged", type=Path, nargs="*", default=(), metavar="DIR")
        parser.add_argument("--peers", type=lambda text: tuple(text.split(",")), default=remote.NAMES)
        parser.add_argument("--python", type=Path, default=Path(".venv-peers/bin/python"), metavar="FILE")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["python"].exists():
            raise CommandError(f"{options['python']} is not there: build it with `make peers`.")
        figures: dict[str, Any] = {"settings": _settings(options)}
        try:
            if options["judged"]:
                figures["ndcg@10"] = self._judged(options)
                means = {name: values["mean"] for name, values in figures["ndcg@10"].items()}
                figures["near_best"] = rounds.near_best(means, within=_WITHIN)
                self.write_json(figures, options["json"])
            figures |= self._measured(options)
        except KeyboardInterrupt as interrupt:
            raise CommandError("Interrupted; what was made for the measurement is gone.") from interrupt
        self._print(figures)
        self.write_json(figures, options["json"])

    @contextmanager
    def _systems(self, options: dict[str, Any]) -> Iterator[list[System]]:
        clients = max(options["clients"])
        with ExitStack() as stack:
            systems: list[System] = [stack.enter_context(_ragsite(clients))]
            for name in options["peers"]:
                self._say(f"starting {name}")
                peer = remote.running(
                    name,
                    python=options["python"].absolute(),
                    checkout=Path(settings.BASE_DIR),
                    opensearch_url=settings.OPENSEARCH_URL,
                    logs=settings.PATHS.logs,
                    connections=clients,
                )
                systems.append(stack.enter_context(peer))
            yield systems

    def _judged(self, options: dict[str, Any]) -> dict[str, dict[str, float]]:
        """nDCG@10 by system and set, each set in stores of its own; vectors of the fp32 model for the peers."""
        found: dict[str, dict[str, float]] = {}
        for folder in options["judged"]:
            judged = read_set(folder)
            corpus = folder / "corpus.jsonl"
            count = sum(1 for _ in read_passages(corpus))
            given = self._vectors(corpus, count, OnnxEmbedder(precision="fp32", threads=0))
            with self._systems(options) as systems:
                for system in systems:
                    self._say(f"{judged.name}: {system.name}")
                    system.load(corpus, 0, count, None if isinstance(system, Ragsite) else given)
                    system.finish()
                    found.setdefault(system.name, {})[judged.name] = _ndcg(system, judged)
        return {
            name: values | {"mean": round(measures.mean(list(values.values())), 4)}
            for name, values in found.items()
        }

    def _measured(self, options: dict[str, Any]) -> dict[str, Any]:
        """Load the corpus in slices, then embed, then search; in each round every system takes its turn."""
        corpus, count, turns = options["passages"], options["count"], options["rounds"]
        needed = count + turns * options["embed"]
        if sum(1 for _ in islice(read_passages(corpus), needed)) < needed:
            raise CommandError(f"{corpus} has fewer than {needed} passages.")
        given = self._vectors(corpus, count, OnnxEmbedder(threads=0))
        texts = _queries(corpus, count, (turns * len(options["clients"]) + 1) * options["requests"])
        with self._systems(options) as systems:
            figures: dict[str, Any] = {"indexing_given_vectors": self._load(systems, corpus, given, options)}
            figures["ingestion"] = self._embed(systems, corpus, options)
            figures["memory_bytes"] = {system.name: _tree_bytes(system.process) for system in systems}
            figures["memory_bytes"]["ragsite_workers"] = sum(
                _tree_bytes(psutil.Process(process.pid))
                for system in systems
                if isinstance(system, Ragsite)
                for process in system.workers.processes
            )
            figures["memory_bytes"]["opensearch"] = _tree_bytes(_engine())
            figures["search"] = self._search(systems, texts, options)
        return figures

    def _load(
        self, systems: list[System], corpus: Path, given: Path, options: dict[str, Any]
    ) -> dict[str, Any]:
        turns, count = options["rounds"], options["count"]
        edges = [count * turn // turns for turn in range(turns + 1)]
        rates: dict[str, list[float]] = {}
        for turn in range(turns):
            for system in _in_turn(systems, turn):
                size = edges[turn + 1] - edges[turn]
                seconds = system.load(corpus, edges[turn], edges[turn + 1], given)
                rates.setdefault(system.name, []).append(size / seconds)
                self._say(f"{system.name}: {size} passages with their vectors, {size / seconds:.0f} a second")
        finishing = {system.name: round(system.finish(), 2) for system in systems}
        return _compared(rates) | {"finish_seconds": finishing}

    def _embed(self, systems: list[System], corpus: Path, options: dict[str, Any]) -> dict[str, Any]:
        rates: dict[str, list[float]] = {}
        for turn in range(options["rounds"]):
            first = options["count"] + turn * options["embed"]
            for system in _in_turn(systems, turn):
                seconds = system.load(corpus, first, first + options["embed"], None)
                rates.setdefault(system.name, []).append(options["embed"] / seconds)
                self._say(f"{system.name}: embeds {options['embed'] / seconds:.1f} passages a second")
        for system in systems:
            system.finish()
        return _compared(rates)

    def _search(self, systems: list[System], texts: list[str], options: dict[str, Any]) -> dict[str, Any]:
        size = options["requests"]
        for system in systems:
            for text in texts[:_WARM_UP]:
                system.search(text, cached=False)
        blocks: dict[tuple[str, int, str], list[rounds.Block]] = {}
        parts = (texts[start : start + size] for start in range(size, len(texts), size))
        for turn in range(options["rounds"]):
            for clients in options["clients"]:
                part = next(parts)
                for system in _in_turn(systems, turn):
                    for form in _FORMS:
                        block = _block(system, part, cached=form == "cached", clients=clients)
                        blocks.setdefault((form, clients, system.name), []).append(block)
            self._say(f"round {turn + 1} of {options['rounds']} of searches done")
        return _by_form(blocks)

    def _vectors(self, corpus: Path, count: int, embedder: OnnxEmbedder) -> Path:
        self._say(f"{count} vectors of {corpus.name} by {embedder.variant}: embedded unless they are kept")
        return given_vectors(corpus, count, embedder)

    def _say(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()

    def _print(self, figures: dict[str, Any]) -> None:
        self.stdout.write(orjson.dumps(figures, option=orjson.OPT_INDENT_2).decode())


@contextmanager
def _ragsite(connections: int) -> Iterator[Ragsite]:
    get_embedder()  # exports the model, if that was never done
    urls = service_urls()
    workers = Workers(worker_commands(DEFAULT_WORKERS, urls))
    server = web_server(
        threads=settings.SEARCH_WEB_POOL_SIZE,
        checkout=Path(settings.BASE_DIR),
        paths=settings.PATHS,
        urls=urls,
    )
    with (
        throwaway.throwaway_tenant("bench-peers") as tenant,
        workers.running(),
        server as (url, process),
    ):
        key = create_key(tenant, name="bench_peers", scopes=["search"], groups=[])
        yield Ragsite(tenant, workers, url, key.secret, process, connections)


def _block(system: System, texts: list[str], *, cached: bool, clients: int) -> rounds.Block:
    if cached:
        system.keep_vectors(texts)
    engine = _engine() if system.uses_opensearch else None
    before = _tree_cpu(system.process), _tree_cpu(engine)
    measured = throughput(
        lambda number: system.search(texts[number], cached=cached), requests=len(texts), clients=clients
    )
    return rounds.Block(
        requests=len(texts),
        requests_per_second=measured.requests_per_second,
        p50_ms=measured.latency.p50_ms,
        p95_ms=measured.latency.p95_ms,
        own_cpu_seconds=_tree_cpu(system.process) - before[0],
        engine_cpu_seconds=_tree_cpu(engine) - before[1],
    )


def _by_form(blocks: dict[tuple[str, int, str], list[rounds.Block]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for (form, clients, name), rows in blocks.items():
        table = found.setdefault(form, {}).setdefault(str(clients), {})
        own = blocks[form, clients, "ragsite"]
        faster = rounds.ratios(
            [row.requests_per_second for row in own], [row.requests_per_second for row in rows]
        )
        sooner = rounds.ratios([row.p50_ms for row in rows], [row.p50_ms for row in own])
        table[name] = rounds.summary(rows) | {"ragsite_requests_ratio": faster, "ragsite_p50_ratio": sooner}
    return found


def _compared(rates: dict[str, list[float]]) -> dict[str, Any]:
    return {
        name: {
            "passages_per_second": rounds.spread(values),
            "ragsite_ratio": rounds.ratios(rates["ragsite"], values),
        }
        for name, values in rates.items()
    }


def _ndcg(system: System, judged: JudgedSet) -> float:
    values = [
        measures.ndcg(
            list(dict.fromkeys(system.search(query.text, cached=False))), judged.qrels[query.id], at=10
        )
        for query in judged.queries
    ]
    return round(measures.mean(values), 4)


def _in_turn(systems: list[System], turn: int) -> list[System]:
    """Another one begins each round."""
    start = turn % len(systems)
    return [*systems[start:], *systems[:start]]


def _queries(corpus: Path, count: int, wanted: int) -> list[str]:
    """Sentences of passages all over the corpus, of as many words as people type."""
    texts = [passage.text for passage in islice(read_passages(corpus), count)]
    step = max(1, len(texts) // (3 * wanted))
    found = list(dict.fromkeys(queries.sentences(texts[::step], seed=_SEED)))[:wanted]
    if len(found) < wanted:
        raise CommandError(f"The corpus gives {len(found)} different queries where {wanted} are needed.")
    return found


def _part(passages: Path, first: int, last: int) -> Iterator[Passage]:
    return islice(read_passages(passages), first, last)


def _engine() -> psutil.Process:
    """The process that listens on OpenSearch's port of this machine."""
    if engine := listening(urlsplit(settings.OPENSEARCH_URL).port):
        return engine
    raise CommandError("OpenSearch must run on this machine, so that its processor time can be read.")


def _tree(process: psutil.Process) -> list[psutil.Process]:
    return [process, *process.children(recursive=True)]


def _tree_cpu(process: psutil.Process | None) -> float:
    times = [each.cpu_times() for each in _tree(process)] if process else []
    return sum((float(time.user + time.system) for time in times), 0.0)


def _tree_bytes(process: psutil.Process) -> int:
    return sum(each.memory_info().rss for each in _tree(process))


def _settings(options: dict[str, Any]) -> dict[str, Any]:
    names = ("count", "rounds", "requests", "embed", "clients", "peers")
    return {name: options[name] for name in names} | {
        "cores": os.cpu_count(),
        "embedder": get_embedder().variant,
        "corpus": options["passages"].name,
    }


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def _nothing(_: str) -> None:
    """No progress is printed while a clock runs."""
