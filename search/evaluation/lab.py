"""The relevance lab: a query set is asked with given settings and measured, and one run is compared with another.

A run's rows are the truth: whoever carries it on asks what has no row yet, so a killed worker loses one query at most.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict

from django.utils import timezone

from search.evaluation import significance
from search.evaluation.asking import RERANK, Asking, ask
from search.evaluation.measures import Judgements, mean, measure, measured, relevant
from search.evaluation.significance import Comparison
from search.exceptions import InvalidRequest, SearchError
from search.models import EvaluationRun, JudgedQuery, Judgement, Profile, QuerySet, RunRow
from search.profile_settings import version_settings
from search.profiles import retrieval_settings
from search.reranking.choice import reranker_name
from search.tenants import live_target
from search.types import IndexTarget, Mode, Principal, RetrievalSettings

MEASURES = ("ndcg@10", "map@100", "mrr@10", "precision@10", "recall@100", "judged@10")
MAIN_MEASURE = "ndcg@10"
State = EvaluationRun.State


class LabError(SearchError):
    """The lab can't do what it was asked for; the message says why."""

    code = "lab_error"
    status = 409


def start(
    query_set: QuerySet, *, mode: str | None = None, profile: RetrievalSettings | None = None
) -> EvaluationRun:
    """A run that waits to be carried on; without a profile with what readers get now, without a mode as they ask.

    Raises LabError for a set or a tenant that is empty.
    """
    target = live_target(query_set.tenant_id)
    if target is None:
        raise LabError("The tenant has no index yet: it has no document.")
    if not (count := query_set.queries.count()):
        raise LabError(f"The query set {query_set.name!r} has no query.")
    profile = profile or live_settings(target)
    return EvaluationRun.objects.create(
        query_set=query_set,
        mode=mode or readers_mode(profile),
        profile_name=profile.name,
        profile_version=profile.version,
        settings=asdict(profile),
        index=target.name,
        content_version=target.content_version,
        variant=target.variant,
        reranker=reranker_name(profile),
        query_count=count,
    )


def carry_on(run: EvaluationRun, *, should_stop: Callable[[], bool] = lambda: False) -> EvaluationRun:
    """Ask the queries that have no row yet, then measure; `should_stop` is asked before each.

    Does nothing to a run that has ended. What is down is raised (OpenSearchUnavailable), and the run stays open;
    a query that can't be asked makes it fail and is named.
    """
    if not _advance(run, State.RUNNING):
        return run
    target = live_target(run.query_set.tenant_id)
    if target is None or target.name != run.index:
        return _end(run, State.FAILED, "Another index version went live while it ran.")
    asking = asking_of(run)
    for query in _without_row(run):
        if should_stop() or not _is_open(run):
            run.refresh_from_db()
            return run
        try:
            _ask(run, asking, query)
        except InvalidRequest as error:
            return _end(run, State.FAILED, f"The query {query.public_id!r} can't be asked: {error}")
    measure_run(run)
    _note_evaluated(run)
    return _end(run, State.DONE)


def _note_evaluated(run: EvaluationRun) -> None:
    versions = Profile.objects.filter(tenant_id=run.query_set.tenant_id, name=run.profile_name)
    drafts = versions.filter(version=run.profile_version, state=Profile.State.DRAFT)
    drafts.update(state=Profile.State.EVALUATED)


def asking_of(run: EvaluationRun) -> Asking:
    """How a run asks: as a principal that holds the groups of its query set."""
    tenant, groups = run.query_set.tenant, tuple(run.query_set.groups)
    return Asking(Principal(tenant.pk, tenant.uuid, groups), run.mode, settings_of(run))


def settings_of(run: EvaluationRun) -> RetrievalSettings:
    """The settings that a run was started with; what has been added to them since has its default."""
    return version_settings(run.profile_name, run.profile_version, run.settings)


def cancel(run: EvaluationRun) -> bool:
    """End an open run before its next query; its rows stay."""
    return _advance(run, State.CANCELLED)


def progress(run: EvaluationRun) -> float:
    """The share of the queries that were asked, 0 to 1."""
    return min(1.0, run.rows.count() / run.query_count) if run.query_count else 1.0


def _advance(run: EvaluationRun, state: str) -> bool:
    """Change the state of a run that is open still, whatever this copy of it says."""
    ended = {"finished_at": timezone.now()} if state == State.CANCELLED else {}
    open_rows = EvaluationRun.objects.filter(pk=run.pk, state__in=(State.PENDING, State.RUNNING))
    changed = bool(open_rows.update(state=state, **ended))
    run.refresh_from_db()
    return changed


def _end(run: EvaluationRun, state: str, reason: str = "") -> EvaluationRun:
    open_rows = EvaluationRun.objects.filter(pk=run.pk, state=State.RUNNING)
    open_rows.update(state=state, reason=reason[:1000], finished_at=timezone.now())
    run.refresh_from_db()
    return run


