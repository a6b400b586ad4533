"""The learned reranker: trees over what is known of each hit. No model hub, no learning library, some milliseconds."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from django.db.models import QuerySet

from search.exceptions import RerankUnavailable
from search.models import TrainedReranker
from search.reranking.deadlines import Deadline
from search.reranking.features import feature_rows
from search.reranking.ranking_models import RankingModel
from search.types import Hit

GENERAL = Path(__file__).with_name("general.json")
_KEPT_MODELS = 64


@dataclass(frozen=True)
class LearnedReranker:
    name: str
    model: RankingModel

    def rerank(self, query: str, hits: Sequence[Hit], *, deadline_seconds: float) -> list[float]:
        """The deadline is asked once: all is done in some milliseconds."""
        if not hits:
            return []
        Deadline(deadline_seconds, len(hits)).remaining(done=0)
        return [float(score) for score in self.model.score(feature_rows(query, hits))]

    def close(self) -> None:
        """Nothing is held that outlives the object."""


def general_reranker() -> LearnedReranker:
    """What comes with the platform, learned from judged sets of other corpora: a backend of SEARCH_RERANKER."""
    return LearnedReranker("general", general_model())


@lru_cache(maxsize=1)
def general_model() -> RankingModel:
    return RankingModel.from_json(json.loads(GENERAL.read_text(encoding="utf-8")))


@lru_cache(maxsize=_KEPT_MODELS)
def trained_reranker(tenant_id: int, named: str) -> LearnedReranker:
    """A tenant's own, as NAME@VERSION; a version never changes, so it is read once a process.

    Raises RerankUnavailable for one that is not there.
    """
    stored = _version(tenant_id, named).values_list("model", flat=True).first()
    if stored is None:
        raise RerankUnavailable(f"model: the tenant has no reranker {named}")
    return LearnedReranker(named, RankingModel.from_json(stored))


def is_trained(tenant_id: int, named: str) -> bool:
    """Whether the tenant has this NAME@VERSION."""
    return _version(tenant_id, named).exists()


def _version(tenant_id: int, named: str) -> "QuerySet[TrainedReranker]":
    name, _, version = named.partition("@")
    number = int(version) if version.isascii() and version.isdigit() and len(version) < 10 else 0
    return TrainedReranker.objects.filter(tenant_id=tenant_id, name=name, version=number)
