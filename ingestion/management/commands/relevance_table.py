"""The relevance table: `relevance_table DIR… --json docs/figures/relevance.json`; rows of other sets in FILE stay.

A set with a metadata filter is shown with it and without.
"""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ingestion.management.commands._judged_sets import JudgedSetsCommand, LoadedSet
from search.embeddings import get_embedder
from search.evaluation import relevance_table
from search.evaluation.relevance_table import COLUMNS, MEASURE, Question
from search.evaluation.runs import MetadataFilter
from search.types import Principal

_ROW = "{:<32} {:>7}" + " {:>9}" * len(COLUMNS) + "  {}"


class Command(JudgedSetsCommand):
    help = "Each leg, each fusion, hybrid as shipped, tuned and reranked, in nDCG@10 over judged sets (BEIR folders)."

    def handle(self, *args: Any, **options: Any) -> None:
        rows: dict[str, Any] = {}
        for shown in self.measure_sets(options).values():
            rows |= shown
        self._print(rows)
        kept = _sets_of(options["json"]) | rows
        self.write_json({"measure": MEASURE, "sets": dict(sorted(kept.items()))}, options["json"])

    def measure(self, loaded: LoadedSet) -> dict[str, Any]:
        name, under = loaded.judged.name, loaded.metadata_filter
        rows = {name: self._row(loaded, None)}
        if under is not None:
            rows[f"{name}, {under.query_key} filter"] = self._row(loaded, under)
        return rows

    def _row(self, loaded: LoadedSet, under: MetadataFilter | None) -> dict[str, Any]:
        name = loaded.judged.name
        principal = Principal(loaded.tenant.pk, loaded.tenant.uuid)
        asked = list(relevance_table.asked(principal, self._questions(loaded, under)))
        row = relevance_table.row(
            asked, progress=lambda share: self.say(f"{name}: reranker, {share:.0%} validated")
        )
        return row.as_json() | {
            "embedder": get_embedder().variant,
            "chunks": loaded.loading["chunks"],
            "not_loaded": loaded.loading["not_loaded"],
            "probe": [_probed(language) for language in loaded.loading["probe"].get("languages", ())],
        }

    def _questions(self, loaded: LoadedSet, under: MetadataFilter | None) -> Iterator[Question]:
        judged, prefix = loaded.judged, loaded.id_prefix
        for number, query in enumerate(judged.queries, start=1):
            self.say(f"{judged.name}: {number} of {len(judged.queries)} queries")
            judgements = {f"{prefix}{name}": grade for name, grade in judged.qrels[query.id].items()}
            yield Question(query.id, query.text, under.of(query) if under else None, judgements)

    def _print(self, rows: Mapping[str, Mapping[str, Any]]) -> None:
        self.stdout.write(_ROW.format("set", "queries", *COLUMNS, ""))
        for name, row in rows.items():
            figures = [f"{row[MEASURE][column]:.4f}" for column in COLUMNS]
            flag = "LOSES to its better leg" if row["loses"] else ""
            self.stdout.write(_ROW.format(name, row["queries"], *figures, flag))


def _probed(language: Mapping[str, Any]) -> dict[str, Any]:
    """What the probe found, without the questions that it shows to people."""
    return {"language": language["language"], **language["weighed"]}


def _sets_of(path: str | None) -> dict[str, Any]:
    """The rows that the file holds already."""
    if path is None or path == "-" or not Path(path).exists():
        return {}
    sets: dict[str, Any] = json.loads(Path(path).read_text())["sets"]
    return sets
