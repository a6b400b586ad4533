"""A corpus that grows by passages whose vectors are given, through real workers; its vector leg beside exact search.

Each document has a number `views` below 10,000 and a date, to sort, count, filter and lift by.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
from django.core.management.base import CommandError

from bench.given_vectors import given_vectors, store_for_chunks
from bench.searching import ApiClient
from bench.workers import Workers
from ingestion.parsers.media_types import TEXT
from ingestion.services import documents, throwaway
from ingestion.services.documents import Content, DocumentFieldsInput, Incoming
from search.embeddings import Vectors, get_embedder
from search.embeddings.onnx import OnnxEmbedder
from search.evaluation.datasets import Passage, read_passages
from search.models import Tenant

VIEWS = "views"
MOST_VIEWS = 10_000
_SLICE = 5000
_LAST_DAY = datetime(2025, 6, 1, tzinfo=UTC)
_NEAREST = 10
_EQUAL = 1e-4  # of two cosines: the engine reads vectors in another order


@dataclass
class Corpus:
    """The first passages of a file, in a tenant, as far as it has grown."""

    tenant: Tenant
    path: Path
    count: int
    workers: Workers
    say: Callable[[str], None]
    ids: list[str] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        self.say(f"{self.count} vectors of {self.path.name}: embedded unless they are kept")
        given = given_vectors(self.path, self.count, OnnxEmbedder(threads=0))
        self.vectors: Vectors = np.load(given)
        self._passages: Iterator[Passage] = islice(read_passages(self.path), self.count)

    @property
    def loaded(self) -> int:
        return len(self.ids)

    def grow(self, size: int) -> None:
        """Until `size` passages are live. Raises CommandError for passages that were not taken."""
        while part := list(islice(self._passages, min(_SLICE, size - self.loaded))):
            store_for_chunks(self.tenant, part, self.vectors[self.loaded : self.loaded + len(part)])
            incoming = [_incoming(self.loaded + at, passage) for at, passage in enumerate(part)]
            documents.accept_all(self.tenant, incoming)
            throwaway.wait(self.tenant, check=self.workers.check)
            self.ids += [passage.id for passage in part]
            self.say(f"{self.loaded} passages are live")
        if missing := throwaway.failures(self.tenant):
            raise CommandError(f"{len(missing)} passages were not taken: {missing[0]}")


def _incoming(number: int, passage: Passage) -> Incoming:
    fields = DocumentFieldsInput(
        title=passage.title[:500],
        metadata={**passage.metadata, VIEWS: views(number)},
        published_at=_LAST_DAY - timedelta(days=number * 31 % 1500),
    )
    return Incoming(passage.id, fields, Content((passage.text or passage.title).encode(), TEXT))


def views(number: int) -> int:
    """Of the passage at this place: spread evenly, so that `views` below 100 are one document in a hundred."""
    return number * 7919 % MOST_VIEWS


def recall(corpus: Corpus, api: ApiClient, texts: Sequence[str], *, below: int | None = None) -> float:
    """Share of the ten nearest passages among the ten that a vector search finds; `below`: of those with fewer views.

    A passage as near as the tenth is as good as it: many texts are there twice.
    """
    embedder = get_embedder()
    numbers = {passage: number for number, passage in enumerate(corpus.ids)}
    allowed = [number for number in numbers.values() if below is None or views(number) < below]
    near = corpus.vectors[allowed]
    options: dict[str, Any] = {"mode": "vector", "group_by": "document"}
    if below is not None:
        options["filters"] = {"field": VIEWS, "op": "lt", "value": below}
    found = 0
    for text in texts:
        vector = embedder.embed_query(text)
        tenth = np.partition(near @ vector, -_NEAREST)[-_NEAREST]
        rows = [numbers[passage] for passage in api.found(text, **options)]
        found += int(np.sum(corpus.vectors[rows] @ vector >= tenth - _EQUAL))
    return round(found / (len(texts) * _NEAREST), 4)
