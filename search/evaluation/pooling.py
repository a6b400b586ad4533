"""What there is to judge for a query: the first documents of several runs, pooled, with the passage that they show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from search import services
from search.metrics import StageClock
from search.models import Document, EvaluationRun, JudgedQuery, RunRow
from search.types import Hit, Mode, Principal, SearchRequest

DEPTH = 10


@dataclass(frozen=True, slots=True)
class Pooled:
    """A document that some run found or somebody judged. `ranks` are by run, None where it is not among the first."""

    document: str
    title: str
    passage: str
    ranks: tuple[int | None, ...]
    grade: int | None
    origin: str


def pool(query: JudgedQuery, runs: Sequence[EvaluationRun]) -> list[Pooled]:
    """The first ten of each run and all that is judged; by the best rank, then what was judged alone.

    Raises InvalidFilter, OpenSearchUnavailable.
    """
    rankings = _rankings(query, runs)
    judged = {
        document: (grade, origin)
        for document, grade, origin in query.judgements.values_list("document", "grade", "origin")
    }
    ranks = {
        document: tuple(_rank(ranking, document) for ranking in rankings)
        for document in dict.fromkeys((*(name for ranking in rankings for name in ranking), *judged))
    }
    hits = _hits(query, list(ranks))
    titles = _titles(query, list(ranks))
    found = sorted(ranks, key=lambda name: min((rank for rank in ranks[name] if rank), default=DEPTH + 1))
    return [
        Pooled(
            document,
            titles.get(document, ""),
            hits[document].text if document in hits else "",
            ranks[document],
            *judged.get(document, (None, "")),
        )
        for document in found
    ]


def _rankings(query: JudgedQuery, runs: Sequence[EvaluationRun]) -> list[list[str]]:
    rows = RunRow.objects.filter(query=query, run__in=runs).values_list("run_id", "ranking")
    by_run = {run_id: ranking[:DEPTH] for run_id, ranking in rows}
    return [by_run.get(run.pk, []) for run in runs]


def _rank(ranking: Sequence[str], document: str) -> int | None:
    return ranking.index(document) + 1 if document in ranking else None


def _hits(query: JudgedQuery, documents: Sequence[str]) -> Mapping[str, Hit]:
    """The best passage of each document for the query; none of one that the set's principal may not see."""
    if not documents:
        return {}
    tenant = query.query_set.tenant
    request = SearchRequest(
        query.text,
        mode=Mode.HYBRID,
        filters={"field": "document", "op": "in", "value": list(documents[:100])},
        top_k=min(len(documents), 100),
        rerank=False,
        curate=False,
        highlight=False,
        with_total=False,
    )
    principal = Principal(tenant.pk, tenant.uuid, tuple(query.query_set.groups))
    found = services.retrieve(principal, request, clock=StageClock())
    return {hit.document.public_id: hit for hit in found.hits}


def _titles(query: JudgedQuery, documents: Sequence[str]) -> Mapping[str, str]:
    rows = Document.objects.filter(tenant_id=query.query_set.tenant_id, public_id__in=documents[:500])
    return dict(rows.exclude(state=Document.State.DELETED).values_list("public_id", "title"))
