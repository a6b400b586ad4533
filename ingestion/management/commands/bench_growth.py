"""Measure a corpus as it grows: the API beside the engine and the vector leg beside exact search at each size, then
searches while other documents are ingested, and how soon a document is found."""

import threading
import time
from argparse import ArgumentTypeError
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import psutil
from django.conf import settings
from django.core.management.base import CommandError, CommandParser
from django.db import close_old_connections

from bench.growing import MOST_VIEWS, Corpus, recall
from bench.searching import CACHED, RAW, ApiClient, Bench
from bench.workers import Workers, worker_commands
from embedded.command import ServicesCommand, service_urls
from embedded.measured import web_server
from embedded.programs import DEFAULT_WORKERS
from ingestion import jobs
from ingestion.models import IngestionTask
from ingestion.parsers.media_types import TEXT
from ingestion.services import documents, throwaway
from ingestion.services.documents import Content, DocumentFieldsInput, Incoming
from search.authentication import create_key
from search.embeddings import get_embedder
from search.evaluation import queries
from search.evaluation.datasets import Passage, read_passages
from search.evaluation.latency import latency, percentile, timed
from search.evaluation.raw import RawEngine, raw_search
from search.models import Tenant
from search.types import Principal

_SEED = 40
_WARM_UP = 300
_ASKED_EXACTLY = 200
_LEAST_PASSAGES = 2000
_FEW = MOST_VIEWS // 100  # a filter that one document in a hundred passes
_TURNS = 3
_POLL_SECONDS = 0.02
_WATCH_SECONDS = 0.2
_MOST_SECONDS = 60.0


