"""The query flow on the real node: what is found, counted, hidden and said."""

import time
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ingestion.services import documents
from search import hits, services
from search.exceptions import InvalidFilter, InvalidRequest, OpenSearchUnavailable
from search.models import Document, Tenant
from search.types import FacetRequest, Mode, Principal, SearchRequest
from tests.factories import accept, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


def ids(body: dict[str, Any]) -> list[str]:
    return [hit["document"]["id"] for hit in body["hits"]]


def search(principal: Principal, query: str, **options: Any) -> dict[str, Any]:
    return services.search(principal, SearchRequest(query, **options))


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(
        tenant,
        "leave",
        "Parental leave lasts sixteen weeks and is fully paid.",
        metadata={"year": 2025, "area": "hr"},
    )
    accept(
        tenant,
        "pump",
        "The pump P-4711 must be primed before its first start.",
        metadata={"year": 2023, "area": "ops"},
    )
    accept(
        tenant,
        "travel",
        "Train tickets of second class are refunded within ten days.",
        metadata={"year": 2025},
    )
    ingest_all(tenant)
    return tenant


@pytest.mark.parametrize("mode", list(Mode))
def test_each_mode_finds_the_document_that_says_it(mode: Mode, corpus: Tenant, principal: Principal) -> None:
    body = search(principal, "pump first start", mode=mode)
    assert ids(body)[0] == "pump"
    assert body["degraded"] == []


def test_a_paraphrase_is_found_by_the_vector_leg(corpus: Tenant, principal: Principal) -> None:
    assert ids(search(principal, "how long may new mothers stay at home", mode=Mode.VECTOR))[0] == "leave"


def test_scores_are_named_for_what_they_are(corpus: Tenant, principal: Principal) -> None:
    hit = search(principal, "pump P-4711")["hits"][0]
    assert hit["scores"]["lexical"] > 0
    assert 0 < hit["scores"]["vector"] <= 1
    assert hit["score"] == hit["scores"]["fused"] == 1.0
    assert hit["scores"]["rerank"] is None


def test_the_vector_score_is_the_cosine_of_query_and_passage(corpus: Tenant, principal: Principal) -> None:
    from search.embeddings import get_embedder

    text = "Parental leave lasts sixteen weeks and is fully paid."
    hit = search(principal, "paid parental leave", mode=Mode.VECTOR)["hits"][0]
    embedder = get_embedder()
    expected = float(
        embedder.embed_passages([f"leave\n{text}"])[0] @ embedder.embed_query("paid parental leave")
    )
    assert hit["scores"]["vector"] == pytest.approx(expected, abs=1e-2)  # int8: batches differ slightly


def test_highlights_are_escaped_and_marked(tenant: Tenant, principal: Principal) -> None:
    ingest(tenant, "x", "Use <script>alert(1)</script> never in a valve.")
    (highlight,) = search(principal, "valve")["hits"][0]["highlights"]
    assert "<mark>valve</mark>" in highlight
    assert "<script>" not in highlight


def test_filters_hold_for_every_leg_and_for_the_total(corpus: Tenant, principal: Principal) -> None:
    only_2025 = {"field": "year", "op": "eq", "value": 2025}
    for mode in Mode:
        assert set(ids(search(principal, "pump leave tickets", mode=mode, filters=only_2025))) == {
            "leave",
            "travel",
        }
    body = search(principal, "pump leave tickets", filters=only_2025)
    assert body["total"] == {"value": 2, "relation": "eq"}


def test_not_equal_matches_documents_without_the_field(corpus: Tenant, principal: Principal) -> None:
    body = search(principal, "pump leave tickets", filters={"field": "area", "op": "ne", "value": "hr"})
    assert set(ids(body)) == {"pump", "travel"}


def test_an_unknown_field_is_named(corpus: Tenant, principal: Principal) -> None:
    with pytest.raises(InvalidFilter) as error:
        search(principal, "pump", filters={"field": "colour", "op": "eq", "value": "red"})
    assert "colour" in (error.value.fields or {})


def test_facets_count_documents_not_chunks(tenant: Tenant, principal: Principal) -> None:
    ingest(tenant, "long", "The valve opens slowly. " * 400, metadata={"area": "ops"})
    ingest(tenant, "short", "A valve.", metadata={"area": "ops"})
    body = search(principal, "valve", facets=(FacetRequest("area"),))
    assert body["facets"]["area"] == [{"value": "ops", "count": 2}]
    assert body["total"] == {"value": 2, "relation": "eq"}


