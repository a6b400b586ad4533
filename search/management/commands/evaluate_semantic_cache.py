"""How often the semantic cache would give a question the answer of another, rightly and wrongly, on pairs of them."""

import json
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from search.embeddings import get_embedder
from search.evaluation import question_pairs
from search.evaluation.question_pairs import (
    Pair,
    Scored,
    Thresholds,
    curve,
    curve_by_words,
    fitted,
    parse,
    rates,
)
from search.semantic_cache import word_cosine

OWN_PAIRS = Path(question_pairs.__file__).with_suffix(".jsonl")

_CURVES = {"curve": "cosine", "curve_by_words": "word_cosine", "curve_without_second_check": "cosine"}


class Command(BaseCommand):
    help = "Judge the semantic cache's second check on pairs of questions; fit its thresholds where a half is for that."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--pairs", type=Path, default=OWN_PAIRS, help="JSON lines: first, second, same [, kind]"
        )
        parser.add_argument("--json", type=Path, help="where to write the figures")

    def handle(self, *args: Any, **options: Any) -> None:
        scored = [_scored(pair) for pair in parse(options["pairs"].read_text().splitlines())]
        figures = _figures(scored)
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=2, ensure_ascii=False) + "\n")
        self._print(figures)

    def _print(self, figures: dict[str, Any]) -> None:
        for name in ("settings", "fitted"):
            if name in figures:
                self.stdout.write(f"thresholds {name}: {figures[name]}")
        for name, found in figures["rates"].items():
            self.stdout.write(f"{name}: {_told(found)}")
        for name, by in _CURVES.items():
            self.stdout.write(f"{name}:")
            for point in figures[name]:
                self.stdout.write(f"  {by} {point[by]:.2f}: {_told(point)}")
        for pair in figures["false_hits"]:
            self.stdout.write(f"false ({pair['kind']}): {pair['first']} | {pair['second']}")


def _scored(pair: Pair) -> Scored:
    embedder = get_embedder()
    cosine = float(embedder.embed_query(pair.first) @ embedder.embed_query(pair.second))
    return Scored(pair, cosine, word_cosine(pair.first, pair.second, "default"))


def _figures(scored: list[Scored]) -> dict[str, Any]:
    """The curves are those of the half that is judged."""
    halves = {half: [each for each in scored if each.pair.half == half] for half in ("fit", "judge")}
    current = Thresholds(settings.SEARCH_SEMANTIC_CACHE_COSINE, settings.SEARCH_SEMANTIC_CACHE_WORD_COSINE)
    figures: dict[str, Any] = {"embedder": get_embedder().variant, "settings": _as_json(current)}
    found = {f"{half}, by settings": rates(rows, current) for half, rows in halves.items() if rows}
    if halves["fit"]:
        best = fitted(halves["fit"])
        figures["fitted"] = _as_json(best)
        found |= {f"{half}, fitted": rates(rows, best) for half, rows in halves.items() if rows}
    judged = halves["judge"]
    false = [each.pair for each in judged if not each.pair.same and current.hit(each)]
    return figures | {
        "rates": found,
        "curve": curve(judged, word_cosine=current.word_cosine),
        "curve_by_words": curve_by_words(judged, cosine=current.cosine),
        "curve_without_second_check": curve(judged, word_cosine=-1.0),
        "false_hits": [{"kind": pair.kind, "first": pair.first, "second": pair.second} for pair in false],
    }


def _as_json(thresholds: Thresholds) -> dict[str, float]:
    return {"cosine": thresholds.cosine, "word_cosine": thresholds.word_cosine}


def _told(found: dict[str, Any]) -> str:
    hits = f"{found['hits']} of {found['same']} hits ({found['hit_rate']})"
    return f"{hits}, {found['false_hits']} of {found['others']} false ({found['false_hit_rate']})"
