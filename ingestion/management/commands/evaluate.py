"""Measure judged sets: each is loaded into a throw-away tenant, asked in each mode, and dropped."""

import time
from argparse import ArgumentTypeError
from dataclasses import replace
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from ingestion import jobs
from ingestion.exceptions import IngestionError
from ingestion.management.commands._judged import JudgedSetsCommand, check_names
from ingestion.services import probe, throwaway
from search.embeddings import get_embedder
from search.evaluation import runs
from search.evaluation.asking import DEEP_DEPTH, MODES, RERANK, Asking, as_readers_ask
from search.evaluation.datasets import JudgedSet, read_set
from search.evaluation.runs import Figures, MetadataFilter, Run
from search.exceptions import SearchError
from search.models import SearchIndex, Tenant
from search.types import Principal


class Command(JudgedSetsCommand):
    help = "Load BEIR folders into throw-away tenants and print nDCG@10, recall@100 and MRR@10 by mode."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--vector-weight",
            type=_weight,
            metavar="X",
            help="the vector leg's weight, in place of what a probe of each set finds",
        )
        parser.add_argument(
            "--modes", type=_modes, help=f"of {','.join(MODES)} (default: all that can be run)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._vector_weight: float | None = options["vector_weight"]
        filters: dict[str, MetadataFilter] = dict(options["metadata_filter"])
        modes = self._modes(options["modes"])
        try:
            sets = _read_sets(options["folders"], filters)
            jobs.parser()  # before the model is loaded, as a worker does it
            outcomes = {
                judged.name: self._evaluate(judged, modes, filters.get(judged.name)) for judged in sets
            }
        except (SearchError, IngestionError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError("Interrupted; the throw-away tenant is dropped.") from interrupt
        self._print_table({name: figures for name, (_, figures) in outcomes.items()})
        self.write_json(_as_json(outcomes, self._vector_weight), options["json"])

    def _modes(self, asked: tuple[str, ...] | None) -> tuple[str, ...]:
        if settings.SEARCH_RERANKER is not None:
            return asked or MODES
        if asked and RERANK in asked:
            self.stderr.write("rerank is left out: no reranker is set (SEARCH_RERANK_MODEL).")
        return tuple(mode for mode in asked or MODES if mode != RERANK)

    def _evaluate(
        self, judged: JudgedSet, modes: tuple[str, ...], metadata_filter: MetadataFilter | None
    ) -> tuple[dict[str, Any], dict[str, Figures]]:
        started = time.monotonic()
        with throwaway.throwaway_tenant("evaluate") as tenant:
            loaded = self.load(tenant, judged, metadata_filter)
            seconds = round(time.monotonic() - started, 1)
            probed = self._probe(tenant)
            figures = {}
            for mode in modes:
                asking = self._asking(tenant, mode)
                figures[mode] = self._run(judged, Run(asking, loaded.id_prefix, metadata_filter))
            self.say(f"{judged.name}: dropping its tenant", always=True)
        loading = {"documents": loaded.documents, "chunks": loaded.chunks, "seconds": seconds}
        return loading | {"not_loaded": len(loaded.missing), "probe": probed}, figures

    def _probe(self, tenant: Tenant) -> dict[str, Any]:
        """As after a real index build. Returns what it found; nothing where a weight is given."""
        version = SearchIndex.objects.filter(tenant=tenant, state=SearchIndex.State.LIVE).first()
        if self._vector_weight is not None or version is None:
            return {}
        probed = probe.run(version)
        weights = ", ".join(f"{language} {weight}" for language, weight, _ in probed.vector_weights)
        self.say(
            f"{tenant.slug}: probed in {probed.probe['seconds']} s: {weights or 'the default'}", always=True
        )
        return dict(probed.probe)

    def _asking(self, tenant: Tenant, mode: str) -> Asking:
        asking = as_readers_ask(Principal(tenant.pk, tenant.uuid), mode)
        if self._vector_weight is None:
            return asking
        return replace(asking, profile=replace(asking.profile, vector_weight=self._vector_weight))

    def _run(self, judged: JudgedSet, run: Run) -> Figures:
        asked = 0

        def done() -> None:
            nonlocal asked
            asked += 1
            self.say(f"{judged.name}: {run.asking.mode}, {asked} of {len(judged.queries)} queries")

        figures = runs.figures(runs.rankings(run, judged.queries, done=done), judged)
        if figures.degraded:
            self.say(
                f"{judged.name}: {run.asking.mode}: {figures.degraded} searches were DEGRADED", always=True
            )
        return figures

    def _print_table(self, outcomes: dict[str, dict[str, Figures]]) -> None:
        row = "{:<24} {:<8} {:>8} {:>11} {:>8} {:>8} {:>8}"
        self.stdout.write(row.format("set", "mode", "nDCG@10", "recall@100", "MRR@10", "queries", "p50 ms"))
        for name, modes in outcomes.items():
            for mode, found in modes.items():
                measures = [f"{value:.4f}" for value in (found.ndcg, found.recall, found.mrr)]
                self.stdout.write(row.format(name, mode, *measures, found.queries, f"{found.p50_ms:.1f}"))


def _modes(text: str) -> tuple[str, ...]:
    modes = tuple(mode.strip() for mode in text.split(","))
    if unknown := [mode for mode in modes if mode not in MODES]:
        raise ArgumentTypeError(f"there is no mode {unknown[0]!r}; there are {', '.join(MODES)}")
    return modes


def _weight(text: str) -> float:
    weight = float(text)
    if not 0.0 <= weight <= 1.0:
        raise ArgumentTypeError(f"{text} does not lie from 0 to 1")
    return weight


def _read_sets(folders: list[Path], filters: dict[str, MetadataFilter]) -> list[JudgedSet]:
    """Everything is read before the first set is loaded: a mistake shows at once."""
    sets = [read_set(folder) for folder in folders]
    check_names(sets, filters)
    return sets


def _as_json(
    outcomes: dict[str, tuple[dict[str, Any], dict[str, Figures]]], vector_weight: float | None
) -> dict[str, Any]:
    return {
        "datasets": {
            name: {mode: found.as_json() for mode, found in modes.items()}
            for name, (_, modes) in outcomes.items()
        },
        "loading": {name: loading for name, (loading, _) in outcomes.items()},
        "settings": {
            "embedder": get_embedder().variant,
            "vector_weight": vector_weight,  # null: by the probe of each set, under "loading"
            "default_vector_weight": settings.SEARCH_VECTOR_WEIGHT,
            "reranker": settings.SEARCH_RERANKER
            and settings.SEARCH_RERANKER["OPTIONS"].get("model", "general"),
            "chunk_tokens": settings.INGESTION_CHUNK_TOKENS,
            "overlap_tokens": settings.INGESTION_OVERLAP_TOKENS,
            "recall_depth": DEEP_DEPTH,
        },
    }
