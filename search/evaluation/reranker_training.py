"""Trains a tenant's reranker from a judged query set: asks, learns, and keeps what held-out queries say of it.

It is a job of the lab: what it has found so far is kept after each step, and carried on by whoever has the lease next.
"""

import json
import zlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from itertools import islice
from typing import Any, Protocol, Self

import numpy as np
from django.db.models import Max

from search import services
from search.evaluation import lab, significance
from search.evaluation.measures import Judgements
from search.metrics import StageClock
from search.models import QuerySet, TrainedReranker
from search.reranking import learning
from search.reranking.features import NAMES, feature_rows
from search.reranking.learned import general_model
from search.reranking.learning import GENERAL_LIVE, OWN_LIVE, Example, HeldOut, Validation
from search.reranking.ranking_models import RankingModel
from search.types import Hit, Principal, SearchRequest

LEAST_QUERIES = 20
MOST_QUERIES = 1000
OWN = "own"  # the name of a tenant's reranker where nobody gives it another
_ASKED, _VALIDATED = 0.2, 0.9  # of the progress, when asking and when validating is done


class Hold(Protocol):
    """The lease under which it is trained, see lab_jobs."""

    def slice_is_over(self) -> bool: ...
    def is_over(self) -> bool: ...
    def progress(self, share: float) -> None: ...
    def keep(self, work: bytes) -> None: ...


class _Stopped(Exception):
    """The lease ended in the middle of a fold."""


@dataclass(frozen=True, slots=True)
class Training:
    """How far a training got: the judged queries as they were asked, and what the folds so far have shown."""

    examples: tuple[Example, ...]
    folds: tuple[HeldOut, ...] = ()

    def packed(self) -> bytes:
        """For `unpacked`; JSON, so that nothing in the database is ever executed."""
        texts = {
            "examples": [_plain(one) for one in self.examples],
            "folds": [_plain(one) for one in self.folds],
        }
        return zlib.compress(json.dumps(texts).encode())

    @classmethod
    def unpacked(cls, work: bytes) -> Self:
        read = json.loads(zlib.decompress(work))
        folds = tuple(HeldOut(np.array(one["after"]), np.array(one["lost"])) for one in read["folds"])
        return cls(tuple(_example(one) for one in read["examples"]), folds)


def _example(plain: Mapping[str, Any]) -> Example:
    rows, grades, fused = (np.array(plain[name]) for name in ("rows", "grades", "fused"))
    return Example(plain["query"], rows, grades, fused, tuple(plain["best"]))


def _plain(one: Example | HeldOut) -> dict[str, Any]:
    return {
        name: value.tolist() if isinstance(value, np.ndarray) else value
        for name, value in asdict(one).items()
    }


def train(query_set: QuerySet, *, name: str, work: bytes, hold: Hold) -> TrainedReranker | None:
    """A new version of the tenant's reranker of that name; None: the lease ended, and `work` was kept up to there.

    It starts from the general model. Nothing uses it before a profile that names it goes live. Raises LabError for
    too few judgements.
    """
    try:
        training = Training.unpacked(work) if work else _asked(query_set, hold)
        while len(training.folds) < learning.FOLDS:
            if hold.slice_is_over():
                return None
            training = _next_fold(training, hold)
        model = learning.refined(
            training.examples, general_model(), OWN_LIVE, progress=partial(_advance, hold, _VALIDATED, 1.0)
        )
    except _Stopped:
        return None
    return _kept(query_set, name, training, model)


def _asked(query_set: QuerySet, hold: Hold) -> Training:
    progress = partial(_advance, hold, 0.0, _ASKED)
    examples = judged_examples(query_set, window=OWN_LIVE.window, progress=progress)
    if len(examples) < LEAST_QUERIES:
        raise lab.LabError(f"{len(examples)} queries find a judged document; {LEAST_QUERIES} are needed.")
    training = Training(tuple(examples))
    hold.keep(training.packed())
    return training


def _next_fold(training: Training, hold: Hold) -> Training:
    fold = len(training.folds)
    step = (_VALIDATED - _ASKED) / learning.FOLDS
    first = _ASKED + fold * step
    progress = partial(_advance, hold, first, first + step)
    found = learning.held_out(training.examples, general_model(), OWN_LIVE, fold=fold, progress=progress)
    training = replace(training, folds=(*training.folds, found))
    hold.keep(training.packed())
    return training


