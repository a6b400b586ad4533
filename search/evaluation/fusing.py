"""Pure: the legs' scores of one query fused as the engine's search pipelines do it, in numpy.

So that a hundred weights can be tried on one retrieval. That it equals the engine is tested on the node, on one shard.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from search.fusion import Floats, normalised
from search.pipelines import FusionSpec


@dataclass(frozen=True, slots=True)
class LegScores:
    """One query's candidates, the union of both legs: each one's document, and its score by each leg, NaN where
    that leg did not find it: BM25, and (1 + cosine) / 2.
    """

    documents: tuple[str, ...]
    lexical: Floats
    vector: Floats

    @classmethod
    def of(
        cls, lexical: Mapping[str, float], vector: Mapping[str, float], *, documents: Mapping[str, str]
    ) -> "LegScores":
        """From each leg's scores by chunk, and the document of each chunk that is visible."""
        chunks = [chunk for chunk in dict.fromkeys((*lexical, *vector)) if chunk in documents]
        return cls(
            tuple(documents[chunk] for chunk in chunks),
            np.array([lexical.get(chunk, np.nan) for chunk in chunks]),
            np.array([vector.get(chunk, np.nan) for chunk in chunks]),
        )


def fused(legs: LegScores, spec: FusionSpec) -> Floats:
    """The fused score of each candidate."""
    lexical, vector = (np.nan_to_num(leg) for leg in normalised(legs.lexical, legs.vector, spec))
    by_words, by_meaning = spec.weights
    fused_scores: Floats = by_words * lexical + by_meaning * vector
    return fused_scores


def ranking(legs: LegScores, spec: FusionSpec) -> list[str]:
    """Documents by the fused score of their best chunk."""
    return leg_ranking(legs, fused(legs, spec))


def leg_ranking(legs: LegScores, scores: Floats) -> list[str]:
    """Documents by the best of these scores of the candidates; those with none (NaN) are left out."""
    order = np.argsort(-scores, kind="stable")
    return list(dict.fromkeys(legs.documents[row] for row in order if not np.isnan(scores[row])))
