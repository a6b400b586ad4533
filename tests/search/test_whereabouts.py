"""Each cause planted on the real node, and the stage that lost the document named rightly."""

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ingestion.services import documents
from search import curating, disabling, services
from search.models import CuratedDocument, CurationRule, Document, Tenant
from search.stages import SENTENCES, Stage
from search.types import Mode, Principal, SearchRequest
from search.whereabouts import Sought, Whereabouts, whereabouts
from tests.factories import accept, authorization, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    for number in range(12):
        accept(tenant, f"valve{number}", f"A valve of size {number}.", metadata={"size": number})
    accept(tenant, "canteen", "The canteen has soup on Fridays.", metadata={"size": 0})
    ingest_all(tenant)
    return tenant


def sought(principal: Principal, public_id: str, query: str = "valve", **options: Any) -> Whereabouts:
    passage, asks = options.pop("passage", None), options.pop("asks", False)
    return whereabouts(principal, SearchRequest(query, **options), Sought(public_id, passage, asks=asks))


def stage(principal: Principal, public_id: str, query: str = "valve", **options: Any) -> Stage:
    return sought(principal, public_id, query, **options).stage


def test_what_is_there_is_found_with_its_parts(corpus: Tenant, principal: Principal) -> None:
    found = sought(principal, "valve3", "valve of size 3")
    assert found.stage is Stage.FOUND
    assert found.ranking
    assert found.ranking.shown == 1
    assert found.hit
    assert found.hit.explanation["fusion"]["score"] == pytest.approx(found.hit.scores.fused, abs=1e-4)


def test_a_document_that_never_came_is_not_ingested(corpus: Tenant, principal: Principal) -> None:
    assert stage(principal, "nowhere") is Stage.NOT_INGESTED


def test_another_tenants_document_looks_like_one_that_never_came(
    corpus: Tenant, principal: Principal
) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    ingest(other, "theirs", "A valve of theirs.")
    assert sought(principal, "theirs") == sought(principal, "nowhere")


def test_an_accepted_document_is_pending(corpus: Tenant, principal: Principal) -> None:
    accept(corpus, "new", "A new valve.")
    assert stage(principal, "new") is Stage.PENDING


def test_before_the_first_document_all_is_pending(tenant: Tenant, principal: Principal) -> None:
    accept(tenant, "new", "A new valve.")
    assert stage(principal, "new") is Stage.PENDING


def test_a_failed_document_is_said_to_have_failed(corpus: Tenant, principal: Principal) -> None:
    accept(corpus, "broken", "A broken valve.")
    Document.objects.filter(public_id="broken").update(state=Document.State.FAILED)
    assert stage(principal, "broken") is Stage.FAILED


def test_a_deleted_document_is_said_to_be_deleted(corpus: Tenant, principal: Principal) -> None:
    documents.delete(Document.objects.get(public_id="valve3"))
    assert stage(principal, "valve3") is Stage.DELETED


def test_a_document_without_text_has_no_passages(corpus: Tenant, principal: Principal) -> None:
    ingest(corpus, "empty", "")
    assert stage(principal, "empty") is Stage.NO_PASSAGES


def test_an_index_that_lost_its_chunks_has_not_caught_up(corpus: Tenant, principal: Principal) -> None:
    from search.client import get_write_client
    from search.tenants import live_target

    target, lost = live_target(corpus.pk), Document.objects.get(public_id="valve3")
    assert target
    get_write_client().delete_by_query(
        index=target.name, body={"query": {"term": {"document_id": lost.pk}}}, params={"refresh": "true"}
    )
    assert stage(principal, "valve3") is Stage.NOT_INDEXED


def test_a_document_for_other_groups_is_lost_by_access(corpus: Tenant, principal: Principal) -> None:
    ingest(corpus, "salaries", "The salary of whoever greases a valve.", access=["hr"])
    assert stage(principal, "salaries") is Stage.ACCESS
    hr = Principal(corpus.pk, corpus.uuid, ("hr",))
    assert stage(hr, "salaries", "salary") is Stage.FOUND


def test_dates_are_named(corpus: Tenant, principal: Principal) -> None:
    now, day = timezone.now(), timedelta(days=1)
    ingest(corpus, "future", "A future valve.", visible_from=now + day)
    ingest(corpus, "past", "A past valve.", expires_at=now - day)
    assert stage(principal, "future") is Stage.NOT_YET_VISIBLE
    assert stage(principal, "past") is Stage.EXPIRED


