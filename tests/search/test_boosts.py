"""Lifts by recency and popularity: their bodies, and on the real node what they change and what they do not."""

from datetime import UTC, date, datetime
from typing import Any

import pytest

from search.boosts import Boosts
from search.client import get_client
from search.models import Tenant
from search.query import Legs, candidates_body
from search.tenants import live_target
from search.types import Mode
from tests.factories import accept, ingest_all

TODAY = date(2025, 6, 1)
MATCH = {"match": {"text_en": {"query": "pump"}}}


def test_without_weights_a_clause_is_the_same_object() -> None:
    assert Boosts(TODAY, half_life_days=10, popularity_path="metadata.number.views").lift(MATCH) is MATCH


def test_a_lift_multiplies_by_one_and_the_weighted_parts() -> None:
    lifted = Boosts(TODAY, recency_weight=0.2, half_life_days=30).lift(MATCH, share=0.5)
    assert lifted == {
        "function_score": {
            "query": MATCH,
            "functions": [
                {"weight": 1.0},
                {
                    "filter": {"exists": {"field": "published_at"}},
                    "exp": {"published_at": {"origin": "2025-06-01", "scale": "30d", "decay": 0.5}},
                    "weight": 0.1,
                },
            ],
            "score_mode": "sum",
            "boost_mode": "multiply",
        }
    }


@pytest.fixture
def dated(main_job: None, tenant: Tenant) -> Tenant:
    for name, year, views in (("old", 2015, 9), ("new", 2025, 0), ("dateless", None, 999)):
        published = None if year is None else datetime(year, 6, 1, tzinfo=UTC)
        metadata = {"views": views} if views else {}
        accept(tenant, name, "The pump hums.", published_at=published, metadata=metadata)
    accept(
        tenant,
        "about",
        "The pump: pump care, pump start and pump oil.",
        title="Pump care",
        published_at=datetime(2001, 1, 1, tzinfo=UTC),
    )
    ingest_all(tenant)
    return tenant


def scores(tenant: Tenant, boosts: Boosts | None) -> dict[str, float]:
    target = live_target(tenant.pk)
    assert target is not None
    legs = Legs("pump oil", target.languages, None, Mode.LEXICAL, boosts=boosts)
    body = candidates_body(legs, door={"match_all": {}}, depth=10, size=10, pipeline=None)
    hits: list[dict[str, Any]] = get_client().search(
        index=target.name, body=body | {"docvalue_fields": ["document"]}
    )["hits"]["hits"]
    return {hit["fields"]["document"][0]: hit["_score"] for hit in hits}


def test_a_newer_document_is_lifted_by_its_weight_and_one_without_a_date_is_not(dated: Tenant) -> None:
    plain = scores(dated, None)
    lifted = scores(dated, Boosts(TODAY, recency_weight=0.2, half_life_days=365))
    assert lifted["new"] == pytest.approx(plain["new"] * 1.2, rel=1e-4)
    assert lifted["old"] == pytest.approx(plain["old"] * (1 + 0.2 * 0.5**10), rel=1e-3)
    assert lifted["dateless"] == pytest.approx(plain["dateless"], rel=1e-6)
    assert max(lifted, key=lambda name: lifted[name]) == "about"  # the better match is not buried


def test_a_popular_document_is_lifted_within_bounds(dated: Tenant) -> None:
    plain = scores(dated, None)
    lifted = scores(dated, Boosts(TODAY, popularity_weight=0.4, popularity_path="metadata.number.views"))
    assert lifted["old"] == pytest.approx(plain["old"] * 1.2, rel=1e-4)
    assert lifted["dateless"] == pytest.approx(plain["dateless"] * 1.3, rel=1e-4)
    assert lifted["new"] == pytest.approx(plain["new"], rel=1e-6)


def test_a_field_that_no_document_has_lifts_nothing(dated: Tenant) -> None:
    absent = Boosts(TODAY, popularity_weight=0.4, popularity_path="metadata.number.nothing")
    assert scores(dated, absent) == pytest.approx(scores(dated, None))


def test_a_hybrid_query_lifts_both_legs_the_closer_one_less() -> None:
    legs = Legs("pump", ("en",), [0.6, 0.8], Mode.HYBRID, boosts=Boosts(TODAY, recency_weight=0.2))
    body = candidates_body(legs, door={}, depth=10, size=10, pipeline="p")
    weights = [q["function_score"]["functions"][1]["weight"] for q in body["query"]["hybrid"]["queries"]]
    assert weights == [0.2, pytest.approx(0.09)]
