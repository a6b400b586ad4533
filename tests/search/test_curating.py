"""Curation on the real node: what is pinned, hidden and led elsewhere, and for whom."""

import random
from datetime import timedelta
from typing import Any
from unittest import mock

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ingestion.services import documents
from search import answers, curating, services
from search.exceptions import CurationRefused
from search.models import CuratedDocument, CurationRule, Document, Tenant
from search.types import AskRequest, FacetRequest, Mode, Principal, SearchRequest
from tests.factories import accept, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
PIN, HIDE = CuratedDocument.Action.PIN, CuratedDocument.Action.HIDE
EXACT, CONTAINED, NEAR = CurationRule.Match.EXACT, CurationRule.Match.CONTAINED, CurationRule.Match.NEAR


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    for number in range(9):
        accept(tenant, f"valve{number}", f"A valve of size {number}.", metadata={"size": number})
    accept(tenant, "canteen", "The canteen has soup on Fridays.")
    accept(tenant, "salaries", "The salary of whoever greases a valve.", access=["hr"])
    ingest_all(tenant)
    return tenant


def search(principal: Principal, query: str = "valve", **options: Any) -> dict[str, Any]:
    return services.search(principal, SearchRequest(query, **options))


def ids(body: dict[str, Any]) -> list[str]:
    return [hit["document"]["id"] for hit in body["hits"]]


def draft(
    tenant: Tenant, *queries: str, pins: tuple[str, ...] = (), hides: tuple[str, ...] = (), **fields: Any
) -> CurationRule:
    rule = CurationRule.objects.create(tenant=tenant, queries=list(queries or ("valve",)), **fields)
    for action, names in ((PIN, pins), (HIDE, hides)):
        for name in names:
            curating.add(rule, Document.objects.get(public_id=name), action)
    return rule


def publish(tenant: Tenant, *queries: str, **options: Any) -> CurationRule:
    rule = draft(tenant, *queries, **options)
    curating.publish(rule)
    return rule


@pytest.mark.parametrize("mode", list(Mode))
def test_pins_come_first_in_their_order_and_say_so(mode: Mode, corpus: Tenant, principal: Principal) -> None:
    publish(corpus, pins=("valve7", "canteen"))
    body = search(principal, mode=mode, top_k=5)
    assert ids(body)[:2] == ["valve7", "canteen"]
    assert [hit.get("curated") for hit in body["hits"]] == ["pinned", "pinned", None, None, None]
    assert len(set(ids(body))) == 5


def test_a_rule_holds_from_the_next_request_on_although_the_response_was_cached(
    corpus: Tenant, principal: Principal
) -> None:
    assert ids(search(principal))[0] != "canteen"
    rule = publish(corpus, pins=("canteen",))
    assert ids(search(principal))[0] == "canteen"
    curating.withdraw(rule)
    assert "curated" not in search(principal)["hits"][0]


def test_a_draft_changes_nothing(corpus: Tenant, principal: Principal) -> None:
    draft(corpus, pins=("canteen",))
    assert ids(search(principal))[0] != "canteen"


def test_pages_with_pins_neither_repeat_nor_skip(corpus: Tenant, principal: Principal) -> None:
    without = ids(search(principal, top_k=100))
    publish(corpus, pins=("valve7", "canteen"))
    pages = [name for page in range(1, 6) for name in ids(search(principal, top_k=2, page=page))]
    expected = ["valve7", "canteen", *(name for name in without if name not in ("valve7", "canteen"))]
    assert pages == expected


def test_hidden_documents_are_neither_shown_nor_counted(corpus: Tenant, principal: Principal) -> None:
    before = search(principal, facets=(FacetRequest("size"),))
    publish(corpus, hides=("valve3",))
    after = search(principal, facets=(FacetRequest("size"),))
    assert set(ids(before)) - set(ids(after)) == {"valve3"}
    assert after["total"]["value"] == before["total"]["value"] - 1
    assert 3.0 not in [value["value"] for value in after["facets"]["size"]]


def test_a_redirect_comes_with_the_results(corpus: Tenant, principal: Principal) -> None:
    assert "redirect" not in search(principal)
    publish(corpus, redirect_url="https://example.org/valves", redirect_label="All valves")
    body = search(principal)
    assert body["redirect"] == {"url": "https://example.org/valves", "label": "All valves"}
    assert body["hits"]


def test_a_rule_by_nearness_is_met_by_a_paraphrase_alone(corpus: Tenant, principal: Principal) -> None:
    publish(corpus, "What is there for lunch?", match=NEAR, least_cosine=0.6, pins=("valve7",))
    assert ids(search(principal, "what can I have for lunch"))[0] == "valve7"
    assert ids(search(principal, "greasing a pump"))[0] != "valve7"


