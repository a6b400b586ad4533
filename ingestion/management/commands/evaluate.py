"""Measure judged sets in each mode: with the weights that a probe of each finds, as shipped, unless one is given."""

from argparse import ArgumentTypeError
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.core.management.base import CommandParser

from ingestion.management.commands._judged_sets import JudgedSetsCommand, LoadedSet
from search.embeddings import get_embedder
from search.evaluation import runs
from search.evaluation.asking import DEEP_DEPTH, MODES, RERANK, Asking, as_readers_ask
from search.evaluation.runs import Figures, Run
from search.models import Tenant
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
        self.probes = self._vector_weight is None
        self._asked_modes = self._modes(options["modes"])
        outcomes = self.measure_sets(options)
        self._print_table({name: figures for name, (_, figures) in outcomes.items()})
        self.write_json(_as_json(outcomes, self._vector_weight), options["json"])

    def _modes(self, asked: tuple[str, ...] | None) -> tuple[str, ...]:
        if settings.SEARCH_RERANKER is not None:
            return asked or MODES
        if asked and RERANK in asked:
            self.stderr.write("rerank is left out: no reranker is set (SEARCH_RERANK_MODEL).")
        return tuple(mode for mode in asked or MODES if mode != RERANK)

    def measure(self, loaded: LoadedSet) -> tuple[dict[str, Any], dict[str, Figures]]:
        return dict(loaded.loading), {mode: self._run(loaded, mode) for mode in self._asked_modes}

    def _asking(self, tenant: Tenant, mode: str) -> Asking:
        asking = as_readers_ask(Principal(tenant.pk, tenant.uuid), mode)
        if self._vector_weight is None:
            return asking
        return replace(asking, profile=replace(asking.profile, vector_weight=self._vector_weight))

    def _run(self, loaded: LoadedSet, mode: str) -> Figures:
        judged = loaded.judged
        run = Run(self._asking(loaded.tenant, mode), loaded.id_prefix, loaded.metadata_filter)
        asked = 0

        def done() -> None:
            nonlocal asked
            asked += 1
            self.say(f"{judged.name}: {mode}, {asked} of {len(judged.queries)} queries")

        figures = runs.figures(runs.rankings(run, judged.queries, done=done), judged)
        if figures.degraded:
            self.say(f"{judged.name}: {mode}: {figures.degraded} searches were DEGRADED", always=True)
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
