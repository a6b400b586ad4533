"""Totals and facets on the real node equal a count over all documents by hand, whoever asks and whatever is selected.

`COUNTING_PAIRS=200` counts as many pairs of query and filter as one likes; a fixed seed draws them.
"""

import os
import random
from collections import Counter
from collections.abc import Callable
from datetime import date
from typing import Any

import pytest

from search import counting, services
from search.client import get_client
from search.models import Document, Tenant
from search.query import Legs, lexical_query
from search.tenants import live_target
from search.types import FacetRequest, Mode, Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
PAIRS = int(os.environ.get("COUNTING_PAIRS", "40"))
WORDS = ("valve", "pump", "oil", "filter", "motor", "gasket", "leave", "travel", "invoice", "alarm")
RANGES: tuple[tuple[Any, Any], ...] = ((None, 2010), (2010, 2020), (2015, None))
FACETS = (
    FacetRequest("team", size=100),
    FacetRequest("tags", size=100),
    FacetRequest("year", ranges=RANGES),
    FacetRequest("draft"),
    FacetRequest("due", interval="month", size=1000),
)


def fill(tenant: Tenant, rng: random.Random, *, documents: int) -> None:
    for number in range(documents):
        words = rng.choices(WORDS, k=rng.randint(1, 5))
        text = (" ".join(words) + ". ") * rng.choice([1, 1, 1, 200])  # a long one has several chunks
        metadata: dict[str, Any] = {
            "team": rng.choice(["hr", "it", "ops"]),
            "tags": rng.sample(["red", "green", "blue"], k=rng.randint(1, 3)),
            "year": [rng.randint(2000, 2025) for _ in range(rng.randint(1, 3))],
            "draft": rng.random() < 0.5,
            "due": date(rng.randint(2020, 2023), rng.randint(1, 12), rng.randint(1, 28)).isoformat(),
        }
        kept = {name: value for name, value in metadata.items() if rng.random() < 0.8}
        access = rng.choice([None, None, [], ["hr"], ["hr", "it"]])
        accept(tenant, f"d{number}", text, metadata=kept, access=access)
    ingest_all(tenant)


def drawn(rng: random.Random) -> tuple[str, dict[str, Any] | None, dict[str, list[Any]], tuple[str, ...]]:
    """(query, filter, selected values, groups)."""
    filters: list[dict[str, Any] | None] = [
        None,
        {"field": "team", "op": "ne", "value": "hr"},
        {"field": "year", "op": "gte", "value": 2015},
        {
            "or": [
                {"field": "tags", "op": "eq", "value": "red"},
                {"field": "draft", "op": "eq", "value": True},
            ]
        },
    ]
    selectable: dict[str, list[Any]] = {
        "team": rng.sample(["hr", "it", "ops"], k=rng.randint(1, 2)),
        "tags": ["blue"],
        "year": ["2010..2020"],
        "draft": [rng.random() < 0.5],
        "due": [rng.choice(["2021", "2022-03"])],
    }
    chosen = rng.sample(sorted(selectable), k=rng.randint(0, 3))
    query = " ".join(rng.sample(WORDS, k=rng.randint(1, 3)))
    groups = rng.choice([(), ("hr",), ("it",)])
    return query, rng.choice(filters), {name: selectable[name] for name in chosen}, groups


def values_of(document: Document, name: str) -> list[Any]:
    value = document.metadata.get(name, [])
    return value if isinstance(value, list) else [value]


def holds(document: Document, raw: dict[str, Any] | None) -> bool:
    """A filter, read by hand."""
    if raw is None:
        return True
    if "or" in raw:
        return any(holds(document, member) for member in raw["or"])
    values = values_of(document, raw["field"])
    match raw["op"]:
        case "eq":
            return raw["value"] in values
        case "ne":
            return raw["value"] not in values
        case "gte":
            return any(value >= raw["value"] for value in values)
    raise AssertionError(raw)


def is_selected(document: Document, name: str, chosen: list[Any]) -> bool:
    values = values_of(document, name)
    if name == "due":
        return any(value.startswith(period) for value in values for period in chosen)
    if name == "year":
        return any(2010 <= value < 2020 for value in values)
    return any(value in values for value in chosen)