def _is_open(run: EvaluationRun) -> bool:
    return EvaluationRun.objects.filter(pk=run.pk, state=State.RUNNING).exists()


def _without_row(run: EvaluationRun) -> list[JudgedQuery]:
    asked = run.rows.values("query_id")
    return list(JudgedQuery.objects.filter(query_set_id=run.query_set_id).exclude(pk__in=asked))


def _ask(run: EvaluationRun, asking: Asking, query: JudgedQuery) -> None:
    found = ask(asking, query.text, query.filters)
    RunRow.objects.bulk_create(
        [
            RunRow(
                run=run,
                query=query,
                ranking=list(found.ranking),
                milliseconds=round(found.milliseconds, 3),
                degraded=list(found.degraded),
            )
        ],
        ignore_conflicts=True,  # another worker has asked it meanwhile
    )


def judgements(query_set: QuerySet) -> dict[int, dict[str, int]]:
    """Grades by document, by the query's primary key; only of queries with a relevant document that have an answer."""
    rows = Judgement.objects.filter(query__query_set=query_set, query__is_unanswerable=False)
    graded: dict[int, dict[str, int]] = {}
    for query_id, document, grade in rows.values_list("query_id", "document", "grade"):
        graded.setdefault(query_id, {})[document] = grade
    return {query_id: grades for query_id, grades in graded.items() if relevant(grades)}


def rankings(run: EvaluationRun) -> Iterator[tuple[int, list[str]]]:
    """(query's primary key, ranking) of each row."""
    return run.rows.values_list("query_id", "ranking").iterator(chunk_size=200)


def values(run: EvaluationRun, name: str, *, by: Mapping[int, Judgements] | None = None) -> dict[int, float]:
    """A measure of each judged query, by its primary key, against the judgements of now: those may have grown."""
    graded = judgements(run.query_set) if by is None else by
    return {
        query_id: measure(name, ranking, graded[query_id])
        for query_id, ranking in rankings(run)
        if query_id in graded
    }


def measure_run(run: EvaluationRun) -> None:
    """Measure each row and the run by the judgements of now. A query without a relevant document has no measures."""
    graded = judgements(run.query_set)
    rows = list(run.rows.all())
    for row in rows:
        grades = graded.get(row.query_id)
        row.measures = measured(MEASURES, row.ranking, grades) if grades else {}
    RunRow.objects.bulk_update(rows, ["measures"], batch_size=200)
    run.measures = _means([row.measures for row in rows if row.measures])
    run.measures["degraded"] = sum(bool(row.degraded) for row in rows)
    run.save(update_fields=["measures"])


def _means(measures: Sequence[Mapping[str, float]]) -> dict[str, float]:
    means = {name: round(mean([one[name] for one in measures]), 6) for name in MEASURES}
    return means | {"queries": len(measures)}


def compare(first: EvaluationRun, second: EvaluationRun, *, name: str = MAIN_MEASURE) -> Comparison:
    """A second run against a first, query by query, both by the judgements of now.

    `differences` is keyed by the query's public id. Raises LabError for runs of two sets or without a common query.
    """
    if first.query_set_id != second.query_set_id:
        raise LabError("Runs of two query sets can't be compared.")
    graded = judgements(first.query_set)
    try:
        return significance.compare(
            _by_public_id(first, values(first, name, by=graded)),
            _by_public_id(second, values(second, name, by=graded)),
        )
    except ValueError as error:
        raise LabError(str(error)) from error


def _by_public_id(run: EvaluationRun, found: Mapping[int, float]) -> dict[str, float]:
    names = dict(JudgedQuery.objects.filter(query_set_id=run.query_set_id).values_list("pk", "public_id"))
    return {names[query_id]: value for query_id, value in found.items()}


def readers_mode(profile: RetrievalSettings) -> str:
    """How readers ask: through the reranker where these settings have one."""
    return RERANK if reranker_name(profile) else Mode.HYBRID.value


def live_settings(target: IndexTarget) -> RetrievalSettings:
    """What holds for requests that name no profile."""
    return retrieval_settings(target, None)


def accept(run: EvaluationRun) -> None:
    """Later nightly runs of the set are compared with this one. Raises LabError for one that is not done."""
    if run.state != State.DONE:
        raise LabError("Only a run that is done can be accepted.")
    run.is_accepted, run.is_regression = True, False
    run.save(update_fields=["is_accepted", "is_regression"])


def check_regression(run: EvaluationRun) -> None:
    """Set a run against the newest accepted one of its set; a first run, and one that is better, is accepted itself."""
    accepted = run.query_set.runs.filter(is_accepted=True, state=State.DONE).exclude(pk=run.pk)
    before = accepted.order_by("-pk").first()
    comparison = compare(before, run) if before else None
    run.is_regression = comparison is not None and comparison.is_significantly_worse()
    run.is_accepted = comparison is None or comparison.is_significantly_better()
    run.save(update_fields=["is_regression", "is_accepted"])