def test_a_rule_by_nearness_is_embedded_anew_for_another_embedder(
    corpus: Tenant, principal: Principal
) -> None:
    rule = publish(corpus, "What is there for lunch?", match=NEAR, least_cosine=0.6, pins=("valve7",))
    CurationRule.objects.filter(pk=rule.pk).update(variant="another", vectors=b"")
    Tenant.objects.filter(pk=corpus.pk).update(curation_version=99)
    assert ids(search(principal, "what can I have for lunch"))[0] == "valve7"
    rule.refresh_from_db()
    assert rule.variant != "another"


def test_dates_are_kept_although_the_response_is_cached(corpus: Tenant, principal: Principal) -> None:
    now = timezone.now()
    hour = timedelta(hours=1)
    publish(corpus, pins=("canteen",), starts_at=now + hour, ends_at=now + 2 * hour)
    for later, holds in ((0 * hour, False), (hour * 1.5, True), (hour * 2.5, False)):
        with mock.patch("search.rule_sets.timezone.now", return_value=now + later):
            assert (ids(search(principal))[0] == "canteen") is holds


def test_a_pinned_document_shows_the_passage_that_fits_the_query(
    tenant: Tenant, principal: Principal
) -> None:
    sections = [
        f"# Part {name}\n\nThe {name} is told of here. " + "Oil. " * 150 for name in ("pump", "boiler", "fan")
    ]
    accept(tenant, "manual", "\n\n".join(sections))
    for number in range(5):
        accept(tenant, f"b{number}", "boiler boiler boiler")
    ingest_all(tenant)
    publish(tenant, "boiler", "zebra", pins=("manual",))
    [boiler, *_] = search(principal, "boiler", mode=Mode.LEXICAL)["hits"]
    assert (boiler["document"]["id"], "boiler" in boiler["chunk"]["text"]) == ("manual", True)
    [nothing_fits] = search(principal, "zebra", mode=Mode.LEXICAL)["hits"]
    assert (nothing_fits["document"]["id"], nothing_fits["chunk"]["ordinal"]) == ("manual", 0)


def test_a_pin_that_the_readers_filter_leaves_out_is_not_shown(corpus: Tenant, principal: Principal) -> None:
    publish(corpus, pins=("canteen", "valve7"))
    only = {"field": "size", "op": "eq", "value": 7}
    assert ids(search(principal, filters=only)) == ["valve7"]


