"""What people type beside words, on the real node: quotes, a minus, conditions, and queries too long for the engine."""

from collections.abc import Iterable
from typing import Any

import pytest

from search import services
from search.facets import MAX_SELECTED, MAX_SELECTIONS
from search.filters import MAX_CONDITIONS
from search.mapping import ANALYZERS
from search.models import SynonymSet, Tenant
from search.types import FacetRequest, Mode, Principal, SearchRequest
from search.understanding import MAX_OPERATORS, MAX_TYPED_WORDS
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
MODES = list(Mode)


def search(principal: Principal, query: str, **options: Any) -> dict[str, Any]:
    return services.search(principal, SearchRequest(query, **options))


def ids(body: dict[str, Any]) -> set[str]:
    return {hit["document"]["id"] for hit in body["hits"]}


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "first", "Prime the pump before its first start.", metadata={"year": 2023, "area": "ops"})
    accept(
        tenant, "start", "The first pump of the day: start it slowly.", metadata={"year": 2025, "area": "ops"}
    )
    accept(tenant, "motor", "The motor of the pump drives a shaft.", metadata={"year": 2025, "area": "hr"})
    accept(
        tenant, "pumpe", "Die Pumpe vor dem ersten Start entlüften.", language="de", metadata={"year": 2021}
    )
    accept(tenant, "secret", "The first start of the hidden pump.", access=["board"])
    ingest_all(tenant)
    return tenant


@pytest.mark.parametrize("mode", MODES)
def test_a_phrase_must_stand_as_it_was_typed(mode: Mode, corpus: Tenant, principal: Principal) -> None:
    body = search(principal, 'pump "first start"', mode=mode)
    assert ids(body) == {"first"}
    assert body["query"]["phrases"] == ["first start"]


@pytest.mark.parametrize("mode", MODES)
def test_excluded_words_and_phrases_are_out_of_every_leg(
    mode: Mode, corpus: Tenant, principal: Principal
) -> None:
    assert ids(search(principal, 'pump -motors -"first start"', mode=mode)) - {"pumpe"} == {"start"}


@pytest.mark.parametrize("mode", MODES)
def test_a_typed_condition_filters_with_the_requests_own(
    mode: Mode, corpus: Tenant, principal: Principal
) -> None:
    own = {"field": "area", "op": "eq", "value": "ops"}
    body = search(principal, "pump year:>2023", mode=mode, filters=own)
    assert ids(body) == {"start"}
    assert body["query"]["filters"] == [{"field": "year", "op": "gt", "value": 2023}]
    assert body["query"]["text"] == "pump"


def test_what_fits_no_field_is_searched_as_text(corpus: Tenant, principal: Principal) -> None:
    body = search(principal, "year:soon error: shaft", mode=Mode.LEXICAL)
    assert body["query"]["filters"] == []
    assert body["total"]["value"] == 1


@pytest.mark.parametrize("mode", MODES)
def test_operators_alone_give_whatever_they_let_through(
    mode: Mode, corpus: Tenant, principal: Principal
) -> None:
    body = search(principal, "year:2025", mode=mode)
    assert (ids(body), body["total"]) == ({"start", "motor"}, {"value": 2, "relation": "eq"})
    assert ids(search(principal, "-motor", mode=mode)) == {"first", "start", "pumpe"}


def test_no_operator_opens_the_door(corpus: Tenant, principal: Principal) -> None:
    for query in ('"first start of the hidden pump"', "document:secret", "-nothing", "-document:first"):
        assert "secret" not in ids(search(principal, query))


def test_a_phrase_of_stop_words_alone_requires_nothing(corpus: Tenant, principal: Principal) -> None:
    assert "first" in ids(search(principal, 'pump "of the"', mode=Mode.LEXICAL))


@pytest.mark.parametrize(
    "query", ["a1 b2 " * 330, "漢字" * 1000, "😀 " * 1000, "x" * 2000, '"a b" -"c d" ' * 150]
)
def test_no_query_is_too_long_for_the_engine(query: str, corpus: Tenant, principal: Principal) -> None:
    assert search(principal, query[:2000], mode=Mode.LEXICAL)["degraded"] == []


def speak(tenant: Tenant, languages: Iterable[str]) -> None:
    """The index holds documents in these languages, as far as a query knows."""
    tenant.refresh_from_db()
    assert tenant.live_index is not None
    tenant.live_index.languages = list(languages)
    tenant.live_index.save()


def test_prose_in_all_languages_stays_under_the_engines_limit(corpus: Tenant, principal: Principal) -> None:
    speak(corpus, ANALYZERS)
    prose = " ".join(f"word{n}" for n in range(200))
    assert search(principal, prose, mode=Mode.LEXICAL)["degraded"] == []


PHRASES = " ".join(f'"word{n} stands beside it"' for n in range(MAX_OPERATORS))
TYPED = " ".join(f"word{n}" for n in range(MAX_TYPED_WORDS))
CHINESE = "".join(chr(0x4E00 + n) for n in range(900))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize(
    ("languages", "query"),
    [
        (tuple(ANALYZERS), f"{PHRASES} {TYPED}"),
        (("zh", "ja", "ko"), f"{PHRASES} {CHINESE}"),
        (("zh",), f"{PHRASES} {CHINESE}"),
    ],
    ids=["all", "three of letters", "letters"],
)
def test_everything_at_its_limit_at_once_stays_under_the_engines(
    languages: tuple[str, ...], query: str, mode: Mode, corpus: Tenant, principal: Principal
) -> None:
    accept(corpus, "dated", "word1", metadata={"due": "2001-01-31"})
    ingest_all(corpus)
    speak(corpus, languages)
    rules = [f"word{n}, one{n}, two{n}, three{n}, four{n}" for n in range(MAX_TYPED_WORDS)]
    letters = [f"{letter}, {letter}{letter}, {letter}一" for letter in CHINESE[1:60]]
    SynonymSet.objects.create(tenant=corpus, language="", rules="\n".join(rules + letters))
    days = [f"{2000 + year}-01-31" for year in range(MAX_CONDITIONS)]
    selected = {
        "due": [str(2000 + year) for year in range(MAX_SELECTED)],
        "year": [f"{year}..{year + 1}" for year in range(MAX_SELECTED)],
        "published_at": [f"{2000 + year}-01" for year in range(MAX_SELECTED)],
        "area": [str(year) for year in range(MAX_SELECTIONS - 3 * MAX_SELECTED)],
    }
    body = search(
        principal,
        query,
        mode=mode,
        filters={"field": "due", "op": "in", "value": days},
        facet_filters=selected,
        facets=tuple(FacetRequest(name) for name in selected),
    )
    assert len(body["query"]["phrases"]) == MAX_OPERATORS
    assert body["degraded"] == []
