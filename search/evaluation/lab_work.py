"""What the lab's jobs do. Each gives its result, or None when it has to be carried on later."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict
from typing import Any, Protocol

from django.conf import settings

from search import services
from search.evaluation import lab, refusing, reranker_training, tuning
from search.evaluation.asking import Asking
from search.evaluation.legs import leg_scores
from search.evaluation.refusing import Question, Refusal
from search.evaluation.significance import Comparison
from search.evaluation.tuning import TunedQuery
from search.evidence import relevance_of
from search.metrics import StageClock
from search.models import EvaluationRun, JudgedQuery, LabJob
from search.pipelines import FusionSpec
from search.tenants import live_target
from search.types import IndexTarget, Mode, Principal, RetrievalSettings, SearchRequest

_TOP_K = 8  # passages that an answer is made from
_MOST_QUERIES = 2000  # to tune on: their legs are held in memory, 30 kB each


class Hold(Protocol):
    """The job's lease, see lab_jobs."""

    def slice_is_over(self) -> bool: ...
    def is_over(self) -> bool: ...
    def progress(self, share: float) -> None: ...
    def keep(self, work: bytes) -> None: ...


def _run(job: LabJob, hold: Hold) -> Mapping[str, Any] | None:
    """Carry a run on; a nightly one is then set against the last accepted one."""
    if job.run is None:
        raise lab.LabError("The run was deleted.")
    run = job.run
    asked, total = run.rows.count(), max(run.query_count, 1)

    def stops() -> bool:
        nonlocal asked
        hold.progress(min(asked / total, 1.0))
        asked += 1
        return hold.slice_is_over()

    run = lab.carry_on(run, should_stop=stops)
    if run.is_open:
        return None
    if run.state == EvaluationRun.State.FAILED:
        raise lab.LabError(run.reason)
    if run.is_nightly:
        lab.check_regression(run)
    return dict(run.measures)


def _optimise(job: LabJob, hold: Hold) -> Mapping[str, Any] | None:
    """The legs of each judged query are fetched once; every fusion is then tried on them."""
    asking, target = _as_live(job)
    graded = lab.judgements(job.query_set)
    queries: list[TunedQuery] = []
    for query in _counted(job.query_set.queries.filter(pk__in=graded)[:_MOST_QUERIES], hold):
        if hold.is_over():
            return None
        legs, now = leg_scores(asking, query.text, query.filters, target=target)
        queries.append(TunedQuery(query.public_id, legs, graded[query.pk], now))
    tuned = tuning.tune(queries, name=lab.MAIN_MEASURE)
    return {
        "measure": lab.MAIN_MEASURE,
        "queries": len(queries),
        "baseline": _spec_json(tuned.baseline),
        "best": _spec_json(tuned.best),
        "halves": [_spec_json(spec) for spec in tuned.halves],
        "held_out": comparison_json(tuned.held_out),
        "curve": [_spec_json(spec) | {"value": round(value, 6)} for spec, value in tuned.curve.items()],
    }


def _fit_threshold(job: LabJob, hold: Hold) -> Mapping[str, Any] | None:
    """The relevance of what each question finds, judged and unanswerable ones alike, then the threshold."""
    asking, target = _as_live(job)
    graded = lab.judgements(job.query_set)
    questions: list[Question] = []
    for query in _counted(job.query_set.queries.all(), hold):
        if hold.is_over():
            return None
        if query.is_unanswerable or query.pk in graded:
            score = _relevance(asking, query, target)
            questions.append(Question(query.public_id, not query.is_unanswerable, score))
    fitted = refusing.fit(questions)
    return {
        "questions": len(questions),
        "auroc": round(fitted.auroc, 6),
        "fitted": asdict(fitted.fitted),
        "held_out": asdict(fitted.held_out),
        "now": asdict(_now(questions, asking.profile)),
        "curve": [asdict(point) for point in fitted.curve],
    }


def _train(job: LabJob, hold: Hold) -> Mapping[str, Any] | None:
    """A reranker, carried on where the last lease left it."""
    name = str(job.parameters["name"])
    made = reranker_training.train(job.query_set, name=name, work=bytes(job.work), hold=hold)
    return {"reranker": str(made), "pk": made.pk} if made else None


def _relevance(asking: Asking, query: JudgedQuery, target: IndexTarget) -> float:
    """As the answer flow sees it: the best passages, cut to the context's budget."""
    request = SearchRequest(
        query.text,
        filters=query.filters,
        top_k=_TOP_K,
        group_by="chunk",
        highlight=False,
        with_total=False,
    )
    found = services.retrieve(
        asking.principal, request, clock=StageClock(), target=target, profile=asking.profile
    )
    return relevance_of(query.text, found.hits, target)


def _now(questions: list[Question], profile: RetrievalSettings) -> Refusal:
    """What the threshold of the settings does."""
    threshold = settings.SEARCH_REFUSAL_COSINE if profile.threshold is None else profile.threshold
    return refusing.refusal_at(threshold, questions)


def _as_live(job: LabJob) -> tuple[Asking, IndexTarget]:
    """The set is asked as readers ask now. Raises LabError before the first document."""
    tenant = job.query_set.tenant
    target = live_target(tenant.pk)
    if target is None:
        raise lab.LabError("The tenant has no index yet: it has no document.")
    principal = Principal(tenant.pk, tenant.uuid, tuple(job.query_set.groups))
    return Asking(principal, Mode.HYBRID.value, lab.live_settings(target)), target


def _counted(queries: Any, hold: Hold) -> Iterator[JudgedQuery]:
    rows = list(queries)
    for done, query in enumerate(rows):
        hold.progress(done / len(rows))
        yield query


def _spec_json(spec: FusionSpec) -> dict[str, Any]:
    return {
        "technique": spec.technique.value,
        "vector_weight": spec.vector_weight,
        "rank_constant": spec.rank_constant,
    }


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """The figures of a comparison; its queries are not among them."""
    return {
        "first": round(comparison.first, 6),
        "second": round(comparison.second, 6),
        "difference": round(comparison.difference, 6),
        "low": round(comparison.low, 6),
        "high": round(comparison.high, 6),
        "p": round(comparison.p, 6),
        "gains": len(comparison.gains),
        "losses": len(comparison.losses),
        "ties": comparison.ties,
    }


WORK: Mapping[str, Callable[[LabJob, Hold], Mapping[str, Any] | None]] = {
    LabJob.Kind.RUN: _run,
    LabJob.Kind.OPTIMISE: _optimise,
    LabJob.Kind.THRESHOLD: _fit_threshold,
    LabJob.Kind.TRAIN: _train,
}