def test_results_are_grouped_by_document_or_by_chunk(tenant: Tenant, principal: Principal) -> None:
    ingest(tenant, "long", "The valve opens slowly. " * 400)
    assert len(search(principal, "valve")["hits"]) == 1
    assert len(search(principal, "valve", group_by="chunk")["hits"]) > 1


@pytest.mark.parametrize("mode", list(Mode))
def test_a_page_is_full_although_one_document_holds_the_best_passages(
    mode: Mode, tenant: Tenant, principal: Principal
) -> None:
    sections = [f"# Valve {number}\n\nThe valve opens slowly.\n\n" + "Oil. " * 200 for number in range(20)]
    accept(tenant, "long", "\n\n".join(sections))
    accept(tenant, "other", "A pump with a valve and many other parts that are told of at length.")
    ingest_all(tenant)
    body = search(principal, "the valve opens slowly", mode=mode, top_k=2)
    assert sorted(ids(body)) == ["long", "other"]
    assert body["total"]["value"] == 2


def test_pages_follow_each_other_without_overlap(tenant: Tenant, principal: Principal) -> None:
    for number in range(7):
        accept(tenant, f"d{number}", f"A valve of size {number}.")
    ingest_all(tenant)
    pages = [ids(search(principal, "valve", top_k=3, page=page)) for page in (1, 2, 3)]
    assert [len(page) for page in pages] == [3, 3, 1]
    assert len({document for page in pages for document in page}) == 7


def test_a_page_beyond_the_window_is_refused(corpus: Tenant, principal: Principal) -> None:
    with pytest.raises(InvalidRequest):
        search(principal, "pump", top_k=100, page=11)


def test_a_deleted_document_is_gone_from_the_very_next_search(corpus: Tenant, principal: Principal) -> None:
    assert "pump" in ids(search(principal, "pump"))
    documents.delete(Document.objects.get(public_id="pump"))
    body = search(principal, "pump primed", facets=(FacetRequest("area"),))
    assert "pump" not in ids(body)
    assert body["total"]["value"] == 0
    assert not any(value["value"] == "ops" for value in body["facets"]["area"])
    ingest_all(corpus)
    assert search(principal, "pump primed")["total"]["value"] == 0


def test_access_groups_decide_who_finds_a_document(tenant: Tenant, principal: Principal) -> None:
    ingest(tenant, "salaries", "The salary bands of engineers.", access=["hr"])
    ingest(tenant, "nobody", "The salary of the founder.", access=[])
    hr = Principal(tenant.pk, tenant.uuid, ("hr",), principal.scopes)
    assert ids(search(principal, "salary")) == []
    assert search(principal, "salary")["total"]["value"] == 0
    assert ids(search(hr, "salary")) == ["salaries"]


def test_narrowed_access_holds_before_the_index_knows_it(corpus: Tenant, principal: Principal) -> None:
    document = Document.objects.get(public_id="pump")
    documents.change(document, documents.DocumentFieldsInput(access=["ops"]))
    body = search(principal, "pump primed")
    assert ids(body) == [] or "pump" not in ids(body)
    assert body["total"]["value"] == 0


def test_dates_of_visibility_are_kept(tenant: Tenant, principal: Principal) -> None:
    now = timezone.now()
    ingest(tenant, "past", "An expired valve offer.", expires_at=now - timedelta(days=1))
    ingest(tenant, "future", "A coming valve offer.", visible_from=now + timedelta(days=1))
    ingest(
        tenant,
        "now",
        "A valve offer.",
        visible_from=now - timedelta(days=1),
        expires_at=now + timedelta(days=1),
    )
    body = search(principal, "valve offer")
    assert ids(body) == ["now"]
    assert body["total"]["value"] == 1


def test_a_repeated_search_comes_from_the_response_cache(corpus: Tenant, principal: Principal) -> None:
    first, second = search(principal, "pump"), search(principal, "pump")
    assert (first["cache"], second["cache"]) == ("none", "response")
    assert first["hits"] == second["hits"]
    assert first["request_id"] != second["request_id"]


def test_a_new_document_is_found_although_the_query_was_cached(corpus: Tenant, principal: Principal) -> None:
    search(principal, "pump")
    ingest(corpus, "pump2", "Another pump.")
    assert "pump2" in ids(search(principal, "pump"))


