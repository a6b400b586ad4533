"""Profiles on the real node: which settings hold, what a request overrides, and that each setting has its effect."""

from statistics import fmean, stdev
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from search import retrieval, services
from search.client import get_client
from search.exceptions import InvalidRequest
from search.metrics import StageClock
from search.models import Profile, Tenant
from search.profile_settings import checked
from search.types import Mode, Principal, SearchRequest
from tests.factories import accept, authorization, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
QUERY = "start the pump"
TEXTS = {
    "race": "The start of the pump track race: start list, start number, pump to the start.",
    "guide": "To switch on the machine that moves water, press the green button.",
    "manual": "Prime the water pump, then press the green button to start it.",
    "stop": "Stop the water pump when it runs hot.",
    "pumpkin": "Start with a pumpkin and a spoon.",
    "tickets": "Train tickets of second class are refunded within ten days.",
}


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    for name, text in TEXTS.items():
        accept(tenant, name, text)
    ingest_all(tenant)
    return tenant


def scores(principal: Principal, mode: Mode = Mode.HYBRID, **settings: Any) -> dict[str, float]:
    """Each document's score, best first."""
    body = services.search(
        principal, SearchRequest(QUERY, mode, settings=checked(settings, is_override=True))
    )
    return {hit["document"]["id"]: hit["score"] for hit in body["hits"]}


def test_reciprocal_ranks_are_fused_from_the_legs_ranks(corpus: Tenant, principal: Principal) -> None:
    legs = [list(scores(principal, Mode.LEXICAL)), list(scores(principal, Mode.VECTOR))]
    fused = scores(principal, fusion="rrf", rank_constant=10, vector_weight=0.3)
    for name, score in fused.items():
        ranks = [leg.index(name) + 1 if name in leg else None for leg in legs]
        parts = zip((0.7, 0.3), ranks, strict=True)
        assert score == pytest.approx(sum(weight / (10 + rank) for weight, rank in parts if rank), rel=1e-4)


def test_z_scores_are_fused_from_the_legs_scores(corpus: Tenant, principal: Principal) -> None:
    lexical, vector = scores(principal, Mode.LEXICAL), scores(principal, Mode.VECTOR)
    fused = scores(principal, fusion="z_score", vector_weight=0.5)
    both = [name for name in fused if name in lexical and name in vector]
    assert len(both) >= 3

    def z(leg: dict[str, float], name: str) -> float:
        return (leg[name] - fmean(leg.values())) / stdev(leg.values())

    expected = {name: (z(lexical, name) + z(vector, name)) / 2 for name in both}
    above = {name: score for name, score in expected.items() if z(lexical, name) > 0 < z(vector, name)}
    assert above
    assert {name: fused[name] for name in above} == pytest.approx(above, abs=0.02)


def test_fusions_and_weights_order_differently(corpus: Tenant, principal: Principal) -> None:
    words, meaning = scores(principal, vector_weight=0), scores(principal, vector_weight=1)
    assert next(iter(words)) == next(iter(scores(principal, Mode.LEXICAL)))
    assert next(iter(meaning)) == next(iter(scores(principal, Mode.VECTOR)))
    assert list(words) != list(meaning)
    orders = {tuple(scores(principal, fusion=fusion)) for fusion in ("min_max", "z_score", "rrf")}
    assert len(orders) >= 2


def test_k_bounds_what_each_leg_looks_at(corpus: Tenant, principal: Principal) -> None:
    for number in range(130):
        accept(corpus, f"pump-{number}", f"A pump of kind {number}.")
    ingest_all(corpus)
    few, many = (
        services.retrieve(
            principal,
            SearchRequest("pump", top_k=50, settings={"k": k}, explain=True),
            clock=StageClock(),
        )
        for k in (100, 200)
    )
    assert [len(result.hits) for result in (few, many)] == [50, 50]


def test_a_profile_named_by_the_request_holds(corpus: Tenant, principal: Principal) -> None:
    words = {"vector_weight": 0.0}
    Profile.objects.create(tenant=corpus, name="words", settings=words, state=Profile.State.LIVE)
    Profile.objects.create(tenant=corpus, name="words", version=2, settings={"vector_weight": 1.0})
    expected = {"words": 0, "words@1": 0, "words@2": 1}
    for name, weight in expected.items():
        body = services.search(principal, SearchRequest(QUERY, profile=name))
        assert [hit["document"]["id"] for hit in body["hits"]] == list(
            scores(principal, vector_weight=weight)
        )