def test_a_document_beside_the_filter_is_lost_by_it(corpus: Tenant, principal: Principal) -> None:
    small = {"field": "size", "op": "lt", "value": 3}
    assert stage(principal, "valve3", filters=small) is Stage.FILTER
    assert stage(principal, "valve2", filters=small) is Stage.FOUND


def test_a_document_beside_the_selected_facet_values_is_lost_by_them(
    corpus: Tenant, principal: Principal
) -> None:
    small = {"size": ["..3"]}
    assert stage(principal, "valve3", facet_filters=small, top_k=20) is Stage.FILTER
    assert stage(principal, "valve2", facet_filters=small, top_k=20) is Stage.FOUND
    assert stage(principal, "valve3", facet_filters=small, sort="size") is Stage.FILTER


def test_a_sorted_search_is_told_by_its_own_order(corpus: Tenant, principal: Principal) -> None:
    options: dict[str, Any] = {"sort": "-size", "top_k": 3}
    assert stage(principal, "valve10", **options) is Stage.FOUND
    beyond = sought(principal, "valve3", **options)
    assert beyond.stage is Stage.BELOW_PAGE
    assert beyond.ranking
    assert beyond.ranking.place == 9
    there = sought(principal, "valve3", page=3, **options)
    assert there.stage is Stage.FOUND
    assert there.ranking
    assert there.ranking.shown == 9
    # By meaning it would be found; a sorted search lists what holds the words.
    assert stage(principal, "canteen", **options) is Stage.NOT_MATCHED
    assert stage(principal, "canteen", top_k=20) is Stage.FOUND


def test_a_page_by_a_cursor_is_told_as_it_is(corpus: Tenant, principal: Principal) -> None:
    asked = SearchRequest("valve", sort="-size", top_k=3, cursor="*")
    following = services.search(principal, asked)["next_cursor"]
    options: dict[str, Any] = {"sort": "-size", "top_k": 3, "cursor": following}
    assert stage(principal, "valve8", **options) is Stage.FOUND
    assert stage(principal, "valve11", **options) is Stage.BELOW_PAGE
    assert stage(principal, "canteen", **options) is Stage.NOT_MATCHED


def test_a_hidden_document_is_lost_by_curation(corpus: Tenant, principal: Principal) -> None:
    rule = CurationRule.objects.create(tenant=corpus, queries=["valve"])
    curating.add(rule, Document.objects.get(public_id="valve3"), CuratedDocument.Action.HIDE)
    curating.publish(rule)
    assert stage(principal, "valve3") is Stage.HIDDEN
    assert stage(principal, "valve3", curate=False, top_k=20) is Stage.FOUND


def test_a_passage_that_is_switched_off_is_named(corpus: Tenant, principal: Principal) -> None:
    parts = " ".join(
        ["The pump is told of here. " + "Oil. " * 130, "The fan is told of there. " + "Oil. " * 60]
    )
    ingest(corpus, "manual", parts)
    manual = Document.objects.get(public_id="manual")
    options: dict[str, Any] = {"mode": Mode.LEXICAL, "group_by": "chunk"}
    assert stage(principal, "manual", "fan", **options) is Stage.FOUND
    disabling.disable(manual, 1)
    assert stage(principal, "manual", "fan", **options) is Stage.DISABLED
    assert stage(principal, "manual", "fan", passage=1) is Stage.DISABLED
    assert stage(principal, "manual", "pump", passage=0) is Stage.FOUND
    assert stage(principal, "manual", "soup", **options) is Stage.NOT_MATCHED
    disabling.disable(manual, 0)
    assert stage(principal, "manual", "pump") is Stage.DISABLED


def test_words_that_it_does_not_hold_do_not_match(corpus: Tenant, principal: Principal) -> None:
    assert stage(principal, "canteen", mode=Mode.LEXICAL) is Stage.NOT_MATCHED


@pytest.fixture
def crowd(tenant: Tenant) -> Tenant:
    """More passages than a leg looks at when it looks at a hundred, and one that is further off than all of them."""
    for number in range(120):
        accept(tenant, f"v{number}", "valve valve valve")
    rivers = "A story of rivers and mountains, long and winding, in which a valve is named once. "
    accept(tenant, "far", rivers + "It goes on about the sea and about sailors. " * 5)
    accept(tenant, "canteen", "The canteen has soup on Fridays.")
    ingest_all(tenant)
    return tenant


@pytest.mark.parametrize("mode", [Mode.VECTOR, Mode.HYBRID])
def test_what_others_are_nearer_than_lies_beyond_k(mode: Mode, crowd: Tenant, principal: Principal) -> None:
    found = sought(principal, "canteen", mode=mode, settings={"k": 100}, top_k=5)
    assert found.stage is Stage.BEYOND_K
    assert found.index
    assert found.index.vector is not None


