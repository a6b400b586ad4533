"""Makes the models of SEARCH_EMBEDDERS ready ahead: exports, compares, asks each for one vector."""

import json
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.utils.module_loading import import_string

from search.embeddings import build_embedder
from search.exceptions import EmbeddingUnavailable


class Command(BaseCommand):
    help = "Make the embedding models ready: export them, compare with fp32, embed one text."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--alias", action="append", help="an embedder of SEARCH_EMBEDDERS (default: all)")
        parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there")

    def handle(self, *args: Any, **options: Any) -> None:
        aliases = options["alias"] or list(settings.SEARCH_EMBEDDERS)
        if unknown := set(aliases) - set(settings.SEARCH_EMBEDDERS):
            raise CommandError(
                f"SEARCH_EMBEDDERS has no {sorted(unknown)}, only {sorted(settings.SEARCH_EMBEDDERS)}."
            )
        figures = {alias: self._prepare(alias) for alias in aliases}
        if options["json"]:
            options["json"].write_text(json.dumps({"embedders": figures}, indent=1), encoding="utf-8")

    def _prepare(self, alias: str) -> dict[str, Any]:
        started = time.monotonic()
        try:
            embedder = build_embedder(self._with_progress(settings.SEARCH_EMBEDDERS[alias]))
            embedder.embed_query("Is the model ready?")
        except EmbeddingUnavailable as error:
            raise CommandError(f"{alias}: {error.detail}") from error
        figures: dict[str, Any] = {
            "variant": embedder.variant,
            "dimension": embedder.dimension,
            "max_tokens": embedder.max_tokens,
            "seconds": round(time.monotonic() - started, 2),
        }
        if (manifest := getattr(embedder, "manifest", None)) is not None:
            figures |= {"cosine_min": manifest.cosine_min, "cosine_mean": manifest.cosine_mean}
        embedder.close()
        self.stdout.write(f"{alias}: {', '.join(f'{name} {value}' for name, value in figures.items())}")
        return figures

    def _with_progress(self, config: dict[str, Any]) -> dict[str, Any]:
        """The export's progress goes to our output instead of the log."""
        if "report" not in getattr(import_string(config["BACKEND"]), "__dataclass_fields__", {}):
            return config
        return {**config, "OPTIONS": {**config.get("OPTIONS", {}), "report": self.stdout.write}}
