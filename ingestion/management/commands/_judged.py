"""What the commands have in common that load judged sets into throw-away tenants."""

import time
from argparse import ArgumentTypeError
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from embedded.command import ServicesCommand
from ingestion import jobs
from ingestion.services import judged_sets
from ingestion.services.judged_sets import Loaded, Workers
from search.evaluation.datasets import JudgedSet
from search.evaluation.runs import MetadataFilter
from search.models import Tenant

_MISSING_SHOWN = 3
_PROGRESS_SECONDS = 5.0


class JudgedSetsCommand(ServicesCommand):
    """Takes folders and filters by set, and says how far it is."""

    _said_at = 0.0

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("folders", nargs="+", type=Path, metavar="DIR")
        parser.add_argument(
            "--metadata-filter",
            action="append",
            default=[],
            type=_metadata_filter,
            metavar="SET:QUERYKEY=DOCKEY",
            help="ask each query of SET under the filter DOCKEY = its QUERYKEY; may be given more than once",
        )

    def load(self, tenant: Tenant, judged: JudgedSet, metadata_filter: MetadataFilter | None) -> Loaded:
        """Fill the tenant and wait until all is searchable. What could not be loaded is said."""
        loaded = judged_sets.load(
            tenant,
            judged,
            workers=Workers(claim=jobs.run_claim, sync=jobs.run_sync),
            needs_title=metadata_filter is not None and metadata_filter.doc_key == judged_sets.TITLE,
            progress=lambda text: self.say(f"{judged.name}: {text}"),
        )
        counts = ", ".join(f"{count} {state}" for state, count in loaded.documents.items())
        self.say(f"{judged.name}: documents {counts}; {loaded.chunks} chunks", always=True)
        for reason in loaded.missing[:_MISSING_SHOWN]:
            self.say(f"{judged.name}: NOT LOADED: {reason}", always=True)
        return loaded

    def say(self, text: str, *, always: bool = False) -> None:
        """Progress, at most every few seconds."""
        if always or time.monotonic() - self._said_at >= _PROGRESS_SECONDS:
            self._said_at = time.monotonic()
            self.stderr.write(text)
            self.stderr.flush()


def check_names(sets: Sequence[JudgedSet], filters: dict[str, Any]) -> None:
    """Raises CommandError for two sets of one name, and for a filter of none of them."""
    names = [judged.name for judged in sets]
    if doubled := sorted({name for name in names if names.count(name) > 1}):
        raise CommandError(f"Two sets are called {doubled[0]}: a set's name is the last part of its path.")
    if unknown := sorted(set(filters) - set(names)):
        raise CommandError(f"--metadata-filter names {unknown[0]}, which is none of the sets.")


def _metadata_filter(text: str) -> tuple[str, MetadataFilter]:
    name, colon, keys = text.partition(":")
    query_key, equals, doc_key = keys.partition("=")
    if not (name and colon and query_key and equals and doc_key):
        raise ArgumentTypeError(f"{text!r} is not SET:QUERYKEY=DOCKEY")
    return name, MetadataFilter(query_key, doc_key)
