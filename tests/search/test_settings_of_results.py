"""What a profile's settings do to results on the real node: boosts by recency and popularity, and diversity."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from search import retrieval, services
from search.metrics import StageClock
from search.models import Tenant
from search.tenants import live_target
from search.types import Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


def found(principal: Principal, query: str, *, changes: dict[str, Any], **options: Any) -> list[str]:
    target = live_target(principal.tenant_id)
    assert target is not None
    profile = replace(target.profile, **changes)
    request = SearchRequest(query, rerank=False, **options)
    result = services.retrieve(principal, request, clock=StageClock(), profile=profile)
    return [hit.document.public_id for hit in result.hits]


def test_of_equal_matches_the_newer_and_the_more_popular_come_first(
    tenant: Tenant, principal: Principal
) -> None:
    now = timezone.now()
    accept(tenant, "old", "The valve is grey.", title="T", published_at=now - timedelta(days=3000))
    accept(tenant, "popular", "The valve is grey.", title="T", metadata={"views": 5000})
    accept(tenant, "new", "The valve is grey.", title="T", published_at=now - timedelta(days=3))
    accept(tenant, "best", "The valve opens slowly.", title="T")
    ingest_all(tenant)
    by_date = found(principal, "valve opens slowly", changes={"recency_weight": 0.2})
    assert by_date[0] == "best"
    assert by_date.index("new") < by_date.index("old")
    by_views = found(
        principal, "valve opens slowly", changes={"popularity_weight": 0.2, "popularity_field": "views"}
    )
    assert by_views[:2] == ["best", "popular"]


def test_without_weights_the_engine_is_asked_exactly_the_same(
    tenant: Tenant, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(tenant, "a", "A valve.", metadata={"views": 1})
    ingest_all(tenant)
    bodies: list[Any] = []
    real = retrieval._multi_search

    def kept(index: str, sent: list[Any]) -> list[dict[str, Any]]:
        bodies.append(sent[0])
        return real(index, sent)

    monkeypatch.setattr(retrieval, "_multi_search", kept)
    found(principal, "valve", changes={})
    found(principal, "valve", changes={"popularity_field": "views", "recency_half_life_days": 3})
    found(principal, "valve", changes={"popularity_field": "nothing", "popularity_weight": 0.5})
    plain, *others = [body["query"]["hybrid"]["queries"] for body in bodies]
    assert "function_score" not in str(plain)
    assert [str(other) for other in others] == [str(plain)] * 2


def test_diversity_passes_over_repetitions_on_stable_pages(tenant: Tenant, principal: Principal) -> None:
    for number in range(6):
        accept(tenant, f"same-{number}", "The valve opens slowly when the pump starts.", title="Valve")
    accept(tenant, "other", "A pump may be noisy; its valve is at fault.", title="Noise")
    ingest_all(tenant)
    query = "valve opens slowly"
    assert "other" not in found(principal, query, changes={}, top_k=3)
    assert "other" in found(principal, query, changes={"diversity": 0.7}, top_k=3)
    pages = [found(principal, query, changes={"diversity": 0.7}, top_k=3, page=page) for page in (1, 2, 3)]
    whole = found(principal, query, changes={"diversity": 0.7}, top_k=10)
    assert [document for page in pages for document in page] == whole
    assert sorted(whole) == sorted(["other", *(f"same-{number}" for number in range(6))])
