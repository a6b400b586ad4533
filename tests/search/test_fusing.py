"""Fusion in numpy gives the scores and the order that the engine's pipelines give, on the real node."""

from dataclasses import replace
from typing import Any

import pytest

from search import retrieval
from search.asked import Asked
from search.candidates import candidates_query, parsed_query
from search.evaluation.asking import Asking, ask
from search.evaluation.fusing import LegScores, fused, ranking
from search.evaluation.legs import leg_scores
from search.metrics import StageClock
from search.models import Tenant
from search.pipelines import FusionSpec
from search.profiles import fusion_spec
from search.rule_sets import current_rules
from search.tenants import live_target
from search.types import Fusion, IndexTarget, Principal, RetrievalSettings
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
THINGS = ("pump", "valve", "gasket", "leave", "ticket", "invoice", "contract", "engine", "wing", "river")
QUERIES = (
    "how is a pump primed",
    "leave of parents",
    "zxqv",
    "ticket",
    "P-4711",
    "the wing of an engine near water",
)
SETTINGS = [
    {"fusion": technique, "vector_weight": weight, "rank_constant": constant}
    for technique, constant in ((Fusion.MIN_MAX, 60), (Fusion.Z_SCORE, 60), (Fusion.RRF, 60), (Fusion.RRF, 5))
    for weight in (0.0, 0.2, 0.45, 1.0)
]


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    for number in range(60):
        first, second = THINGS[number % 10], THINGS[(number * 7 + 3) % 10]
        text = f"A {first} stands beside the {second} number {number}. " * (1 + number % 4)
        accept(tenant, f"d{number}", text + ("P-4711" if number == 7 else ""), title=f"The {first}")
    ingest_all(tenant)
    return tenant


def asking(principal: Principal, **settings: Any) -> Asking:
    return Asking(principal, "hybrid", RetrievalSettings(**settings))


def target_of(principal: Principal) -> IndexTarget:
    target = live_target(principal.tenant_id)
    assert target is not None
    return target


def by_engine(how: Asking, query: str) -> dict[str, float]:
    """The fused score of every candidate, by document: each has one chunk."""
    target = target_of(how.principal)
    request = how.request(query, None, deep=False)
    asked = Asked(how.principal, request, target, how.profile, StageClock(), current_rules(target))
    wanted, _ = candidates_query(asked, parsed_query(asked))
    found = retrieval.candidates(replace(wanted, size=2 * wanted.depth))
    return {candidate.chunk_id: candidate.score for candidate in found.candidates}


@pytest.mark.parametrize("k", [200, 20])
def test_fused_scores_equal_the_engines(corpus: Tenant, principal: Principal, k: int) -> None:
    compared = 0
    for query in QUERIES:
        legs, _ = leg_scores(asking(principal, k=k), query, None, target=target_of(principal))
        for settings in SETTINGS:
            how = asking(principal, k=k, **settings)
            ours = sorted(fused(legs, fusion_spec(how.profile)).tolist(), reverse=True)
            theirs = sorted(by_engine(how, query).values(), reverse=True)
            assert ours == pytest.approx(theirs, abs=1e-4), (query, settings)
            compared += len(theirs)
    assert compared > 1000


def test_rankings_equal_those_of_the_search_flow(corpus: Tenant, principal: Principal) -> None:
    for query in QUERIES:
        legs, _ = leg_scores(asking(principal), query, None, target=target_of(principal))
        for settings in SETTINGS[1:3]:
            how = asking(principal, **settings)
            scores = dict(zip(legs.documents, fused(legs, fusion_spec(how.profile)).round(4), strict=True))
            ours, theirs = ranking(legs, fusion_spec(how.profile))[:10], ask(how, query).ranking[:10]
            assert [scores[name] for name in ours] == pytest.approx(
                [scores[name] for name in theirs], abs=2e-4
            )


def test_legs_hold_only_what_is_visible_and_matches_the_filters(corpus: Tenant, principal: Principal) -> None:
    only = {"field": "document", "op": "in", "value": ["d1", "d2"]}
    legs, fusion = leg_scores(asking(principal), "pump", only, target=target_of(principal))
    assert set(legs.documents) == {"d1", "d2"}
    assert fusion.technique is Fusion.MIN_MAX


def test_legs_of_nothing_fuse_to_nothing() -> None:
    empty = LegScores.of({}, {}, documents={})
    for technique in Fusion:
        assert ranking(empty, FusionSpec(technique, 0.5, 60, 0.1)) == []
