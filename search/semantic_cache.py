"""The semantic cache: an answer given before to a near question, when both ask the same.

Near vectors only propose. `search.questions` decides by words, and those that it does not know to mean the same have to
be near each other; the thresholds are fitted by `evaluate_semantic_cache`. Answers that lack something are never kept.
"""

from datetime import datetime
from functools import lru_cache
from typing import Any

import numpy as np
import structlog
from django.conf import settings
from django.utils import timezone

from search import question_index, understanding
from search.caches import CacheScope
from search.candidates import query_embedding
from search.embeddings import get_embedder
from search.exceptions import BulkRefused, EmbeddingUnavailable, OpenSearchUnavailable
from search.metrics import CACHE_READS, StageClock
from search.question_index import LAYER, Answered, StoredQuestion
from search.questions.guards import difference, unmatched
from search.questions.reading import read
from search.responses import are_visible, as_hit, valid_until
from search.types import AskRequest, IndexTarget, Principal

logger = structlog.get_logger(__name__)


def near_response(
    request: AskRequest, scope: CacheScope, principal: Principal, target: IndexTarget
) -> dict[str, Any] | None:
    """The stored answer to a question that asks the same, whose documents are all still visible; else None."""
    text = _text(request, target)
    if text is None:
        return None
    clock = StageClock()
    try:
        with clock.stage("semantic_cache"):
            found = _found(text, scope, principal, target)
    except (OpenSearchUnavailable, EmbeddingUnavailable):  # said by what follows, which needs them as well
        CACHE_READS.labels(LAYER, "unavailable").inc()
        return None
    CACHE_READS.labels(LAYER, "miss" if found is None else "hit").inc()
    if found is None:
        return None
    entry, body = found
    hit = as_hit(body, LAYER, question=entry.question, stored_at=entry.stored_at)
    return hit | {"timings": clock.total()}


def keep_near_response(
    request: AskRequest, scope: CacheScope, target: IndexTarget, body: dict[str, Any], *, since: datetime
) -> None:
    """Keep the answer to what was asked at `since`, if it is one that nothing was left out of."""
    text = _text(request, target)
    if text is None or body["degraded"] or body["refused"]:
        return
    until = valid_until(target.tenant_id, since, settings.SEARCH_SEMANTIC_CACHE_TTL_SECONDS)
    if until <= timezone.now():
        return
    try:
        vector = query_embedding(text, target)
        question_index.keep(target, scope, Answered(vector, body, since, until))
    except (OpenSearchUnavailable, BulkRefused, EmbeddingUnavailable) as error:
        logger.warning("semantic_cache_not_written", code=error.code)


def _text(request: AskRequest, target: IndexTarget) -> str | None:
    """What is embedded of a question. None where the cache is off, and for one after others or with operators, which
    says exactly what it means."""
    if not (settings.SEARCH_SEMANTIC_CACHE and target.answers_near_questions) or request.history:
        return None
    parsed = understanding.parse(request.question, target.schema)
    return None if parsed.phrases or parsed.excluded or parsed.filters else parsed.text or None


def _found(
    text: str, scope: CacheScope, principal: Principal, target: IndexTarget
) -> tuple[StoredQuestion, dict[str, Any]] | None:
    vector = query_embedding(text, target)
    for entry in question_index.nearest(target, scope, vector, now=timezone.now()):
        if entry.cosine >= settings.SEARCH_SEMANTIC_CACHE_COSINE and asks_the_same(
            scope.question, entry.question, target.embedder
        ):
            body = question_index.read_body(target.tenant_uuid, target.variant, entry.id)
            if body is not None and are_visible(body, principal, target):
                return entry, body
    return None


def asks_the_same(question: str, stored: str, embedder: str) -> bool:
    """Whether no guard holds the two apart and each word that only one has is near one of the other's."""
    enough: float = settings.SEARCH_SEMANTIC_CACHE_WORD_COSINE
    return word_cosine(question, stored, embedder) >= enough


def word_cosine(question: str, stored: str, embedder: str) -> float:
    """How near the words that only one of two questions has are to those of the other: the least near of them.

    1 where both have the same words; -1 where a guard holds them apart, or a word has no counterpart.
    """
    asked, before = read(question), read(stored)
    if difference(asked, before) is not None:
        return -1.0
    words = unmatched(asked, before)
    if words is None:
        return -1.0
    if not words.asked:
        return 1.0
    rows = np.stack([_word_vector(embedder, word) for word in words.asked])
    columns = np.stack([_word_vector(embedder, word) for word in words.stored])
    cosines = rows @ columns.T
    return float(min(cosines.max(axis=1).min(), cosines.max(axis=0).min()))


@lru_cache(maxsize=20_000)
def _word_vector(embedder: str, word: str) -> Any:
    return get_embedder(embedder).embed_query(word)
