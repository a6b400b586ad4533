"""What commands on judged sets share: each set is loaded into a throw-away tenant, probed, measured, and dropped.

The probe sets the weights as it does for a real tenant after its index is built.
"""

import time
from argparse import ArgumentTypeError
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from embedded.command import ServicesCommand
from ingestion import jobs
from ingestion.exceptions import IngestionError
from ingestion.services import judged_sets, probe, throwaway
from ingestion.services.judged_sets import Loaded, Workers
from search.evaluation.datasets import JudgedSet, read_set
from search.evaluation.runs import MetadataFilter
from search.exceptions import SearchError
from search.models import SearchIndex, Tenant

_MISSING_SHOWN = 3
_PROGRESS_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class LoadedSet:
    """A judged set in its throw-away tenant; `metadata_filter` is asked for by the command line, if there is one."""

    judged: JudgedSet
    tenant: Tenant
    id_prefix: str  # of public ids, before the corpus id
    metadata_filter: MetadataFilter | None
    loading: Mapping[str, Any]  # what was loaded, and what the probe found


class JudgedSetsCommand(ServicesCommand):
    """Gives each set that the command line names to `measure`, one after the other."""

    probes = True

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

    def read(self, folder: Path) -> JudgedSet:
        """One set. Raises DatasetError."""
        return read_set(folder)

    def measure(self, loaded: LoadedSet) -> Any:
        """The figures of one set, while its tenant is there."""
        raise NotImplementedError

    def measure_sets(self, options: Mapping[str, Any]) -> dict[str, Any]:
        """What `measure` gives, by set. Raises CommandError."""
        self._said_at = 0.0
        filters: dict[str, MetadataFilter] = dict(options["metadata_filter"])
        try:
            sets = self._read_sets(options["folders"], filters)
            jobs.parser()  # before the model is loaded, as a worker does it
            return {judged.name: self._measured(judged, filters.get(judged.name)) for judged in sets}
        except (SearchError, IngestionError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError("Interrupted; the throw-away tenant is dropped.") from interrupt

    def _read_sets(self, folders: list[Path], filters: dict[str, MetadataFilter]) -> list[JudgedSet]:
        """Everything is read before the first set is loaded: a mistake shows at once."""
        sets = [self.read(folder) for folder in folders]
        names = [judged.name for judged in sets]
        if doubled := sorted({name for name in names if names.count(name) > 1}):
            raise CommandError(
                f"Two sets are called {doubled[0]}: a set's name is the last part of its path."
            )
        if unknown := sorted(set(filters) - set(names)):
            raise CommandError(f"--metadata-filter names {unknown[0]}, which is none of the sets.")
        return sets

    def _measured(self, judged: JudgedSet, metadata_filter: MetadataFilter | None) -> Any:
        started = time.monotonic()
        with throwaway.throwaway_tenant("evaluate") as tenant:
            loaded = self._load(tenant, judged, metadata_filter)
            loading = {
                "documents": loaded.documents,
                "chunks": loaded.chunks,
                "seconds": round(time.monotonic() - started, 1),
                "not_loaded": len(loaded.missing),
                "probe": self._probe(tenant),
            }
            found = self.measure(LoadedSet(judged, tenant, loaded.id_prefix, metadata_filter, loading))
            self.say(f"{judged.name}: dropping its tenant", always=True)
        return found

    def _load(self, tenant: Tenant, judged: JudgedSet, metadata_filter: MetadataFilter | None) -> Loaded:
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

    def _probe(self, tenant: Tenant) -> dict[str, Any]:
        """As after a real index build. Returns what it found."""
        version = SearchIndex.objects.filter(tenant=tenant, state=SearchIndex.State.LIVE).first()
        if not self.probes or version is None:
            return {}
        probed = probe.run(version)
        weights = ", ".join(f"{language} {weight}" for language, weight, _ in probed.vector_weights)
        self.say(
            f"{tenant.slug}: probed in {probed.probe['seconds']} s: {weights or 'the default'}", always=True
        )
        return dict(probed.probe)

    def say(self, text: str, *, always: bool = False) -> None:
        """Progress, at most every few seconds."""
        if always or time.monotonic() - self._said_at >= _PROGRESS_SECONDS:
            self._said_at = time.monotonic()
            self.stderr.write(text)
            self.stderr.flush()


def _metadata_filter(text: str) -> tuple[str, MetadataFilter]:
    name, colon, keys = text.partition(":")
    query_key, equals, doc_key = keys.partition("=")
    if not (name and colon and query_key and equals and doc_key):
        raise ArgumentTypeError(f"{text!r} is not SET:QUERYKEY=DOCKEY")
    return name, MetadataFilter(query_key, doc_key)