@pytest.mark.parametrize(
    "name", ["draft", "draft@2", "draft@", "draft@x", "draft@1@1", "other", "@1", "draft@" + "9" * 40]
)
def test_a_profile_that_is_not_there_or_not_live_is_named(
    name: str, corpus: Tenant, principal: Principal
) -> None:
    Profile.objects.create(tenant=corpus, name="draft")
    with pytest.raises(InvalidRequest) as error:
        services.search(principal, SearchRequest(QUERY, profile=name))
    assert "profile" in (error.value.fields or {})


def test_a_profile_of_another_tenant_is_not_there(corpus: Tenant, principal: Principal) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    Profile.objects.create(tenant=other, name="theirs", state=Profile.State.LIVE)
    with pytest.raises(InvalidRequest) as error:
        services.search(principal, SearchRequest(QUERY, profile="theirs"))
    assert "profile" in (error.value.fields or {})


def test_overrides_are_part_of_the_caches_scope(corpus: Tenant, principal: Principal) -> None:
    def cache(**settings: Any) -> str:
        return str(services.search(principal, SearchRequest(QUERY, settings=settings))["cache"])

    assert [cache(), cache(), cache(vector_weight=0.9), cache(vector_weight=0.9), cache(k=100)] == [
        "none",
        "response",
        "none",
        "response",
        "none",
    ]


def test_settings_of_a_profile_share_a_pipeline_and_overrides_leave_none(
    corpus: Tenant, principal: Principal
) -> None:
    def pipelines() -> set[str]:
        return set(get_client().http.get("/_search/pipeline"))

    retrieval._ensured_pipelines.clear()
    for name in ("a", "b"):
        Profile.objects.create(tenant=corpus, name=name, settings={"vector_weight": 0.1234, "fusion": "rrf"})
        services.search(principal, SearchRequest(QUERY, profile=f"{name}@1"))
    assert len(retrieval._ensured_pipelines) == 1
    assert retrieval._ensured_pipelines <= pipelines()
    before = pipelines()
    for weight in (0.1111, 0.2222):
        scores(principal, fusion="rrf", vector_weight=weight)
    assert pipelines() == before


def test_the_api_takes_settings_and_names_the_one_that_does_not_fit(client: Client, corpus: Tenant) -> None:
    def post(path: str, **body: Any) -> Any:
        return client.post(f"/api/v1/{path}", body, "application/json", headers=authorization(corpus))

    response = post("search", query=QUERY, settings={"fusion": "rrf", "k": 50})
    assert response.status_code == 200
    assert response.json()["hits"][0]["score"] < 0.1  # reciprocal ranks, no longer 1 for the best
    refused = post("search", query=QUERY, settings={"k": 501, "depth": 3})
    assert refused.status_code == 400
    assert refused.json() == {
        "code": "invalid_request",
        "detail": "settings.k: It is a whole number from 10 to 500.",
        "fields": {
            "settings.k": ["It is a whole number from 10 to 500."],
            "settings.depth": ["There is no such setting."],
        },
    }
    assert post("ask", question=QUERY, settings={"threshold": 2}).json()["fields"].keys() == {
        "settings.threshold"
    }
    assert post("ask", question=QUERY, settings={"threshold": 1.0}).json()["refused"]
    assert not post("ask", question=QUERY, settings={"threshold": -1.0}).json()["refused"]


def test_the_platforms_weight_holds_where_a_profile_leaves_it_open(
    corpus: Tenant, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    Profile.objects.create(tenant=corpus, name="open", settings={"vector_weight": None, "k": 100})
    monkeypatch.setattr(django_settings, "SEARCH_VECTOR_WEIGHT", 0.0)
    body = services.search(principal, SearchRequest(QUERY, profile="open@1"))
    assert body["hits"][0]["document"]["id"] == next(iter(scores(principal, Mode.LEXICAL)))