def test_words_that_match_worse_than_a_whole_window_are_below_it(crowd: Tenant, principal: Principal) -> None:
    found = sought(principal, "far", mode=Mode.LEXICAL, settings={"k": 100}, top_k=5)
    assert found.stage is Stage.BELOW_WINDOW
    assert found.index
    assert found.index.lexical is not None


def test_what_only_a_deeper_look_finds_is_told_as_that_page_shows_it(
    crowd: Tenant, principal: Principal
) -> None:
    options: dict[str, Any] = {"settings": {"k": 100}, "top_k": 10, "mode": Mode.LEXICAL}
    behind = services.search(principal, SearchRequest("valve", page=12, **options))["hits"]
    public_id = behind[0]["document"]["id"]
    found = sought(principal, public_id, page=12, **options)
    assert found.stage is Stage.FOUND
    assert found.ranking
    assert found.ranking.place == found.ranking.shown == 111
    assert stage(principal, public_id, page=1, **options) is Stage.BELOW_WINDOW
    assert stage(principal, public_id, page=12, explain=True, **options) is Stage.BELOW_WINDOW


def test_another_page_is_named(corpus: Tenant, principal: Principal) -> None:
    last = "canteen"
    found = sought(principal, last, "valve", top_k=3)
    assert found.stage is Stage.BELOW_PAGE
    assert found.ranking
    assert found.ranking.place
    assert found.ranking.place > 3


def test_another_passage_of_the_document_stands_for_it(tenant: Tenant, principal: Principal) -> None:
    sections = [
        f"# Part {name}\n\nThe {name} is told of here. " + "Oil. " * 150 for name in ("pump", "boiler")
    ]
    ingest(tenant, "manual", "\n\n".join(sections))
    last = 1
    assert stage(principal, "manual", "pump", passage=0) is Stage.FOUND
    assert stage(principal, "manual", "pump", passage=last) is Stage.COLLAPSED
    assert stage(principal, "manual", "pump", passage=last, group_by="chunk") is Stage.FOUND


def test_what_the_reranker_moves_off_the_page_is_cut_by_it(
    corpus: Tenant, principal: Principal, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search import hits
    from tests.fakes import FakeReranker

    class Backwards(FakeReranker):
        def rerank(self, query: str, hits: Any, *, deadline_seconds: float) -> list[float]:
            return [float(at) for at, _ in enumerate(hits)]

    query = "valve of size 3"
    assert stage(principal, "valve3", query, top_k=2, rerank=False) is Stage.FOUND
    settings.SEARCH_RERANKER = {"BACKEND": "tests.fakes.FakeReranker", "OPTIONS": {}}
    monkeypatch.setattr(hits, "get_reranker", lambda tenant_id, profile: Backwards())
    options = {"top_k": 2, "settings": {"rerank_window": 5, "rerank_blend": 1.0}}
    assert stage(principal, "valve3", query, **options) is Stage.RERANKED
    assert stage(principal, "canteen", query, **options) is Stage.BELOW_WINDOW


def test_what_is_too_far_from_a_question_is_below_the_threshold(corpus: Tenant, principal: Principal) -> None:
    question = "Who wrote the third symphony of the Baroque era?"
    assert stage(principal, "canteen", question, top_k=20) is Stage.FOUND
    assert stage(principal, "canteen", question, top_k=20, asks=True) is Stage.BELOW_THRESHOLD


def test_every_stage_has_its_sentence() -> None:
    assert set(SENTENCES) == set(Stage)


def test_the_api_names_the_stage_to_keys_with_the_scope(corpus: Tenant, client: Client) -> None:
    ingest(corpus, "salaries", "The salary of whoever greases a valve.", access=["hr"])
    asked = {"query": "salary", "document": "salaries"}

    def post(body: dict[str, Any], *scopes: str) -> Any:
        headers = authorization(corpus, scopes=scopes)
        return client.post("/api/v1/explain", body, content_type="application/json", headers=headers)

    assert post(asked, "search", "ask").status_code == 403
    denied = post(asked, "explain").json()
    assert (denied["stage"], denied["found"], denied["hit"]) == ("access", False, None)
    seen = post(asked | {"groups": ["hr"]}, "explain").json()
    assert (seen["stage"], seen["found"]) == ("found", True)
    assert seen["hit"]["explanation"]["legs"]["lexical"]["part"] > 0
    assert post({"query": "salary"}, "explain").json()["fields"]["document"]
    assert post(asked | {"filters": {"field": "x", "op": "eq", "value": 1}}, "explain").status_code == 400
