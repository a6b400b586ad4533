"""Totals and facets on the real node equal a count over all documents by hand, whoever asks and whatever is selected.

`COUNTING_PAIRS=200` counts as many pairs of query and filter as one likes (200 were equal); a fixed seed draws them.
"""

import os
import random
import re
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from itertools import pairwise
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


def fill(tenant: Tenant, rng: random.Random, *, documents: int) -> dict[int, str]:
    """Document id → its text."""
    texts: dict[int, str] = {}
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
        access = rng.choice([None, None, [], ["hr"], ["it"], ["hr", "it"]])
        texts[accept(tenant, f"d{number}", text, metadata=kept, access=access).document.pk] = text
    ingest_all(tenant)
    return texts


@dataclass(frozen=True)
class Drawn:
    """A search and who asks. The typed query's parts are kept apart, so that they can be read by hand."""

    words: str
    phrase: str
    excluded: tuple[str, ...]
    typed: tuple[tuple[str, dict[str, Any]], ...]  # conditions as they are typed, and as filters
    filters: dict[str, Any] | None
    selected: dict[str, list[Any]]
    groups: tuple[str, ...]

    @property
    def query(self) -> str:
        quoted = [f'"{self.phrase}"'] if self.phrase else []
        left_out = [f"-{word}" for word in self.excluded]
        return " ".join([*quoted, self.words, *left_out, *(typed for typed, _ in self.typed)])


def drawn(rng: random.Random) -> Drawn:
    selectable: dict[str, list[Any]] = {
        "team": rng.sample(["hr", "it", "ops"], k=rng.randint(1, 2)),
        "tags": rng.sample(["red", "green", "blue"], k=rng.randint(1, 2)),
        "year": ["2010..2020"],
        "draft": [rng.random() < 0.5],
        "due": rng.sample(["2021", "2022-03", "2023"], k=rng.randint(1, 2)),
    }
    chosen = rng.sample(sorted(selectable), k=rng.randint(0, 3))
    words = rng.sample(WORDS, k=rng.randint(1, 4))
    typed = rng.sample(TYPED, k=rng.choice([0, 0, 1, 2]))
    return Drawn(
        words=" ".join(words),
        phrase=" ".join(rng.choices(WORDS, k=2)) if rng.random() < 0.25 else "",
        excluded=tuple(rng.sample(sorted({*WORDS} - {*words}), k=rng.choice([0, 0, 1, 2]))),
        typed=tuple(typed),
        filters=drawn_filter(rng, depth=3) if rng.random() < 0.75 else None,
        selected={name: selectable[name] for name in chosen},
        groups=rng.choice([(), ("hr",), ("it",), ("hr", "it"), ("ops", "hr")]),
    )


TYPED: tuple[tuple[str, dict[str, Any]], ...] = (
    ("team:hr", {"field": "team", "op": "eq", "value": "hr"}),
    ("-tags:red", {"not": {"field": "tags", "op": "eq", "value": "red"}}),
    ("year:>=2010", {"field": "year", "op": "gte", "value": 2010}),
    ("draft:yes", {"field": "draft", "op": "eq", "value": True}),
)


def drawn_filter(rng: random.Random, *, depth: int) -> dict[str, Any]:
    """Conditions under and, or, not."""
    op = rng.choice(["leaf", "and", "or", "not"]) if depth > 1 else "leaf"
    if op == "not":
        return {"not": drawn_filter(rng, depth=depth - 1)}
    if op != "leaf":
        return {op: [drawn_filter(rng, depth=depth - 1) for _ in range(rng.randint(1, 3))]}
    leaves: list[dict[str, Any]] = [
        {"field": "team", "op": "ne", "value": "hr"},
        {"field": "team", "op": "in", "value": ["hr", "ops"]},
        {"field": "team", "op": "prefix", "value": "o"},
        {"field": "tags", "op": "eq", "value": rng.choice(["red", "green"])},
        {"field": "tags", "op": "nin", "value": ["red", "blue"]},
        {"field": "year", "op": "gte", "value": rng.randint(2000, 2025)},
        {"field": "year", "op": "lt", "value": rng.randint(2000, 2025)},
        {"field": "draft", "op": "eq", "value": rng.random() < 0.5},
        {"field": "due", "op": "exists", "value": rng.random() < 0.5},
    ]
    return rng.choice(leaves)


