"""On the real node: the parts of an explanation are the engine's own arithmetic, and say what else moved a hit."""

import random
from typing import Any

import pytest

from search import curating, services
from search.models import CuratedDocument, CurationRule, Document, Tenant
from search.types import Fusion, Mode, Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
HEADS, TAILS = ("pump", "valve", "boil", "lead", "train"), ("er", "ing", "ed", "age", "ist", "ory")
WORDS = [head + tail for head in HEADS for tail in TAILS] + ["pump", "valve", "boiler"]


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    chance = random.Random(3)
    for number in range(80):
        accept(tenant, f"d{number}", " ".join(chance.choices(WORDS, k=chance.randint(3, 40))) + ".")
    ingest_all(tenant)
    return tenant


def explained(principal: Principal, query: str, **options: Any) -> list[dict[str, Any]]:
    hits: list[dict[str, Any]] = services.search(principal, SearchRequest(query, explain=True, **options))[
        "hits"
    ]
    return hits


def test_the_parts_of_a_thousand_random_hits_add_up_to_their_scores(
    corpus: Tenant, principal: Principal
) -> None:
    chance = random.Random(11)
    seen: dict[Fusion, int] = dict.fromkeys(Fusion, 0)
    while min(seen.values()) < 350:
        fusion = min(seen, key=lambda one: seen[one])
        settings = {
            "fusion": fusion,
            "vector_weight": round(chance.random(), 3),
            "k": chance.choice([10, 50, 200]),
        }
        query = " ".join(chance.choices(WORDS, k=chance.randint(1, 5)))
        for hit in explained(principal, query, top_k=25, settings=settings, group_by="chunk"):
            told = hit["explanation"]
            legs = [leg for leg in told["legs"].values() if leg]
            assert told["fusion"]["technique"] == fusion
            assert sum(leg["part"] for leg in legs) == pytest.approx(hit["scores"]["fused"], abs=1e-4)
            assert all(leg["part"] == pytest.approx(leg["weight"] * leg["normalised"]) for leg in legs)
            seen[fusion] += 1
    assert sum(seen.values()) >= 1000


def test_raw_scores_are_bm25_and_the_cosine(corpus: Tenant, principal: Principal) -> None:
    hit = explained(principal, "pump valve boiler")[0]
    legs = hit["explanation"]["legs"]
    assert legs["lexical"]["score"] == pytest.approx(hit["scores"]["lexical"], rel=1e-4)
    assert legs["vector"]["score"] == pytest.approx(hit["scores"]["vector"], abs=1e-4)


@pytest.mark.parametrize("mode", [Mode.LEXICAL, Mode.VECTOR])
def test_a_leg_alone_is_the_score(mode: Mode, corpus: Tenant, principal: Principal) -> None:
    for rank, hit in enumerate(explained(principal, "pump valve", mode=mode, group_by="chunk"), 1):
        told = hit["explanation"]
        assert told["fusion"] is None
        assert told["legs"][mode.value] == {"score": pytest.approx(hit["score"], abs=1e-4), "rank": rank}


def test_a_pin_is_told_with_its_rule(corpus: Tenant, principal: Principal) -> None:
    assert explained(principal, "pump")[0]["explanation"]["curation"] is None
    rule = CurationRule.objects.create(tenant=corpus, queries=["pump"])
    curating.add(rule, Document.objects.get(public_id="d7"), CuratedDocument.Action.PIN)
    curating.publish(rule)
    first, second, *_ = explained(principal, "pump")
    assert first["explanation"]["curation"] == {"pinned": True, "rules": [rule.pk]}
    assert second["explanation"]["curation"] == {"pinned": False, "rules": [rule.pk]}


def test_without_asking_nothing_is_explained(corpus: Tenant, principal: Principal) -> None:
    body = services.search(principal, SearchRequest("pump"))
    assert "explanation" not in body["hits"][0]
    assert "explain" not in body["timings"]


def test_the_rerankers_part_is_told(
    corpus: Tenant, principal: Principal, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search import hits
    from tests.fakes import FakeReranker

    settings.SEARCH_RERANKER = {"BACKEND": "tests.fakes.FakeReranker", "OPTIONS": {}}
    monkeypatch.setattr(hits, "get_reranker", lambda tenant_id, profile: FakeReranker())
    reranked, plain = (explained(principal, "pump valve", rerank=rerank)[0] for rerank in (True, False))
    told = reranked["explanation"]["rerank"]
    assert told["score"] == reranked["scores"]["rerank"]
    assert 0 < told["blend"] <= 1
    assert "FakeReranker" in told["model"]
    assert plain["explanation"]["rerank"] is None
