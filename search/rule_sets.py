"""A tenant's published curation rules, compiled, and kept in this process until their version moves on.

The version is read with the live index anyway, so rules cost no query after the first one, and a tenant without rules
none at all.
"""

from collections.abc import Iterable
from uuid import UUID

import numpy as np
from django.utils import timezone

from search.asked import CurrentRules
from search.curation import NO_RULES, Match, Rule, RuleSet
from search.embeddings import get_embedder
from search.exceptions import EmbeddingUnavailable
from search.models import CuratedDocument, CurationRule
from search.types import IndexTarget, Redirect

_kept: dict[UUID, tuple[tuple[int, str], RuleSet]] = {}


def current_rules(target: IndexTarget) -> CurrentRules:
    """The rules that hold for a request that begins now."""
    rules = _published(target) if target.curation_version else NO_RULES
    return CurrentRules(rules, timezone.now())


def _published(target: IndexTarget) -> RuleSet:
    version = (target.curation_version, target.variant)
    kept = _kept.get(target.tenant_uuid)
    if kept is not None and kept[0] == version:
        return kept[1]
    rules = published_rules(target.tenant_id)
    try:
        give_vectors(rules, target)
    except EmbeddingUnavailable:  # rules by nearness wait; no query has an embedding either
        return RuleSet(as_rules(rules, target.variant))
    compiled = RuleSet(as_rules(rules, target.variant))
    _kept[target.tenant_uuid] = version, compiled
    return compiled


def published_rules(tenant_id: int) -> list[CurationRule]:
    rules = CurationRule.objects.filter(tenant_id=tenant_id, state=CurationRule.State.PUBLISHED)
    return list(rules.prefetch_related("curated"))


def give_vectors(rules: Iterable[CurationRule], target: IndexTarget) -> None:
    """Embed, and keep, the queries of rules by nearness that lack this index's vectors. Raises EmbeddingUnavailable."""
    for rule in rules:
        if rule.match == CurationRule.Match.NEAR and rule.variant != target.variant:
            embedder = get_embedder(target.embedder)
            vectors = np.array([embedder.embed_query(query) for query in rule.queries], dtype="<f4")
            rule.vectors, rule.variant = vectors.tobytes(), embedder.variant
            CurationRule.objects.filter(pk=rule.pk).update(vectors=rule.vectors, variant=rule.variant)


def as_rules(rows: Iterable[CurationRule], variant: str = "") -> list[Rule]:
    """Rows as the pure rules that they are; vectors only where they are of this embedder variant."""
    return [_as_rule(row, variant) for row in rows]


def _as_rule(row: CurationRule, variant: str) -> Rule:
    curated = list(row.curated.all())
    return Rule(
        id=row.pk,
        match=Match(row.match),
        queries=tuple(row.queries),
        pins=tuple(one.document_id for one in curated if one.action == CuratedDocument.Action.PIN),
        hides=tuple(one.document_id for one in curated if one.action == CuratedDocument.Action.HIDE),
        redirect=Redirect(row.redirect_url, row.redirect_label) if row.redirect_url else None,
        priority=row.priority,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
        vectors=_vectors(row) if row.variant == variant else None,
        least_cosine=row.least_cosine,
    )


def _vectors(row: CurationRule) -> object:
    if not row.vectors:
        return None
    return np.frombuffer(row.vectors, dtype="<f4").reshape(len(row.queries), -1)
