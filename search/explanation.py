"""Why each hit is here: its raw scores, their normalised parts and weights, the reranker, curation.

The parts are computed from the legs' windows, which are read for it: a request that wants no explanation pays nothing.
"""

from dataclasses import replace
from typing import Any

from search import query, retrieval
from search.asked import Asked
from search.candidates import Found
from search.fusion import FusedParts, LegPart, Window, fused_parts
from search.reranking.choice import reranker_name
from search.types import Hit, Mode, RetrievalSettings

Json = dict[str, Any]
_LEGS = {
    Mode.HYBRID: (query.LEXICAL, query.VECTOR),
    Mode.LEXICAL: (query.LEXICAL,),
    Mode.VECTOR: (query.VECTOR,),
}


def explained(asked: Asked, found: Found, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    """The hits with their explanations. Raises OpenSearchUnavailable."""
    if not hits:
        return hits
    with asked.clock.stage("explain"):
        windows = legs_windows(found)
    parts = fused_parts(windows[query.LEXICAL], windows[query.VECTOR], found.wanted.fusion)
    none = FusedParts(None, None)
    return tuple(
        replace(hit, explanation=_explanation(hit, parts.get(hit.chunk_id, none), found, asked.profile))
        for hit in hits
    )


def legs_windows(found: Found) -> dict[str, Window]:
    """What each leg that ran looked at, best first; empty for one that did not."""
    read = retrieval.windows(found.wanted, _LEGS[found.wanted.legs.mode])
    return {leg: read.get(leg, {}) for leg in (query.LEXICAL, query.VECTOR)}


def _explanation(hit: Hit, parts: FusedParts, found: Found, profile: RetrievalSettings) -> Json:
    is_fused = found.wanted.legs.mode is Mode.HYBRID
    fusion = {"technique": found.wanted.fusion.technique.value, "score": parts.score}
    rerank = {
        "model": reranker_name(profile),
        "score": hit.scores.rerank,
        "blend": profile.rerank_blend,
    }
    curation = {"pinned": hit.curated == "pinned", "rules": list(found.curation.rules)}
    return {
        "score": hit.score,
        "legs": {
            query.LEXICAL: parts.lexical and _leg(parts.lexical, parts.lexical.raw, is_fused=is_fused),
            query.VECTOR: parts.vector
            and _leg(parts.vector, query.cosine(parts.vector.raw), is_fused=is_fused),
        },
        "fusion": fusion if is_fused else None,
        "rerank": rerank if hit.scores.rerank is not None else None,
        "curation": curation if found.curation.rules else None,
    }


def _leg(leg: LegPart, score: float, *, is_fused: bool) -> Json:
    """A leg's part of the fused score, `part` = `weight` × `normalised`; alone it is the score itself."""
    told: Json = {"score": score, "rank": leg.rank}
    if not is_fused:
        return told
    return told | {"normalised": leg.normalised, "weight": leg.weight, "part": leg.part}