class Command(ServicesCommand):
    help = (
        "Grow a corpus of given vectors: what the API adds at each size, recall@10, searches while ingesting."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("passages", type=Path, metavar="FILE", help="JSON Lines, plain or .zst")
        parser.add_argument("--sizes", type=_sizes, default=(10_000, 73_549), metavar="N,N", help="passages")
        parser.add_argument(
            "--requests", type=int, default=300, metavar="N", help="searches a size (default: 300)"
        )
        parser.add_argument(
            "--feed", type=int, default=1000, metavar="N", help="documents embedded in a turn of searching"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        jobs.parser()
        try:
            with throwaway.throwaway_tenant("bench-growth") as tenant, _workers() as workers:
                figures = self._measured(tenant, workers, options)
        except KeyboardInterrupt as interrupt:
            raise CommandError("Interrupted; what was made for the measurement is gone.") from interrupt
        finally:
            jobs.close_parser()
        self._print(figures)
        self.write_json(figures, options["json"])

    def _measured(self, tenant: Tenant, workers: Workers, options: dict[str, Any]) -> dict[str, Any]:
        sizes, path = options["sizes"], options["passages"]
        corpus = Corpus(tenant, path, sizes[-1], workers, self._say)
        texts = _queries(path, sizes[-1], _WARM_UP + options["requests"])
        secret = create_key(tenant, name="bench_growth", scopes=["search"], groups=[]).secret
        found: dict[str, Any] = {}
        with _server() as (url, server):
            api = ApiClient(url, secret, 1)
            for size in sizes:
                corpus.grow(size)
                found[str(size)] = self._at_size(corpus, api, server, texts)
            ingesting = self._while_ingesting(corpus, api, texts[_WARM_UP:], options["feed"])
            seen = _seconds_until_found(tenant, api)
        return {
            "sizes": found,
            "while_ingesting": ingesting,
            "searchable_after_commit": seen,
            "degraded": api.degraded,
            "settings": {
                "embedder": get_embedder().variant,
                "requests": options["requests"],
                "asked_exactly": _ASKED_EXACTLY,
                "cores": psutil.cpu_count(),
                "workers": len(workers.commands),
            },
        }

    def _at_size(
        self, corpus: Corpus, api: ApiClient, server: psutil.Process, texts: list[str]
    ) -> dict[str, Any]:
        self._say(f"{corpus.loaded} passages: searches through the API and beside it")
        raw = raw_search(Principal(corpus.tenant.pk, corpus.tenant.uuid), RawEngine())
        embedder = get_embedder()
        bench = Bench(api, raw, server, {text: embedder.embed_query(text) for text in texts})
        bench.one_by_one(texts[:_WARM_UP])
        times = bench.one_by_one(texts[_WARM_UP:])
        self._say("the vector leg beside exact search")
        asked = texts[_WARM_UP:][:_ASKED_EXACTLY]
        return {
            "one_by_one": times,
            "added_by_api_p50_ms": round(times[CACHED]["p50_ms"] - times[RAW]["p50_ms"], 3),
            "recall@10": recall(corpus, api, asked),
            "recall@10_of_one_in_a_hundred": recall(corpus, api, asked, below=_FEW),
        }

    def _while_ingesting(
        self, corpus: Corpus, api: ApiClient, texts: Sequence[str], feed: int
    ) -> dict[str, Any]:
        """Turns of searching idle and while the workers embed; queries' vectors are in the cache on both sides."""
        idle: list[float] = []
        busy: list[float] = []
        ratios: list[float] = []
        for turn in range(_TURNS):
            self._say(f"turn {turn + 1} of {_TURNS}: idle, then while {feed} documents are embedded")
            calm = [_asked(api, f"{text} {turn}") for text in texts]
            passages = list(islice(read_passages(corpus.path), turn * feed, (turn + 1) * feed))
            with _feeding(corpus, passages, turn) as going:
                rows = [_asked(api, f"{text} {turn} again") for text in texts if going()]
            if len(rows) < len(texts) / 4:
                raise CommandError(f"Ingestion ended after {len(rows)} searches; --feed more documents.")
            idle, busy = idle + calm, busy + rows
            ratios.append(round(percentile(rows, 0.95) / percentile(calm, 0.95), 2))
        return {
            "idle": asdict(latency(idle)),
            "ingesting": asdict(latency(busy)),
            "p95_ratio_by_turn": ratios,
        }

    def _say(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()

    def _print(self, figures: dict[str, Any]) -> None:
        row = "{:>9} {:>12} {:>12} {:>10} {:>10} {:>12}"
        self.stdout.write(
            row.format("passages", "API p50 ms", "raw p50 ms", "added", "recall@10", "of 1 in 100")
        )
        for size, found in figures["sizes"].items():
            times = found["one_by_one"]
            api, raw = times[CACHED]["p50_ms"], times[RAW]["p50_ms"]
            recalls = found["recall@10"], found["recall@10_of_one_in_a_hundred"]
            self.stdout.write(row.format(size, api, raw, found["added_by_api_p50_ms"], *recalls))
        ingesting = figures["while_ingesting"]
        p95 = (ingesting[kind]["p95_ms"] for kind in ("idle", "ingesting"))
        self.stdout.write("p95 idle {} ms, while ingesting {} ms".format(*p95))
        self.stdout.write(f"found after its commit: {figures['searchable_after_commit']}")


def _sizes(text: str) -> tuple[int, ...]:
    try:
        sizes = tuple(sorted({int(part) for part in text.split(",")}))
    except ValueError as error:
        raise ArgumentTypeError(f"{text!r} is no list of numbers.") from error
    if sizes[0] < _LEAST_PASSAGES:
        raise ArgumentTypeError(f"A size is at least {_LEAST_PASSAGES}, so that one in a hundred are enough.")
    return sizes


@contextmanager
def _workers() -> Iterator[Workers]:
    workers = Workers(worker_commands(DEFAULT_WORKERS, service_urls()))
    with workers.running():
        yield workers


@contextmanager
def _server() -> Iterator[tuple[str, psutil.Process]]:
    threads, checkout = settings.SEARCH_WEB_POOL_SIZE, Path(settings.BASE_DIR)
    with web_server(threads=threads, checkout=checkout, paths=settings.PATHS, urls=service_urls()) as server:
        yield server


def _queries(path: Path, count: int, wanted: int) -> list[str]:
    texts = dict.fromkeys(
        queries.sentences((passage.text for passage in islice(read_passages(path), count)), seed=_SEED)
    )
    if len(texts) < wanted:
        raise CommandError(f"{len(texts)} different queries are too few: {wanted} are needed.")
    return list(texts)[:: len(texts) // wanted][:wanted]


def _asked(api: ApiClient, text: str) -> float:
    """Seconds of a search whose vector an earlier one has left in the cache; its own answer is in none."""
    api.search(text)
    return timed(lambda: api.search(text, rerank=False))


@contextmanager
def _feeding(corpus: Corpus, passages: list[Passage], turn: int) -> Iterator[Any]:
    """Ingestion of texts that were never embedded; gives whether it still goes on. Its end is waited for."""
    open_tasks = IngestionTask.objects.filter(tenant=corpus.tenant, state__in=IngestionTask.OPEN)
    documents.accept_all(
        corpus.tenant,
        [
            _document(f"fed-{turn}-{number}", f"{passage.text} Noted in turn {turn}.")
            for number, passage in enumerate(passages)
        ],
    )
    going = threading.Event()
    going.set()

    def watch() -> None:
        while open_tasks.exists():
            time.sleep(_WATCH_SECONDS)
        going.clear()
        close_old_connections()

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield going.is_set
    finally:
        throwaway.wait(corpus.tenant, check=corpus.workers.check)
        watcher.join()


def _document(public_id: str, text: str) -> Incoming:
    return Incoming(public_id, DocumentFieldsInput(), Content(text.encode(), TEXT))


def _seconds_until_found(tenant: Tenant, api: ApiClient, *, tries: int = 20) -> dict[str, float]:
    """From a document's commit until a search finds it, the workers having nothing else to do."""
    seconds = []
    for number in range(tries):
        word = f"quokka{number}x{_SEED}"
        documents.accept(tenant, _document(f"seen-{number}", f"The word of this document is {word}."))
        began = time.perf_counter()
        while not api.found(word, mode="lexical"):
            if time.perf_counter() - began > _MOST_SECONDS:
                raise CommandError(f"A document was not found within {_MOST_SECONDS} s.")
            time.sleep(_POLL_SECONDS)
        seconds.append(time.perf_counter() - began)
    return {"p50_seconds": round(median(seconds), 3), "most_seconds": round(max(seconds), 3), "tries": tries}