def _advance(hold: Hold, first: float, last: float, share: float) -> None:
    hold.progress(first + share * (last - first))
    if hold.is_over():
        raise _Stopped


def _kept(query_set: QuerySet, name: str, training: Training, model: RankingModel) -> TrainedReranker:
    newest = TrainedReranker.objects.filter(tenant_id=query_set.tenant_id, name=name)
    version = (newest.aggregate(last=Max("version"))["last"] or 0) + 1
    return TrainedReranker.objects.create(
        tenant_id=query_set.tenant_id,
        name=name,
        version=version,
        query_set=query_set,
        features=list(NAMES),
        model=model.to_json(),
        query_count=len(training.examples),
        **_shown(learning.validation(training.examples, training.folds, OWN_LIVE)),
    )


def _shown(found: Validation) -> dict[str, object]:
    names = [str(position) for position in range(len(found.before))]
    compared = significance.compare(
        dict(zip(names, found.before.tolist(), strict=True)),
        dict(zip(names, found.after.tolist(), strict=True)),
    )
    order = np.argsort(-found.importances)
    return {
        "before": compared.first,
        "after": compared.second,
        "p": compared.p,
        "folds": [_fold(found, fold) for fold in range(learning.FOLDS) if (found.folds == fold).any()],
        "importances": [
            [NAMES[position], round(float(found.importances[position]), 5)] for position in order
        ],
    }


def _fold(found: Validation, fold: int) -> dict[str, float]:
    held_out = found.folds == fold
    return {
        "queries": int(held_out.sum()),
        "before": round(float(found.before[held_out].mean()), 5),
        "after": round(float(found.after[held_out].mean()), 5),
    }


def judged_examples(
    query_set: QuerySet, *, window: int, progress: Callable[[float], None] = lambda share: None
) -> list[Example]:
    """The judged queries of a set with the first hits that the live profile finds, before any reranking."""
    graded = lab.judgements(query_set)
    queries = list(islice((query for query in query_set.queries.all() if query.pk in graded), MOST_QUERIES))
    tenant = query_set.tenant
    principal = Principal(tenant.pk, tenant.uuid, tuple(query_set.groups))
    examples: list[Example] = []
    for number, query in enumerate(queries, start=1):
        hits = first_hits(principal, query.text, query.filters, window=window)
        if hits:
            examples.append(judged_example(query.text, hits, graded[query.pk]))
        progress(number / len(queries))
    return examples


def first_hits(
    principal: Principal, text: str, filters: Mapping[str, Any] | None, *, window: int
) -> tuple[Hit, ...]:
    """What readers get, before any reranking, as far as a reranker sees."""
    request = SearchRequest(
        query=text,
        filters=filters,
        top_k=window,  # features are relative to the hits beside: learned from as many as are reranked
        rerank=False,
        highlight=False,
        with_total=False,
        curate=False,  # what is learned from is the ranking
    )
    return services.retrieve(principal, request, clock=StageClock()).hits


def judged_example(text: str, hits: Sequence[Hit], judgements: Judgements) -> Example:
    """A query's hits as a reranker learns from them; there is at least one."""
    return Example(
        query=text,
        rows=feature_rows(text, hits),
        grades=np.array([float(judgements.get(hit.document.public_id, 0)) for hit in hits]),
        fused=np.array([hit.score for hit in hits]),
        best=tuple(sorted((float(grade) for grade in judgements.values() if grade > 0), reverse=True)),
    )


def train_general(groups: Sequence[Sequence[QuerySet]]) -> tuple[RankingModel, dict[str, dict[str, float]]]:
    """A model for corpora that were not seen; of each set nDCG@10 `before` and `after` by one without its group."""
    judged = [
        [judged_examples(query_set, window=GENERAL_LIVE.window) for query_set in group] for group in groups
    ]
    figures: dict[str, dict[str, float]] = {}
    for number, group in enumerate(groups):
        without = learning.general([sets for at, sets in enumerate(judged) if at != number])
        for query_set, examples in zip(group, judged[number], strict=True):
            before = [learning.ndcg(example, None, GENERAL_LIVE) for example in examples]
            after = [
                learning.ndcg(example, without.score(example.rows), GENERAL_LIVE) for example in examples
            ]
            figures[f"{query_set.tenant.slug}/{query_set.name}"] = {
                "queries": len(examples),
                "before": round(float(np.mean(before)), 5),
                "after": round(float(np.mean(after)), 5),
            }
    return learning.general(judged), figures
