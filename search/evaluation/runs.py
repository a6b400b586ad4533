"""Runs a judged set's queries and measures their rankings, for the command that loads sets into throw-away tenants."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from search.evaluation.asking import Asking, Found, ask
from search.evaluation.datasets import DatasetError, JudgedSet, Query
from search.evaluation.measures import mean, measure


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
    """One query's ranking of corpus ids, and what its search took."""

    query_id: str
    ranking: tuple[str, ...]
    milliseconds: float
    degraded: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Run:
    """What to ask: how, under which filter, and how a public id becomes a corpus id."""

    asking: Asking
    id_prefix: str = ""
    metadata_filter: MetadataFilter | None = None


def rankings(run: Run, queries: Iterable[Query], *, done: Callable[[], None] = lambda: None) -> list[Ranked]:
    """Each query's ranking. Raises InvalidFilter, OpenSearchUnavailable, DatasetError."""
    ranked: list[Ranked] = []
    for query in queries:
        filters = run.metadata_filter.of(query) if run.metadata_filter else None
        ranked.append(_ranked(query, ask(run.asking, query.text, filters), run.id_prefix))
        done()
    return ranked


def _ranked(query: Query, found: Found, id_prefix: str) -> Ranked:
    ranking = tuple(name.removeprefix(id_prefix) for name in found.ranking)
    return Ranked(query.id, ranking, found.milliseconds, found.degraded)


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
    def over(name: str) -> float:
        return round(mean([measure(name, one.ranking, judged.qrels[one.query_id]) for one in ranked]), 5)

    return Figures(
        ndcg=over("ndcg@10"),
        recall=over("recall@100"),
        mrr=over("mrr@10"),
        queries=len(ranked),
        p50_ms=round(median([one.milliseconds for one in ranked]), 3),
        degraded=sum(bool(one.degraded) for one in ranked),
    )
