"""Trains a tenant's reranker from a judged query set: asks, learns, and keeps what held-out queries say of it."""

from collections.abc import Callable, Sequence
from functools import partial
from itertools import islice

import numpy as np
from django.db.models import Max

from search import services
from search.evaluation import lab, significance
from search.evaluation.measures import Judgements
from search.metrics import StageClock
from search.models import JudgedQuery, QuerySet, TrainedReranker
from search.reranking import learning
from search.reranking.features import NAMES, feature_rows
from search.reranking.learned import general_model
from search.reranking.learning import Example, Live, Validation
from search.reranking.ranking_models import RankingModel
from search.types import Hit, Principal, SearchRequest

LEAST_QUERIES = 20
MOST_QUERIES = 1000
_ASKED, _VALIDATED = 0.3, 0.9  # of the progress, when asking and when validating is done

Progress = Callable[[float], None]


def train(query_set: QuerySet, *, name: str, progress: Progress = lambda share: None) -> TrainedReranker:
    """A new version of the tenant's reranker of that name. Raises LabError for too few judgements.

    It starts from the general model. Nothing uses it before a profile that names it goes live.
    """
    examples = judged_examples(query_set, progress=partial(_within, progress, 0.0, _ASKED))
    if len(examples) < LEAST_QUERIES:
        raise lab.LabError(f"{len(examples)} queries find a judged document; {LEAST_QUERIES} are needed.")
    live = Live()
    found = learning.cross_validated(
        examples, general_model(), live, progress=partial(_within, progress, _ASKED, _VALIDATED)
    )
    model = learning.refined(
        examples, general_model(), live, progress=partial(_within, progress, _VALIDATED, 1.0)
    )
    newest = TrainedReranker.objects.filter(tenant_id=query_set.tenant_id, name=name)
    version = (newest.aggregate(last=Max("version"))["last"] or 0) + 1
    return TrainedReranker.objects.create(
        tenant_id=query_set.tenant_id,
        name=name,
        version=version,
        query_set=query_set,
        features=list(NAMES),
        model=model.to_json(),
        query_count=len(examples),
        **_shown(found),
    )


def _within(progress: Progress, first: float, last: float, share: float) -> None:
    progress(first + share * (last - first))


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


def judged_examples(query_set: QuerySet, *, progress: Progress = lambda share: None) -> list[Example]:
    """The judged queries of a set with what the live profile finds for them, before any reranking."""
    graded = lab.judgements(query_set)
    queries = list(islice((query for query in query_set.queries.all() if query.pk in graded), MOST_QUERIES))
    tenant = query_set.tenant
    principal = Principal(tenant.pk, tenant.uuid, tuple(query_set.groups))
    examples: list[Example] = []
    for number, query in enumerate(queries, start=1):
        hits = _hits(principal, query)
        if hits:
            examples.append(_example(query, hits, graded[query.pk]))
        progress(number / len(queries))
    return examples


def _hits(principal: Principal, query: JudgedQuery) -> tuple[Hit, ...]:
    request = SearchRequest(
        query=query.text,
        filters=query.filters,
        top_k=Live().window,  # features are relative to the hits beside: learned from as many as are reranked
        rerank=False,
        highlight=False,
        with_total=False,
    )
    return services.retrieve(principal, request, clock=StageClock()).hits


def _example(query: JudgedQuery, hits: Sequence[Hit], judgements: Judgements) -> Example:
    return Example(
        query=query.text,
        rows=feature_rows(query.text, hits),
        grades=np.array([float(judgements.get(hit.document.public_id, 0)) for hit in hits]),
        fused=np.array([hit.score for hit in hits]),
        best=tuple(sorted((float(grade) for grade in judgements.values() if grade > 0), reverse=True)),
    )


def train_general(groups: Sequence[Sequence[QuerySet]]) -> tuple[RankingModel, dict[str, dict[str, float]]]:
    """A model for corpora that were not seen; of each set nDCG@10 `before` and `after` by one without its group."""
    judged = [[judged_examples(query_set) for query_set in group] for group in groups]
    figures: dict[str, dict[str, float]] = {}
    for number, group in enumerate(groups):
        without = learning.general([sets for at, sets in enumerate(judged) if at != number])
        for query_set, examples in zip(group, judged[number], strict=True):
            before = [learning.ndcg(example, None, Live()) for example in examples]
            after = [learning.ndcg(example, without.score(example.rows), Live()) for example in examples]
            figures[f"{query_set.tenant.slug}/{query_set.name}"] = {
                "queries": len(examples),
                "before": round(float(np.mean(before)), 5),
                "after": round(float(np.mean(after)), 5),
            }
    return learning.general(judged), figures