def test_pins_stay_on_top_of_a_reranked_list(
    corpus: Tenant, principal: Principal, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from search import hits
    from tests.fakes import FakeReranker

    settings.SEARCH_RERANKER = {"BACKEND": "tests.fakes.FakeReranker", "OPTIONS": {}}
    monkeypatch.setattr(hits, "get_reranker", lambda tenant_id, profile: FakeReranker())
    publish(corpus, "valve of size 3", pins=("canteen",))
    assert ids(search(principal, "valve of size 3"))[:2] == ["canteen", "valve3"]


def test_an_answer_reads_pinned_passages_first_and_hidden_ones_never(
    corpus: Tenant, principal: Principal
) -> None:
    question = "What size does a valve have?"
    publish(corpus, question, pins=("valve7",), hides=("valve3",))
    body = answers.answer(principal, AskRequest(question, top_k=50))
    found = ids(body)
    assert found[0] == "valve7"
    assert found.count("valve7") == 1
    assert "valve3" not in found


def test_ranking_by_itself_can_be_asked_for(corpus: Tenant, principal: Principal) -> None:
    publish(corpus, pins=("canteen",))
    assert ids(search(principal, curate=False))[0] != "canteen"


def test_a_tenant_without_rules_pays_no_query_for_them(corpus: Tenant, principal: Principal) -> None:
    search(principal, "warm up")
    with CaptureQueriesContext(connection) as captured:
        search(principal, "valve")
    assert not [
        query
        for query in captured.captured_queries
        if "curat" in query["sql"].replace("curation_version", "")
    ]


def test_rules_are_read_once_a_version(corpus: Tenant, principal: Principal) -> None:
    publish(corpus, "something else", pins=("canteen",))
    search(principal, "warm up")
    with CaptureQueriesContext(connection) as captured:
        search(principal, "valve")
    assert not [query for query in captured.captured_queries if "search_curationrule" in query["sql"]]


def test_a_draft_replaces_the_rule_that_it_was_made_from_at_once(
    corpus: Tenant, principal: Principal
) -> None:
    rule = publish(corpus, pins=("canteen",))
    with pytest.raises(CurationRefused, match="draft"):
        curating.remove(rule, Document.objects.get(public_id="canteen"))
    edited = curating.draft_of(rule)
    assert curating.draft_of(rule) == edited
    curating.remove(edited, Document.objects.get(public_id="canteen"))
    curating.add(edited, Document.objects.get(public_id="valve7"), PIN)
    assert ids(search(principal))[0] == "canteen"
    curating.publish(edited)
    assert ids(search(principal))[0] == "valve7"
    assert list(CurationRule.objects.values_list("pk", flat=True)) == [edited.pk]


def test_pins_can_be_moved(corpus: Tenant, principal: Principal) -> None:
    rule = draft(corpus, pins=("valve1", "valve2", "valve3"))
    curating.move(rule, Document.objects.get(public_id="valve3"), by=-1)
    curating.move(rule, Document.objects.get(public_id="valve1"), by=-1)
    curating.publish(rule)
    assert ids(search(principal))[:3] == ["valve1", "valve3", "valve2"]


def test_a_document_is_not_pinned_and_hidden_by_one_rule(corpus: Tenant) -> None:
    rule = draft(corpus, pins=("valve1",))
    with pytest.raises(CurationRefused, match="pinned by this rule already"):
        curating.add(rule, Document.objects.get(public_id="valve1"), HIDE)


def test_nor_by_two_rules_for_the_same_query(corpus: Tenant) -> None:
    publish(corpus, "Valve!", pins=("valve1",))
    rule = draft(corpus, "valve", match=CONTAINED)
    with pytest.raises(CurationRefused, match="pins valve1"):
        curating.add(rule, Document.objects.get(public_id="valve1"), HIDE)
    assert not rule.curated.exists()


def test_a_rule_that_does_nothing_is_not_published(corpus: Tenant) -> None:
    with pytest.raises(CurationRefused, match="does nothing"):
        publish(corpus)


def test_a_preview_shows_a_draft_to_chosen_groups_and_to_nobody_else(
    corpus: Tenant, principal: Principal
) -> None:
    rule = draft(corpus, pins=("salaries", "canteen"), starts_at=timezone.now() + timedelta(days=1))
    seen = curating.preview(rule, "valve", groups=["hr"])
    unseen = curating.preview(rule, "valve", groups=[])
    assert seen
    assert unseen
    assert seen.is_met
    assert [hit.document.public_id for hit in seen.after.hits][:2] == ["salaries", "canteen"]
    assert unseen.after.hits[0].document.public_id == "canteen"
    assert seen.before.hits[0].curated is None
    other = curating.preview(rule, "soup", groups=[])
    assert other
    assert not other.is_met
    assert ids(search(principal))[0] != "canteen"


def test_no_rule_shows_what_visibility_would_not(corpus: Tenant) -> None:
    """Random documents that may or may not be seen, random rules, random readers: never one too many."""
    chance = random.Random(7)
    now, day = timezone.now(), timedelta(days=1)
    choices: dict[str, list[Any]] = {
        "access": [None, [], ["hr"], ["ops"], ["hr", "ops"]],
        "expires_at": [None, None, now - day, now + day],
        "visible_from": [None, None, now - day, now + day],
    }
    for number in range(24):
        accept(
            corpus,
            f"r{number}",
            f"A valve, told of {number} times.",
            **{k: chance.choice(v) for k, v in choices.items()},
        )
    ingest_all(corpus)
    for document in chance.sample(list(Document.objects.filter(public_id__startswith="r")), 8):
        if chance.random() < 0.5:
            documents.delete(document)
        else:
            documents.change(document, documents.DocumentFieldsInput(access=chance.choice([[], ["ops"]])))
    names = list(Document.objects.values_list("public_id", flat=True))
    for _ in range(20):
        CurationRule.objects.all().delete()
        for _ in range(3):
            wanted = chance.sample(names, 12)
            rule = CurationRule.objects.create(
                tenant=corpus, queries=["valve"], priority=chance.randint(1, 3)
            )
            for at, name in enumerate(wanted):
                CuratedDocument.objects.create(
                    rule=rule,
                    document=Document.objects.get(public_id=name),
                    action=PIN if at < 8 else HIDE,
                    position=at,
                )
            CurationRule.objects.update(state=CurationRule.State.PUBLISHED)
        Tenant.objects.filter(pk=corpus.pk).update(curation_version=chance.randint(2, 10**9))
        reader = Principal(corpus.pk, corpus.uuid, tuple(chance.sample(["hr", "ops"], chance.randint(0, 2))))
        group_by, mode = chance.choice(["document", "chunk"]), chance.choice(list(Mode))
        body = search(reader, top_k=100, group_by=group_by, mode=mode)
        rows = Document.objects.filter(public_id__in=ids(body))
        assert body["hits"]
        for row in rows:
            assert row.state == Document.State.LIVE
            assert reader.may_see(row.access)
            assert row.expires_at is None or row.expires_at > now
            assert row.visible_from is None or row.visible_from <= now


def test_the_rules_of_one_tenant_are_nothing_to_another(corpus: Tenant, principal: Principal) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    ingest(other, "theirs", "A valve of theirs.")
    rule = publish(other, pins=("theirs",))
    CuratedDocument.objects.create(rule=rule, document=Document.objects.get(public_id="valve1"), action=PIN)
    Tenant.objects.filter(pk=other.pk).update(curation_version=5)
    reader = Principal(other.pk, other.uuid)
    assert ids(search(reader)) == ["theirs"]
    assert "theirs" not in ids(search(principal))