def buckets_of(document: Document, facet: FacetRequest) -> set[Any]:
    values = values_of(document, facet.field)
    if facet.interval:
        return {value[:7] for value in values}
    if facet.ranges:
        names = {"..2010": (0, 2010), "2010..2020": (2010, 2020), "2015..": (2015, 9999)}
        return {name for name, (low, high) in names.items() if any(low <= value < high for value in values)}
    return set(values)


def matched_words(tenant: Tenant) -> Callable[[str], set[int]]:
    """Query → the documents with a chunk that the lexical leg matches, listed one by one without any filter."""
    target = live_target(tenant.pk)
    assert target is not None

    def matching(query: str) -> set[int]:
        body = {
            "size": 10_000,
            "_source": ["document_id"],
            "query": lexical_query(Legs(query, target.languages, None, Mode.LEXICAL)),
            "track_total_hits": True,
        }
        hits = get_client().search(index=target.name, body=body)["hits"]
        assert len(hits["hits"]) == hits["total"]["value"]
        return {hit["_source"]["document_id"] for hit in hits["hits"]}

    return matching


@pytest.fixture
def filled(tenant: Tenant) -> Tenant:
    fill(tenant, random.Random(7), documents=150)
    return tenant


def test_totals_and_facets_equal_a_count_over_all_documents(filled: Tenant) -> None:
    rng = random.Random(11)
    matching = matched_words(filled)
    documents = list(Document.objects.filter(tenant=filled))
    compared = 0
    for _ in range(PAIRS):
        query, raw, selected, groups = drawn(rng)
        principal = Principal(filled.pk, filled.uuid, groups)
        found = matching(query)
        kept = [
            document
            for document in documents
            if document.pk in found and principal.may_see(document.access) and holds(document, raw)
        ]
        request = SearchRequest(
            query,
            mode=rng.choice([Mode.HYBRID, Mode.LEXICAL]),
            filters=raw,
            facets=FACETS,
            facet_filters=selected,
        )
        body = services.search(principal, request)
        chosen = [d for d in kept if all(is_selected(d, name, values) for name, values in selected.items())]
        assert body["total"] == {"value": len(chosen), "relation": "eq"}, request
        for facet in FACETS:
            others = {name: values for name, values in selected.items() if name != facet.field}
            counted = [
                d for d in kept if all(is_selected(d, name, values) for name, values in others.items())
            ]
            expected = Counter(bucket for document in counted for bucket in buckets_of(document, facet))
            given = {entry["value"]: entry["count"] for entry in body["facets"][facet.field]}
            assert {value: count for value, count in given.items() if count} == expected, (request, facet)
            compared += len(expected)
    assert compared > PAIRS


def test_more_documents_than_are_counted_are_a_bound_with_estimated_facets(
    filled: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    principal = Principal(filled.pk, filled.uuid, ("hr", "it"))
    request = SearchRequest(" ".join(WORDS), facets=FACETS, facet_filters={"draft": [True]})
    exact = services.search(principal, request)
    assert exact["facet_counts"] == "exact"
    monkeypatch.setattr(counting, "COUNT_LIMIT", 20)
    estimated = services.search(
        principal, SearchRequest(" ".join(WORDS) + " ", facets=FACETS, facet_filters={"draft": [True]})
    )
    assert estimated["total"]["relation"] == "gte"
    assert estimated["total"]["value"] >= 20
    assert estimated["facet_counts"] == "estimated"
    for facet in FACETS:  # of 150 documents the engine's estimates are exact
        by_value = [
            {entry["value"]: entry["count"] for entry in body["facets"][facet.field]}
            for body in (exact, estimated)
        ]
        assert by_value[0] == by_value[1], facet


def test_the_most_frequent_values_come_first_periods_from_the_newest(filled: Tenant) -> None:
    principal = Principal(filled.pk, filled.uuid, ())
    facets = (FacetRequest("team", size=2), FacetRequest("due", interval="year"))
    body = services.search(principal, SearchRequest("valve pump", facets=facets))
    counts = [entry["count"] for entry in body["facets"]["team"]]
    assert len(counts) == 2
    assert counts == sorted(counts, reverse=True)
    assert [entry["value"] for entry in body["facets"]["due"]] == ["2023", "2022", "2021", "2020"]