def test_a_stored_response_ends_when_a_document_comes_or_goes(tenant: Tenant, principal: Principal) -> None:
    turn = timezone.now() + timedelta(seconds=3)
    accept(tenant, "coming", "The valve that comes.", visible_from=turn)
    accept(tenant, "going", "The valve that goes.", expires_at=turn)
    accept(tenant, "staying", "The valve that stays.")
    ingest_all(tenant)
    assert set(ids(search(principal, "valve"))) == {"going", "staying"}
    assert ids(search(principal, "valve stays", top_k=1)) == ["staying"]
    assert search(principal, "valve stays", top_k=1)["total"]["value"] == 2
    time.sleep((turn - timezone.now()).total_seconds() + 0.01)
    after = search(principal, "valve")
    assert (set(ids(after)), after["cache"]) == ({"coming", "staying"}, "none")
    assert search(principal, "valve stays", top_k=1)["cache"] == "none"


@pytest.mark.parametrize("name", ["SEARCH_VECTOR_WEIGHT", "SEARCH_UNRELATED_COSINE"])
def test_another_ranking_by_settings_is_not_answered_from_the_cache(
    name: str, corpus: Tenant, principal: Principal, settings: Any
) -> None:
    search(principal, "pump")
    setattr(settings, name, 0.3)
    assert search(principal, "pump")["cache"] == "none"


def test_without_a_cache_the_search_answers_and_says_so(
    corpus: Tenant, principal: Principal, settings: Any
) -> None:
    settings.REDIS_CACHE_URL = "unix:///nonexistent/cache.sock"
    body = search(principal, "pump")
    assert ids(body)[0] == "pump"
    assert body["degraded"] == ["cache_unavailable"]


def test_with_opensearch_down_the_search_is_unavailable(
    corpus: Tenant, principal: Principal, settings: Any
) -> None:
    settings.OPENSEARCH_URL = "http://127.0.0.1:9"
    with pytest.raises(OpenSearchUnavailable):
        search(principal, "something new")


def test_with_the_embedder_down_words_alone_answer(
    corpus: Tenant, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.embeddings import get_embedder
    from search.exceptions import EmbeddingUnavailable

    def fails(text: str) -> None:
        raise EmbeddingUnavailable("down")

    monkeypatch.setattr(get_embedder(), "embed_query", fails)
    body = search(principal, "pump primed")
    assert ids(body) == ["pump"]
    assert body["degraded"] == ["embedding_unavailable"]


def test_a_tenant_without_documents_finds_nothing(tenant: Tenant, principal: Principal) -> None:
    body = search(principal, "anything")
    assert (body["hits"], body["total"]) == ([], {"value": 0, "relation": "eq"})


def test_a_reranker_orders_the_window_and_its_score_is_shown(
    corpus: Tenant, principal: Principal, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.fakes import FakeReranker

    settings.SEARCH_RERANKER = {"BACKEND": "tests.fakes.FakeReranker", "OPTIONS": {}}
    monkeypatch.setattr(hits, "get_reranker", lambda tenant_id, profile: FakeReranker())
    body = search(principal, "train tickets refunded pump")
    scores = [hit["score"] for hit in body["hits"]]
    assert scores == sorted(scores, reverse=True)
    assert body["hits"][0]["scores"]["rerank"] == max(hit["scores"]["rerank"] for hit in body["hits"])
    in_words = search(principal, "train tickets refunded pump", mode=Mode.LEXICAL)
    assert all(hit["scores"]["rerank"] is None for hit in in_words["hits"])
    unranked = search(principal, "train tickets refunded pump", rerank=False)
    assert all(hit["scores"]["rerank"] is None for hit in unranked["hits"])


def test_a_reranker_that_fails_leaves_the_fused_order_and_says_so(
    corpus: Tenant, principal: Principal, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search.exceptions import RerankUnavailable

    def fails(tenant_id: int, profile: Any) -> None:
        raise RerankUnavailable("deadline")

    settings.SEARCH_RERANKER = {"BACKEND": "tests.fakes.FakeReranker", "OPTIONS": {}}
    monkeypatch.setattr(hits, "get_reranker", fails)
    body = search(principal, "pump")
    assert body["degraded"] == ["rerank_unavailable"]
    assert ids(body)[0] == "pump"
