"""Measure search through real HTTP beside the same bodies sent straight to OpenSearch, interleaved in one run."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bench.searching import BLOCKS, CACHED, RAW, ApiClient, Bench
from embedded.command import ServicesCommand, service_urls
from embedded.measured import web_server
from ingestion import jobs
from ingestion.exceptions import IngestionError
from ingestion.services import judged_sets, throwaway
from ingestion.services.judged_sets import Workers
from search.authentication import create_key
from search.embeddings import get_embedder
from search.evaluation import queries
from search.evaluation.datasets import read_passages, read_set
from search.evaluation.raw import RawEngine, RawSearch, raw_search, sample_passages
from search.exceptions import SearchError
from search.models import Edition, Tenant
from search.types import Principal

SEED = 20
WARM_UP = 400  # searches of each kind: the engine's compiler needs some hundreds until its times are steady
STAGE_SEARCHES = 100


class Command(ServicesCommand):
    help = "Measure search through the API beside the same bodies sent straight to OpenSearch, in one run."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        what = parser.add_mutually_exclusive_group()
        what.add_argument(
            "--passages", type=Path, metavar="FILE", help="JSON Lines, plain or .zst, loaded first"
        )
        what.add_argument("--tenant", metavar="SLUG", help="a tenant that is there, as it is")
        parser.add_argument("--count", type=int, metavar="N", help="load only the first N passages")
        parser.add_argument(
            "--clients", type=int, default=8, metavar="C", help="clients at once (default: 8)"
        )
        parser.add_argument("--requests", type=int, default=300, metavar="N", help="a kind (default: 300)")
        parser.add_argument(
            "--seed",
            type=int,
            default=SEED,
            metavar="N",
            help="draws other queries of a tenant that is there",
        )
        parser.add_argument(
            "--queries", type=Path, metavar="FILE", help="one query a line (default: drawn sentences)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with self._tenant(options) as tenant:
                figures = self._measure(tenant, options)
        except (SearchError, IngestionError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError("Interrupted; what was made for the measurement is gone.") from interrupt
        self._print(figures)
        self.write_json(figures, options["json"])

    @contextmanager
    def _tenant(self, options: dict[str, Any]) -> Iterator[Tenant]:
        """The tenant that was named, or a throw-away one with the passages, or with the sample documents."""
        if options["tenant"]:
            tenant = Tenant.objects.filter(slug=options["tenant"]).first()
            if tenant is None:
                raise CommandError(f"There is no tenant {options['tenant']!r}.")
            yield tenant
            return
        jobs.parser()
        with throwaway.throwaway_tenant("bench-search") as tenant:
            self._load(tenant, options)
            yield tenant

    def _load(self, tenant: Tenant, options: dict[str, Any]) -> None:
        workers = Workers(claim=jobs.run_claim, sync=jobs.run_sync)
        if options["passages"]:
            passages = islice(read_passages(options["passages"]), options["count"])
            judged_sets.load_passages(tenant, passages, workers=workers, progress=self._say)
        else:
            sample = read_set(Path(settings.BASE_DIR) / "sample")
            judged_sets.load(tenant, sample, workers=workers, needs_title=False, progress=self._say)

    def _measure(self, tenant: Tenant, options: dict[str, Any]) -> dict[str, Any]:
        principal = Principal(tenant.pk, tenant.uuid)
        raw = raw_search(principal, RawEngine())
        texts = self._texts(raw, options)
        texts, stage_texts = texts[:-STAGE_SEARCHES], texts[-STAGE_SEARCHES:]
        self._say(f"embedding {len(texts)} queries for the raw requests")
        embedder = get_embedder(raw.target.embedder)
        vectors = {text: embedder.embed_query(text) for text in (*texts, *stage_texts)}
        key = create_key(tenant, name="bench_search", scopes=["search"], groups=[])
        urls = service_urls()
        threads = settings.SEARCH_WEB_POOL_SIZE
        checkout = Path(settings.BASE_DIR)
        try:
            with web_server(threads=threads, checkout=checkout, paths=settings.PATHS, urls=urls) as (
                url,
                server,
            ):
                api = ApiClient(url, key.secret, options["clients"])
                bench = Bench(api, raw, server, vectors)
                figures = self._run(bench, texts, clients=options["clients"])
                figures["stages"] = bench.stages(stage_texts, embedder.embed_query)
        finally:
            key.row.delete()
        return figures | {"index": _size(tenant), "settings": _settings(raw, threads)}

    def _texts(self, raw: RawSearch, options: dict[str, Any]) -> list[str]:
        """Different texts for each request: to warm up, one after the other, from several clients, and by stage."""
        wanted = WARM_UP + 2 * options["requests"] + STAGE_SEARCHES
        if options["queries"]:
            texts = [line.strip() for line in options["queries"].read_text().splitlines() if line.strip()]
        else:
            passages = sample_passages(
                raw.engine, raw.target, count=min(3 * wanted, 9000), seed=options["seed"]
            )
            texts = list(queries.sentences(passages, seed=options["seed"]))
        texts = list(dict.fromkeys(texts))[:wanted]
        if len(texts) < WARM_UP + 2 * BLOCKS + STAGE_SEARCHES:
            raise CommandError(f"{len(texts)} different queries are too few to measure with.")
        return texts

    def _run(self, bench: Bench, texts: list[str], *, clients: int) -> dict[str, Any]:
        warm, rest = texts[:WARM_UP], texts[WARM_UP:]
        bench.one_by_one(warm)
        half = len(rest) // 2
        self._say(f"{half} searches of each kind, one after the other")
        one = bench.one_by_one(rest[:half])
        self._say(f"{len(rest) - half} searches of each kind from {clients} clients")
        many = bench.at_once(rest[half:], clients=clients)
        added = round(one[CACHED]["p50_ms"] - one[RAW]["p50_ms"], 3)
        share = round(many[CACHED]["requests_per_second"] / many[RAW]["requests_per_second"], 3)
        figures = {"one_by_one": one, "at_once": many, "clients": clients, "degraded": bench.api.degraded}
        return figures | {"added_by_api_p50_ms": added, "share_of_raw_requests_per_second": share}

    def _say(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()

    def _print(self, figures: dict[str, Any]) -> None:
        row = "{:<22} {:>9} {:>9} {:>9} {:>12} {:>14}"
        self.stdout.write(row.format("", "p50 ms", "p95 ms", "p99 ms", "requests/s", "server CPU ms"))
        for kind, one in figures["one_by_one"].items():
            many = figures["at_once"].get(kind, {})
            times = [f"{one[name]:.2f}" for name in ("p50_ms", "p95_ms", "p99_ms")]
            rate, cpu = many.get("requests_per_second", ""), many.get("server_cpu_ms", "")
            self.stdout.write(row.format(kind, *times, rate, cpu))
        for stage, found in figures["stages"].items():
            floor = f", its floor {found['floor_p50_ms']:.2f}" if "floor_p50_ms" in found else ""
            self.stdout.write(f"  {stage:<16} {found['p50_ms']:.2f} ms{floor}")
        index = figures["index"]
        self.stdout.write(
            f"{index['documents']} documents, {index['chunks']} chunks; the API adds "
            f"{figures['added_by_api_p50_ms']} ms to the p50 with the vector cached, and gives "
            f"{figures['share_of_raw_requests_per_second']:.0%} of the raw requests a second"
        )
        if figures["degraded"]:
            self.stdout.write(f"{figures['degraded']} answers were DEGRADED")


def _size(tenant: Tenant) -> dict[str, int]:
    tenant.refresh_from_db()
    chunks = Edition.objects.filter(
        document__tenant=tenant, index_id=tenant.live_index_id, state=Edition.State.LIVE
    )
    counts = list(chunks.values_list("chunk_count", flat=True))
    return {"documents": len(counts), "chunks": sum(counts)}


def _settings(raw: RawSearch, threads: int) -> dict[str, Any]:
    return {
        "embedder": raw.target.variant,
        "depth": raw.depth,
        "top_k": raw.top_k,
        "web_threads": threads,
        "cores": psutil.cpu_count(),
        "vector_weight": settings.SEARCH_VECTOR_WEIGHT,
    }
