"""Sorted searches, cursors and pages on the real node: every match once, in order, whoever pages how."""

import random
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from search import services
from search.exceptions import CursorStale, InvalidRequest
from search.metrics import StageClock
from search.models import Tenant
from search.tenants import live_target
from search.types import Mode, Principal, SearchRequest
from tests.factories import accept, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
DOCUMENTS = 60


def ids(body: dict[str, Any]) -> list[str]:
    return [hit["document"]["id"] for hit in body["hits"]]


def search(principal: Principal, text: str, **options: Any) -> dict[str, Any]:
    return services.search(principal, SearchRequest(text, **options))


@pytest.fixture
def filled(tenant: Tenant) -> Tenant:
    """Some documents have several chunks, some no year, two of three hold "valve"."""
    rng = random.Random(3)
    for number in range(DOCUMENTS):
        words = " ".join(rng.choices(["valve", "pump", "oil", "filter"], k=rng.randint(2, 6)))
        text = f"{words}. " * rng.choice([1, 1, 150])
        metadata = {"year": rng.randint(2000, 2005), "name": rng.choice("abc")} if number % 4 else {}
        accept(tenant, f"d{number:02}", text, metadata=metadata, access=["hr"] if number % 7 == 0 else None)
    ingest_all(tenant)
    return tenant


def paged(principal: Principal, text: str, **options: Any) -> Iterator[str]:
    page = 1
    while found := ids(search(principal, text, page=page, **options)):
        yield from found
        page += 1


def by_cursor(principal: Principal, text: str, **options: Any) -> Iterator[tuple[str, str]]:
    cursor: str | None = "*"
    while cursor is not None:
        body = search(principal, text, cursor=cursor, **options)
        yield from ((hit["document"]["id"], hit["chunk"]["id"]) for hit in body["hits"])
        cursor = body.get("next_cursor")


def years(body: dict[str, Any]) -> list[Any]:
    return [hit["document"]["metadata"].get("year") for hit in body["hits"]]


@pytest.mark.parametrize("sort", ["year", "-year"])
def test_a_sorted_search_lists_the_words_matches_and_those_without_the_field_last(
    sort: str, filled: Tenant, principal: Principal
) -> None:
    body = search(principal, "valve", sort=sort, top_k=100)
    found = years(body)
    told = [year for year in found if year is not None]
    assert told == sorted(told, reverse=sort.startswith("-"))
    assert found[len(told) :] == [None] * (len(found) - len(told))
    assert len(found) > len(told)
    assert body["total"] == {"value": len(body["hits"]), "relation": "eq"}
    assert {hit["document"]["id"] for hit in body["hits"]} == set(
        ids(search(principal, "valve", mode=Mode.LEXICAL, top_k=100))
    )


@pytest.mark.parametrize("sort", ["name", "-published_at", "-year"])
@pytest.mark.parametrize("group_by", ["document", "chunk"])
def test_pages_and_cursors_give_the_same_list_each_hit_once(
    sort: str, group_by: str, filled: Tenant, principal: Principal
) -> None:
    options: dict[str, Any] = {"sort": sort, "group_by": group_by}
    whole = [hit["chunk"]["id"] for hit in search(principal, "valve oil", top_k=100, **options)["hits"]]
    cursored = list(by_cursor(principal, "valve oil", top_k=7, **options))
    assert [chunk for _, chunk in cursored][: len(whole)] == whole
    assert len({chunk for _, chunk in cursored}) == len(cursored)
    if group_by == "document":
        assert list(paged(principal, "valve oil", top_k=7, **options)) == [
            document for document, _ in cursored
        ]


def test_a_cursor_by_relevance_passes_each_document_once(filled: Tenant, principal: Principal) -> None:
    listed = [document for document, _ in by_cursor(principal, "valve pump", mode=Mode.LEXICAL, top_k=5)]
    body = search(principal, "valve pump", mode=Mode.LEXICAL, top_k=100)
    assert len(listed) == len(set(listed)) == body["total"]["value"]
    assert set(listed) == set(ids(body))


def test_a_cursor_shows_only_what_its_principal_may_see(filled: Tenant, principal: Principal) -> None:
    seen = {document for document, _ in by_cursor(principal, "valve", sort="year", top_k=9)}
    hr = Principal(filled.pk, filled.uuid, ("hr",))
    assert seen < {document for document, _ in by_cursor(hr, "valve", sort="year", top_k=9)}
    cursor = search(hr, "valve", sort="year", cursor="*")["next_cursor"]
    with pytest.raises(InvalidRequest, match="another search"):
        search(principal, "valve", sort="year", cursor=cursor)


def test_a_cursor_is_for_its_search_and_its_content_alone(filled: Tenant, principal: Principal) -> None:
    cursor = search(principal, "valve", sort="year", cursor="*")["next_cursor"]
    with pytest.raises(InvalidRequest, match="another search"):
        search(principal, "pump", sort="year", cursor=cursor)
    for spoilt in (cursor[:-2] + "xx", "nonsense", ""):
        with pytest.raises(InvalidRequest, match="no cursor of ours"):
            search(principal, "valve", sort="year", cursor=spoilt)
    ingest(filled, "new", "Another valve.")
    with pytest.raises(CursorStale):
        search(principal, "valve", sort="year", cursor=cursor)


@pytest.mark.parametrize(
    ("options", "field"),
    [
        ({"sort": "colour"}, "sort"),
        ({"sort": "-"}, "sort"),
        ({"sort": "year", "mode": Mode.VECTOR}, "mode"),
        ({"cursor": "*"}, "mode"),
        ({"cursor": "*", "sort": "year", "page": 2}, "page"),
        ({"sort": "year", "page": 101}, "page"),
    ],
)
def test_what_has_no_order_is_refused_by_name(
    options: dict[str, Any], field: str, filled: Tenant, principal: Principal
) -> None:
    with pytest.raises(InvalidRequest) as error:
        search(principal, "valve", **options)
    assert field in (error.value.fields or {})


@pytest.mark.parametrize("mode", list(Mode))
@pytest.mark.parametrize("group_by", ["document", "chunk"])
def test_pages_of_the_best_hits_neither_repeat_nor_skip(
    mode: Mode, group_by: str, filled: Tenant, principal: Principal
) -> None:
    """With a depth that ends in the midst of the pages, so that the deeper look comes into them."""
    target = live_target(filled.pk)
    assert target is not None

    def chunks(*, top_k: int, page: int = 1) -> list[str]:
        request = SearchRequest("valve pump", mode=mode, group_by=group_by, top_k=top_k, page=page)
        shallow = replace(target.profile, k=12)
        result = services.retrieve(principal, request, clock=StageClock(), profile=shallow)
        return [hit.chunk_id for hit in result.hits]

    pages: list[str] = []
    page = 1
    while found := chunks(top_k=4, page=page):
        pages += found
        page += 1
    assert len(pages) == len(set(pages)) > 12
    whole = chunks(top_k=100)
    assert pages[: len(whole)] == whole
