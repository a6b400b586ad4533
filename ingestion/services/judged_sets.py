"""Loads a judged set as documents come in from outside: accepted in batches, or synced from a folder."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from ingestion.exceptions import IngestionError, SourceError
from ingestion.models import SyncRun
from ingestion.outbox import Claim
from ingestion.parsers.media_types import TEXT
from ingestion.services import documents, sources, throwaway
from ingestion.services.batches import LINES_AT_ONCE
from ingestion.services.documents import Content, DocumentFieldsInput, Incoming
from search.evaluation.datasets import JudgedSet, Passage
from search.models import Edition, Tenant

_FOLDER = "files"
TITLE = "title"


@dataclass(frozen=True, slots=True)
class Workers:
    """What does the work: a claim's and a sync's. The command gives those of ingestion.jobs."""

    claim: Callable[[Claim], None]
    sync: Callable[[int], None]


@dataclass(frozen=True, slots=True)
class Loaded:
    """What was loaded. A document's public id is `id_prefix` + its corpus id."""

    id_prefix: str
    documents: Mapping[str, int]
    chunks: int
    missing: tuple[str, ...]  # documents that were refused or failed, and why


def load(
    tenant: Tenant, judged: JudgedSet, *, workers: Workers, needs_title: bool, progress: Callable[[str], None]
) -> Loaded:
    """Fill a tenant with a set and wait until it is searchable. `needs_title`: queries filter on the title.

    Raises DatasetError, SourceError.
    """
    if judged.documents is not None:
        prefix, refused = _sync(tenant, judged, workers)
    else:
        passages = judged.passages()
        prefix, refused = "", tuple(accept(tenant, passages, needs_title=needs_title, progress=progress))
    return _ingested(tenant, prefix, refused, workers=workers, progress=progress)


def load_passages(
    tenant: Tenant, passages: Iterator[Passage], *, workers: Workers, progress: Callable[[str], None]
) -> Loaded:
    """Fill a tenant with passages alone and wait until they are searchable. Raises DatasetError."""
    refused = tuple(accept(tenant, passages, needs_title=False, progress=progress))
    return _ingested(tenant, "", refused, workers=workers, progress=progress)


def _ingested(
    tenant: Tenant,
    prefix: str,
    refused: tuple[str, ...],
    *,
    workers: Workers,
    progress: Callable[[str], None],
) -> Loaded:
    throwaway.drain(tenant, workers.claim, progress=lambda text: progress(f"ingesting, {text}"))
    missing = (*refused, *throwaway.failures(tenant))
    return Loaded(prefix, throwaway.states(tenant), _live_chunks(tenant), missing)


def _sync(tenant: Tenant, judged: JudgedSet, workers: Workers) -> tuple[str, tuple[str, ...]]:
    config: dict[str, Any] = {"path": str(judged.documents)}
    if judged.sidecar is not None:
        config["metadata_file"] = str(judged.sidecar)
    source = sources.create(tenant, kind="folder", config=config, slug=_FOLDER)
    run = throwaway.sync_now(source, workers.sync)
    if run.state != SyncRun.State.DONE:
        raise SourceError(f"{judged.documents}: {run.reason or run.state}")
    refused = source.items.exclude(reason="").values_list("external_id", "reason")
    return f"{source.slug}/", tuple(f"{name}: {reason}" for name, reason in refused)


def accept(
    tenant: Tenant, passages: Iterator[Passage], *, needs_title: bool, progress: Callable[[str], None]
) -> Iterator[str]:
    """Accept passages as documents come in from outside. Gives why each refused one was refused."""
    accepted = 0
    while part := list(islice(passages, LINES_AT_ONCE)):
        outcomes = documents.accept_all(tenant, [_incoming(passage, needs_title) for passage in part])
        for passage, outcome in zip(part, outcomes, strict=True):
            if isinstance(outcome, IngestionError):
                yield f"{passage.id}: {outcome}"
        accepted += len(part)
        progress(f"accepted {accepted} documents")


def _incoming(passage: Passage, needs_title: bool) -> Incoming:
    metadata = {**({TITLE: passage.title} if needs_title else {}), **passage.metadata}
    fields = DocumentFieldsInput(title=passage.title[:500], metadata=metadata)
    text = passage.text or passage.title  # a record that is only a title is judged as well
    return Incoming(passage.id, fields, Content(text.encode(), TEXT))


def _live_chunks(tenant: Tenant) -> int:
    editions = Edition.objects.filter(document__tenant=tenant, state=Edition.State.LIVE)
    return sum(editions.values_list("chunk_count", flat=True))