def values_of(document: Document, name: str) -> list[Any]:
    value = document.metadata.get(name, [])
    return value if isinstance(value, list) else [value]


def holds(document: Document, raw: dict[str, Any] | None) -> bool:
    """A filter, read by hand."""
    if raw is None:
        return True
    if "not" in raw:
        return not holds(document, raw["not"])
    for op, joined in (("and", all), ("or", any)):
        if op in raw:
            return joined(holds(document, member) for member in raw[op])
    return fits(values_of(document, raw["field"]), raw["op"], raw["value"])


def fits(values: list[Any], op: str, wanted: Any) -> bool:
    by_op: dict[str, Callable[[], bool]] = {
        "eq": lambda: wanted in values,
        "ne": lambda: wanted not in values,
        "in": lambda: any(value in wanted for value in values),
        "nin": lambda: all(value not in wanted for value in values),
        "prefix": lambda: any(value.startswith(wanted) for value in values),
        "gte": lambda: any(value >= wanted for value in values),
        "lt": lambda: any(value < wanted for value in values),
        "exists": lambda: bool(values) is wanted,
    }
    return by_op[op]()


def is_typed_for(text: str, drawn: Drawn) -> bool:
    """What was in quotes stands in the text, what had a minus does not."""
    words = re.findall(r"\w+", text)
    pairs = {" ".join(pair) for pair in pairwise(words)}
    return (not drawn.phrase or drawn.phrase in pairs) and not set(drawn.excluded) & set(words)


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
def texts(tenant: Tenant) -> dict[int, str]:
    return fill(tenant, random.Random(7), documents=150)


@pytest.fixture
def filled(texts: dict[int, str], tenant: Tenant) -> Tenant:
    return tenant


def test_totals_and_facets_equal_a_count_over_all_documents(filled: Tenant, texts: dict[int, str]) -> None:
    rng = random.Random(11)
    matching = matched_words(filled)
    documents = list(Document.objects.filter(tenant=filled))
    compared = counted_totals = 0
    for _ in range(PAIRS):
        asked = drawn(rng)
        principal = Principal(filled.pk, filled.uuid, asked.groups)
        found = matching(f"{asked.phrase} {asked.words}")
        kept = [
            document
            for document in documents
            if document.pk in found
            and principal.may_see(document.access)
            and is_typed_for(texts[document.pk], asked)
            and all(holds(document, raw) for raw in (asked.filters, *(raw for _, raw in asked.typed)))
        ]
        request = SearchRequest(
            asked.query,
            mode=rng.choice([Mode.HYBRID, Mode.LEXICAL]),
            filters=asked.filters,
            facets=FACETS,
            facet_filters=asked.selected,
        )
        body = services.search(principal, request)
        chosen = selected_by(kept, asked.selected)
        assert body["total"] == {"value": len(chosen), "relation": "eq"}, request
        counted_totals += bool(chosen)
        for facet in FACETS:
            others = {name: values for name, values in asked.selected.items() if name != facet.field}
            counted = selected_by(kept, others)
            expected = Counter(bucket for document in counted for bucket in buckets_of(document, facet))
            given = {entry["value"]: entry["count"] for entry in body["facets"][facet.field]}
            assert {value: count for value, count in given.items() if count} == expected, (request, facet)
            compared += len(expected)
    assert compared > PAIRS
    assert counted_totals > PAIRS / 4  # the others left nothing over


def selected_by(documents: list[Document], selected: dict[str, list[Any]]) -> list[Document]:
    return [
        document
        for document in documents
        if all(is_selected(document, name, values) for name, values in selected.items())
    ]


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


def test_ranges_are_counted_between_numbers_of_any_size(filled: Tenant) -> None:
    bounds = ((None, 2**63), (-(2**63), 2**64 - 1), (2**64 - 1, 1e299))
    request = SearchRequest("valve pump", facets=(FacetRequest("year", ranges=bounds),))
    counts = [
        entry["count"]
        for entry in services.search(Principal(filled.pk, filled.uuid, ()), request)["facets"]["year"]
    ]
    assert counts[0] == counts[1] > 0
    assert counts[2] == 0
