"""Pure: how the two legs' scores become one. Each way is a search pipeline of the engine, named by the hash of what
it does, so that equal settings share one and none is ever changed."""

import hashlib
import json
from dataclasses import dataclass
from functools import lru_cache

from search.query import Body
from search.types import Fusion


@dataclass(frozen=True, slots=True)
class FusionSpec:
    """What a fusion depends on. `vector_weight` lies between 0 and 1; the lexical leg has the rest."""

    technique: Fusion
    vector_weight: float
    rank_constant: int
    unrelated_cosine: float  # of passages that have nothing in common, by the embedder

    @property
    def weights(self) -> tuple[float, float]:
        """Of the lexical and of the vector leg, as the engine gets them."""
        return round(1.0 - self.vector_weight, 4), round(self.vector_weight, 4)


@dataclass(frozen=True, slots=True)
class SearchPipeline:
    name: str
    body: Body


@lru_cache(maxsize=512)
def search_pipeline(spec: FusionSpec) -> SearchPipeline:
    """The pipeline that fuses so. How it makes a score is computed again in search.fusion, to explain it."""
    body: Body = {"phase_results_processors": [_processor(spec)]}
    digest = hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()[:16]
    return SearchPipeline(f"ragsite-{digest}", body)


def _processor(spec: FusionSpec) -> Body:
    weights = {"weights": list(spec.weights)}
    if spec.technique is Fusion.RRF:
        return {"score-ranker-processor": {"combination": _reciprocal_ranks(spec.rank_constant, weights)}}
    normalization = _min_max(spec.unrelated_cosine) if spec.technique is Fusion.MIN_MAX else _z_score()
    combination = {"technique": "arithmetic_mean", "parameters": weights}
    return {"normalization-processor": {"normalization": normalization, "combination": combination}}


def _min_max(unrelated_cosine: float) -> Body:
    """Each leg is scaled from "unrelated" (BM25 0, that cosine) to its best hit.

    With the worst candidate as the zero instead, scores would move with the depth.
    """
    floors = [
        {"mode": "apply", "min_score": 0.0},
        {"mode": "clip", "min_score": (1.0 + unrelated_cosine) / 2.0},
    ]
    return {"technique": "min_max", "parameters": {"lower_bounds": floors}}


def _z_score() -> Body:
    """Standard deviations from the mean of the leg's candidates; the engine combines them by the arithmetic
    mean alone."""
    return {"technique": "z_score"}


def _reciprocal_ranks(rank_constant: int, weights: Body) -> Body:
    """Σ weight / (rank constant + rank). Source: Cormack, Clarke and Büttcher 2009, weighted as the engine has it."""
    return {"technique": "rrf", "rank_constant": rank_constant, "parameters": weights}
