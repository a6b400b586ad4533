"""Codes and typing errors on the real node: what is found, put right, offered, and never betrayed."""

from typing import Any

import pytest

from search import retrieval, services
from search.models import SearchIndex, Tenant
from search.types import Mode, Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


def search(principal: Principal, query: str, **options: Any) -> dict[str, Any]:
    return services.search(principal, SearchRequest(query, **{"mode": Mode.LEXICAL, **options}))


def ids(body: dict[str, Any]) -> list[str]:
    return [hit["document"]["id"] for hit in body["hits"]]


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "e21", "Error E21: the pump lost its pressure.")
    accept(tenant, "e22", "Error E-22: the valve of the pump is blocked.")
    accept(tenant, "part", "Order the gasket AB-1234/5 with firmware v2.3.1 and flag 0x8007.")
    accept(tenant, "leave", "Parental leave lasts sixteen weeks.", metadata={"area": "hr"})
    accept(tenant, "secret", "The zeppelin project is confidential.", access=["board"])
    accept(tenant, "zh", "第三部分介绍水泵的维护。", language="zh")
    ingest_all(tenant)
    return tenant


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("E-21", "e21"),
        ("e21", "e21"),
        ("E 21", "e21"),
        ("error E22", "e22"),
        ("AB-1234/5", "part"),
        ("AB12345", "part"),
        ("v2.3.1", "part"),
        ("0x8007", "part"),
    ],
)
def test_a_code_is_found_however_it_is_joined(
    query: str, found: str, corpus: Tenant, principal: Principal
) -> None:
    assert ids(search(principal, query))[0] == found


@pytest.mark.parametrize("mode", [Mode.LEXICAL, Mode.HYBRID])
def test_a_typing_error_is_put_right_and_said(mode: Mode, corpus: Tenant, principal: Principal) -> None:
    body = search(principal, "parentel leave", mode=mode)
    assert ids(body)[0] == "leave"
    assert body["query"]["corrected"] == "parental leave"
    assert body["query"]["text"] == "parentel leave"


def test_an_unsure_correction_is_only_offered(corpus: Tenant, principal: Principal) -> None:
    body = search(principal, "pumo", mode=Mode.LEXICAL)
    assert (ids(body), body["query"]["did_you_mean"]) == ([], "pump")
    assert "corrected" not in body["query"]


def test_words_that_match_cost_no_second_look(
    corpus: Tenant, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[object] = []

    def looked_up(index: str, bodies: list[object]) -> list[bool]:
        asked.extend(bodies)
        return [False] * len(bodies)

    monkeypatch.setattr(retrieval, "match_anything", looked_up)
    body = search(principal, "the pump lost pressure with E-99")
    assert asked == []
    assert not {"corrected", "did_you_mean"} & set(body["query"])


def test_forms_of_a_word_that_is_there_are_no_errors(corpus: Tenant, principal: Principal) -> None:
    assert "corrected" not in search(principal, "blocking pumps")["query"]


def test_quoted_words_are_looked_up_as_they_stand(corpus: Tenant, principal: Principal) -> None:
    body = search(principal, '"parentel leave"')
    assert (ids(body), body["query"]["did_you_mean"]) == ([], '"parental leave"')


def test_no_word_is_betrayed_that_only_hidden_documents_have(corpus: Tenant, principal: Principal) -> None:
    for query in ("zepelin", "zeppelni project", '"zeppelim"'):
        assert not {"corrected", "did_you_mean"} & set(search(principal, query)["query"])
    board = Principal(principal.tenant_id, principal.tenant_uuid, ("board",))
    assert search(board, "zepelin")["query"]["corrected"] == "zeppelin"


def test_a_hidden_documents_word_is_put_right_like_any_that_is_not_there(
    corpus: Tenant, principal: Principal
) -> None:
    """Whoever may not see it learns not even that the word exists, when it is all that is asked."""
    accept(corpus, "hidden", "A parentai is a rare thing.", access=["board"])
    ingest_all(corpus)
    assert search(principal, "parentai")["query"]["corrected"] == "parental"


def test_a_correction_has_to_be_there_under_the_filters(corpus: Tenant, principal: Principal) -> None:
    assert "corrected" not in search(principal, "parentel area:ops")["query"]


def test_an_index_of_an_older_mapping_answers_without_the_new_fields(
    corpus: Tenant, principal: Principal
) -> None:
    SearchIndex.objects.filter(tenant=corpus).update(mapping_version=2)
    assert ids(search(principal, "E-21 lost pressure"))[0] == "e21"
    body = search(principal, "parentel leave")
    assert ids(body) == ["leave"]
    assert "corrected" not in body["query"]


@pytest.mark.parametrize("query", ["三", "水泵", '"三部分"', "水"])
def test_chinese_is_found_by_pairs_and_by_single_letters(
    query: str, corpus: Tenant, principal: Principal
) -> None:
    assert ids(search(principal, query)) == ["zh"]
