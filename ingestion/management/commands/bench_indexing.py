"""Measure indexing with vectors given: the whole ingestion beside a bare `_bulk` loop of the same chunks."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bench.given_vectors import given_vectors, store_for_chunks, titled
from bench.peers import rounds
from bench.workers import Workers, worker_commands
from embedded.command import ServicesCommand, service_urls
from embedded.programs import DEFAULT_WORKERS
from ingestion import indexes, jobs
from ingestion.parsers.media_types import TEXT
from ingestion.services import judged_sets, throwaway
from search import index
from search.embeddings import Vectors
from search.embeddings.onnx import OnnxEmbedder
from search.evaluation.datasets import Passage, read_passages
from search.evaluation.latency import timed
from search.models import Tenant
from search.records import ChunkRecord, DocumentFields


class Command(ServicesCommand):
    help = "Indexing with vectors given: accepted, parsed, cut, indexed and live, beside a bare _bulk loop."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("passages", type=Path, metavar="FILE", help="JSON Lines, plain or .zst")
        parser.add_argument("--count", type=int, default=5000, metavar="N", help="passages in all")
        parser.add_argument(
            "--rounds", type=int, default=5, help="after one more that only warms models and engine"
        )
        parser.add_argument("--workers", type=int, default=DEFAULT_WORKERS, metavar="N")

    def handle(self, *args: Any, **options: Any) -> None:
        count, turns = options["count"], options["rounds"]
        embedder = OnnxEmbedder(threads=0)
        self.stderr.write(f"{count} vectors by {embedder.variant}: embedded unless they are kept")
        given = np.load(given_vectors(options["passages"], count, embedder))
        passages, rows = _of_one_chunk(options["passages"], given, embedder)
        edges = [len(passages) * turn // (turns + 1) for turn in range(turns + 2)]
        rates: dict[str, list[float]] = {"ragsite": [], "bare_bulk": []}
        with _two_tenants() as (tenant, bare), _workers(options["workers"]) as workers:

            def ingest(part: list[Passage], vectors: Vectors, first: int) -> float:
                return _ingest(tenant, part, vectors, workers)

            def bulk(part: list[Passage], vectors: Vectors, first: int) -> float:
                return _bulk(bare, part, vectors, first)

            systems = {"ragsite": ingest, "bare_bulk": bulk}
            for turn in range(turns + 1):
                part = slice(edges[turn], edges[turn + 1])
                for name in sorted(systems, reverse=turn % 2 == 0):  # another one begins each round
                    seconds = systems[name](passages[part], rows[part], edges[turn])
                    rate = len(passages[part]) / seconds
                    self.stderr.write(f"{name}: {rate:.0f} chunks a second")
                    if turn:
                        rates[name].append(rate)
        figures: dict[str, Any] = {
            "chunks": len(passages) - edges[1],
            "chunks_per_second": {name: rounds.spread(found) for name, found in rates.items()},
            "of_bare_bulk": rounds.ratios(rates["ragsite"], rates["bare_bulk"]),
            "settings": {
                "claim_tasks": settings.INGESTION_CLAIM_TASKS,
                "bulk_chunks": settings.INGESTION_BULK_CHUNKS,
                "rounds": turns,
                "workers": options["workers"],
                "cores": os.cpu_count(),
            },
        }
        for name, found in figures["chunks_per_second"].items():
            self.stdout.write(f"{name:<10} {found}")
        self.stdout.write(f"of bare    {figures['of_bare_bulk']}")
        self.write_json(figures, options["json"])


@contextmanager
def _two_tenants() -> Iterator[tuple[Tenant, Tenant]]:
    with throwaway.throwaway_tenant("bench-indexing") as one, throwaway.throwaway_tenant("bench-bulk") as two:
        for tenant in (one, two):
            indexes.writable(tenant)
        yield one, two


def _of_one_chunk(corpus: Path, given: Vectors, embedder: OnnxEmbedder) -> tuple[list[Passage], Vectors]:
    """The passages that Ragsite makes one chunk of, so that both sides write the same."""
    passages = list(islice(read_passages(corpus), len(given)))
    if len(passages) < len(given):
        raise CommandError(f"{corpus} has {len(passages)} passages.")
    counts = embedder.count_tokens([titled(passage) for passage in passages])
    kept = [position for position, tokens in enumerate(counts) if tokens < embedder.max_tokens]
    return [passages[position] for position in kept], given[kept]


@contextmanager
def _workers(count: int) -> Iterator[Workers]:
    """As `make up` runs them."""
    jobs.parser()  # this process cuts the texts as well, to know whose vectors are asked for
    urls = service_urls()
    workers = Workers(worker_commands(count, urls))
    try:
        with workers.running():
            yield workers
    finally:
        jobs.close_parser()


def _ingest(tenant: Tenant, passages: list[Passage], rows: Vectors, workers: Workers) -> float:
    """Seconds in which this process accepts the passages while workers make them searchable."""
    store_for_chunks(tenant, passages, rows)

    def loop() -> None:
        refused = list(
            judged_sets.accept(tenant, iter(passages), needs_title=False, progress=lambda _text: None)
        )
        throwaway.wait(tenant, check=workers.check)
        if missing := [*refused, *throwaway.failures(tenant)]:
            raise CommandError(f"Ragsite did not take {len(missing)} passages: {missing[0]}")

    return timed(loop)


def _bulk(tenant: Tenant, passages: list[Passage], rows: Vectors, first: int) -> float:
    """Seconds. The bodies are made beforehand; encoding and sending are in."""
    ids = range(first + 1, first + 1 + len(passages))
    chunks = [
        ChunkRecord(number, 1, 0, passage.text or passage.title, (), None, vector)
        for number, passage, vector in zip(ids, passages, rows, strict=True)
    ]
    fields = {number: _fields(tenant, passage) for number, passage in zip(ids, passages, strict=True)}
    [version] = indexes.writable(tenant)
    operations = list(index.index_operations(chunks, fields))

    def loop() -> None:
        if errors := index.bulk(version.name, operations):
            raise CommandError(f"OpenSearch refuses a chunk: {errors[0].reason}")
        index.refresh(version.name)

    return timed(loop)


def _fields(tenant: Tenant, passage: Passage) -> DocumentFields:
    return DocumentFields(
        tenant_uuid=tenant.uuid,
        public_id=passage.id,
        title=passage.title[:500],
        url="",
        source="",
        media_type=TEXT,
        language="en",
        access=None,
        published_at=None,
        visible_from=None,
        expires_at=None,
        metadata={},
    )
