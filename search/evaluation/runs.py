"""Runs a judged set's queries through the search flow and measures the rankings.

The first ten are measured on the very request that a reader sends; recall at 100 on a second, deeper one.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from search import services
from search.evaluation.datasets import DatasetError, JudgedSet, Query
from search.evaluation.measures import Judgements, mean, ndcg, recall, reciprocal_rank
from search.metrics import StageClock
from search.models import Profile, Tenant
from search.types import Mode, Principal, SearchRequest, SearchResult

RERANK = "rerank"
MODES = (*(mode.value for mode in (Mode.LEXICAL, Mode.VECTOR, Mode.HYBRID)), RERANK)
DEEP_DEPTH = 1000  # chunks a leg: a hundred documents, also of ten chunks and more
_DEEP_PROFILE = "evaluation-deep"


@dataclass(frozen=True, slots=True)
class MetadataFilter:
    """Each query is asked under `doc_key` = its own `query_key`."""

    query_key: str
    doc_key: str

    def of(self, query: Query) -> Mapping[str, Any]:
        value = query.value(self.query_key)
        if value is None:
            raise DatasetError(f"The query {query.id!r} has no {self.query_key!r} to filter by.")
        return {"field": self.doc_key, "op": "in" if isinstance(value, list) else "eq", "value": value}


@dataclass(frozen=True, slots=True)
class Ranked:
    """One query's rankings, and what the first of its two searches took."""

    query_id: str
    first: tuple[str, ...]
    deep: tuple[str, ...]
    milliseconds: float
    degraded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What to ask: a mode, whose documents, and how a public id becomes a corpus id."""

    principal: Principal
    mode: str
    id_prefix: str = ""
    metadata_filter: MetadataFilter | None = None

    def request(self, query: Query, *, deep: bool) -> SearchRequest:
        return SearchRequest(
            query=query.text,
            mode=Mode.HYBRID if self.mode == RERANK else Mode(self.mode),
            filters=self.metadata_filter.of(query) if self.metadata_filter else None,
            top_k=100 if deep else 10,
            rerank=self.mode == RERANK and not deep,  # the order of the first hundred is no matter to recall
            profile=_DEEP_PROFILE if deep else None,
            highlight=False,
            with_total=False,
        )


def prepare_tenant(tenant: Tenant) -> None:
    """Give a tenant the profile that deep searches name."""
    Profile.objects.get_or_create(
        tenant=tenant, name=_DEEP_PROFILE, defaults={"settings": {"depth": DEEP_DEPTH}}
    )


def rankings(run: Run, queries: Iterable[Query], *, done: Callable[[], None] = lambda: None) -> list[Ranked]:
    """Each query's rankings. Raises InvalidFilter, OpenSearchUnavailable, DatasetError."""
    found: list[Ranked] = []
    for query in queries:
        found.append(_ranked(run, query))
        done()
    return found


def _ranked(run: Run, query: Query) -> Ranked:
    started = time.perf_counter()
    first = services.retrieve(run.principal, run.request(query, deep=False), clock=StageClock())
    milliseconds = (time.perf_counter() - started) * 1000
    deep = services.retrieve(run.principal, run.request(query, deep=True), clock=StageClock())
    degraded = tuple(sorted({*first.degraded, *deep.degraded}))
    return Ranked(query.id, _ids(first, run), _ids(deep, run), milliseconds, degraded)


def _ids(result: SearchResult, run: Run) -> tuple[str, ...]:
    return tuple(hit.document.public_id.removeprefix(run.id_prefix) for hit in result.hits)


@dataclass(frozen=True, slots=True)
class Figures:
    """Means over the queries; `degraded` counts those whose search had to leave something out."""

    ndcg: float
    recall: float
    mrr: float
    queries: int
    p50_ms: float
    degraded: int

    def as_json(self) -> dict[str, float | int]:
        names = {"ndcg": "ndcg@10", "recall": "recall@100", "mrr": "mrr@10"}
        return {names.get(key, key): value for key, value in asdict(self).items()}


def figures(ranked: Sequence[Ranked], judged: JudgedSet) -> Figures:
    def over(measure: Callable[[Ranked, Judgements], float]) -> float:
        return round(mean([measure(one, judged.qrels[one.query_id]) for one in ranked]), 5)

    return Figures(
        ndcg=over(lambda one, judgements: ndcg(one.first, judgements, at=10)),
        recall=over(lambda one, judgements: recall(one.deep, judgements, at=100)),
        mrr=over(lambda one, judgements: reciprocal_rank(one.first, judgements, at=10)),
        queries=len(ranked),
        p50_ms=round(median([one.milliseconds for one in ranked]), 3),
        degraded=sum(bool(one.degraded) for one in ranked),
    )
