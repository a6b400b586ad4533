"""A judged set's row of the relevance table: each leg, each fusion at equal weights, as shipped, tuned, reranked.

Nothing is shown by a query that it was chosen by: what is shipped saw none, what is tuned or trained saw the others.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from search.evaluation import tuning
from search.evaluation.asking import as_readers_ask
from search.evaluation.fusing import LegScores, leg_ranking, ranking
from search.evaluation.lab import LabError
from search.evaluation.legs import leg_scores
from search.evaluation.measures import Judgements, mean, measure
from search.evaluation.reranker_training import first_hits, judged_example
from search.evaluation.significance import compare
from search.evaluation.tuning import TunedQuery
from search.reranking import learning
from search.reranking.learning import OWN_LIVE, Example
from search.tenants import live_target
from search.types import Fusion, Mode, Principal

MEASURE = "ndcg@10"
COLUMNS = ("lexical", "vector", *(technique.value for technique in Fusion), "shipped", "tuned", "reranked")
ALLOWED_LOSS = 0.005  # of hybrid search against its better leg
_MOST_TRAINED = 400  # queries of a set, those whose ids hash lowest: growing trees takes longer than asking


@dataclass(frozen=True, slots=True)
class Question:
    """A judged query; its judgements are by public id."""

    id: str
    text: str
    filters: Mapping[str, Any] | None
    judgements: Judgements


@dataclass(frozen=True, slots=True)
class AskedQuery:
    """A judged query as asked once: its legs and how they are fused as shipped, and the hits that readers get."""

    tuned: TunedQuery
    shipped: tuple[str, ...]
    example: Example | None  # None: nothing was found

    @property
    def judgements(self) -> Judgements:
        return self.tuned.judgements


@dataclass(frozen=True, slots=True)
class Row:
    """A set's nDCG@10 by column. `reranked` is of `trained` queries, of which `unranked` is the figure as shipped."""

    queries: int
    ndcg: Mapping[str, float]
    trained: int
    unranked: float
    p: float  # that reranking gains nothing

    @property
    def loses(self) -> bool:
        """Whether hybrid search as shipped is worse than its better leg by more than is allowed."""
        return self.ndcg["shipped"] < max(self.ndcg["lexical"], self.ndcg["vector"]) - ALLOWED_LOSS

    def as_json(self) -> dict[str, Any]:
        reranking = {"queries": self.trained, "before": round(self.unranked, 5), "p": round(self.p, 5)}
        figures = {column: round(value, 5) for column, value in self.ndcg.items()}
        return {"queries": self.queries, MEASURE: figures, "reranking": reranking, "loses": self.loses}


def asked(principal: Principal, questions: Iterable[Question]) -> Iterator[AskedQuery]:
    """Each question as readers ask it, once. Raises LabError without an index, and what a search raises."""
    target = live_target(principal.tenant_id)
    if target is None:
        raise LabError("There is nothing to ask: no document could be loaded.")
    asking = as_readers_ask(principal, Mode.HYBRID.value)
    for one in questions:
        legs, now = leg_scores(asking, one.text, one.filters, target=target)
        hits = first_hits(principal, one.text, one.filters, window=OWN_LIVE.window)
        yield AskedQuery(
            TunedQuery(one.id, legs, one.judgements, now),
            tuple(hit.document.public_id for hit in hits),
            judged_example(one.text, hits, one.judgements) if hits else None,
        )


def row(queries: Sequence[AskedQuery], *, progress: Callable[[float], None] = lambda share: None) -> Row:
    """Raises ValueError for too few queries to halve."""
    tuned = tuning.tune([query.tuned for query in queries], name=MEASURE)
    before, after, p = _reranked(_drawn(queries), progress=progress)
    ndcg = {
        "lexical": _mean(queries, lambda legs: leg_ranking(legs, legs.lexical)),
        "vector": _mean(queries, lambda legs: leg_ranking(legs, legs.vector)),
        **{technique.value: _fused(queries, technique) for technique in Fusion},
        "shipped": mean([measure(MEASURE, query.shipped, query.judgements) for query in queries]),
        "tuned": tuned.held_out.second,
        "reranked": float(np.mean(after)),
    }
    return Row(len(queries), ndcg, len(after), float(np.mean(before)), p)


def _mean(queries: Iterable[AskedQuery], ranked: Callable[[LegScores], Sequence[str]]) -> float:
    return mean([measure(MEASURE, ranked(query.tuned.legs), query.judgements) for query in queries])


def _fused(queries: Iterable[AskedQuery], technique: Fusion) -> float:
    return mean(
        [
            measure(
                MEASURE,
                ranking(query.tuned.legs, replace(query.tuned.now, technique=technique, vector_weight=0.5)),
                query.judgements,
            )
            for query in queries
        ]
    )


def _drawn(queries: Sequence[AskedQuery]) -> list[Example]:
    order = tuning.by_hash([query.tuned.public_id for query in queries])
    examples = [queries[position].example for position in order]
    return [example for example in examples if example is not None][:_MOST_TRAINED]


def _reranked(
    examples: Sequence[Example], *, progress: Callable[[float], None]
) -> tuple[Sequence[float], Sequence[float], float]:
    """nDCG@10 of each query as shipped and by a reranker that learned from the other folds alone; p of the gain.

    It starts from nothing: the general model was grown from sets that may be among these.
    """
    found = learning.cross_validated(examples, learning.untrained(), OWN_LIVE, progress=progress)
    before, after = found.before.tolist(), found.after.tolist()
    compared = compare(*({str(at): value for at, value in enumerate(values)} for values in (before, after)))
    return before, after, compared.p
