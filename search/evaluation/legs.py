"""Fetches what each leg alone finds for a query, behind the same door and as deep as the search flow looks."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.utils import timezone

from search import retrieval
from search.asked import Asked
from search.candidates import candidates_query, parsed_query
from search.evaluation.asking import Asking
from search.evaluation.fusing import LegScores
from search.exceptions import EmbeddingUnavailable
from search.metrics import StageClock
from search.pipelines import FusionSpec
from search.rule_sets import current_rules
from search.types import Candidate, IndexTarget, Mode
from search.visibility import visible_documents


def leg_scores(
    asking: Asking, text: str, filters: Mapping[str, Any] | None, *, target: IndexTarget
) -> tuple[LegScores, FusionSpec]:
    """Both legs' scores of a query's visible candidates, and how the search flow fuses them.

    Raises InvalidFilter, OpenSearchUnavailable, EmbeddingUnavailable (without a vector there is nothing to fuse).
    """
    request = replace(asking, mode=Mode.HYBRID.value).request(text, filters, deep=False)
    asked = Asked(asking.principal, request, target, asking.profile, StageClock(), current_rules(target))
    wanted, _ = candidates_query(asked, parsed_query(asked))
    if wanted.legs.vector is None:
        raise EmbeddingUnavailable("The legs can't be fused: the embedder does not answer.")
    lexical, vector = retrieval.leg_candidates(wanted)
    documents = _documents(asked, (*lexical, *vector))
    return LegScores.of(_scores(lexical), _scores(vector), documents=documents), wanted.fusion


def _scores(candidates: tuple[Candidate, ...]) -> dict[str, float]:
    return {candidate.chunk_id: candidate.score for candidate in candidates}


def _documents(asked: Asked, candidates: tuple[Candidate, ...]) -> dict[str, str]:
    """The public id of each visible candidate's document, by chunk."""
    visible = visible_documents(
        (candidate.document_id for candidate in candidates),
        principal=asked.principal,
        index_id=asked.target.index_id,
        now=timezone.now(),
    )
    return {
        candidate.chunk_id: document.public_id
        for candidate in candidates
        if (document := visible.get(candidate.document_id)) and document.edition == candidate.edition
    }
