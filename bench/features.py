"""What each feature of a search adds to the plain one: the requests that differ in it alone.

Plain is one hybrid query for ten passages with nothing beside them: less than what a reader's search has by default.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

Body = dict[str, Any]
PLAIN, EMBEDDED = "plain", "plain, query embedded"
LEARNED, CROSS_ENCODER = "learned", "cross-encoder"
BASE: Body = {"mode": "hybrid", "top_k": 10, "group_by": "chunk", "highlight": False, "rerank": False}
POPULAR = "popular"  # a profile whose documents are lifted by their views
MONTHS: Body = {"field": "published_at", "interval": "month"}
THOUSANDS: Body = {"field": "views", "ranges": [{"to": 1000}, {"from": 1000, "to": 5000}, {"from": 5000}]}


@dataclass(frozen=True, slots=True)
class Feature:
    """A search with one thing added. `server`: whose reranker it needs. `follows`: it goes on by another's cursor."""

    name: str
    extra: Mapping[str, Any] = field(default_factory=dict)
    typed: Callable[[str], str] = str
    server: str = LEARNED
    follows: bool = False

    def body(self, text: str) -> Body:
        return {**BASE, "query": self.typed(text), **self.extra}


def quoted(text: str) -> str:
    """Two words that stand side by side, required as a phrase."""
    first, second, third, *rest = text.replace('"', " ").split()
    return " ".join([first, f'"{second} {third}"', *rest])


def excluding(text: str) -> str:
    """A word that hardly any passage has, left out: the answer is the plain one."""
    return f"{text} -zeppelin"


def _reranked(window: int, server: str) -> Feature:
    extra = {"rerank": True, "settings": {"rerank_window": window}}
    return Feature(f"rerank {window}, {server}", extra, server=server)


def _settings(name: str, **overrides: Any) -> Feature:
    return Feature(name, {"settings": overrides})


FEATURES: tuple[Feature, ...] = (
    Feature(PLAIN),
    Feature("filter", {"filters": {"field": "views", "op": "gte", "value": 1000}}),
    Feature("facets, two of keywords", {"facets": ["metadata.source", "topic"]}),
    Feature("facets, by month and of ranges", {"facets": [MONTHS, THOUSANDS]}),
    Feature(
        "facets, multi-select",
        {"facets": ["metadata.source", "topic"], "facet_filters": {"metadata.source": ["cpp"]}},
    ),
    Feature("highlight", {"highlight": True}),
    Feature("group by document", {"group_by": "document"}),
    Feature("group by document, 3 passages", {"group_by": "document", "passages": 3}),
    Feature("explain", {"explain": True}),
    Feature("sort by a field", {"sort": "-views"}),
    Feature("cursor, the next page", {"sort": "-views", "cursor": "*"}, follows=True),
    Feature("page 10", {"page": 10}),
    Feature("neighbours, one each way", {"neighbours": 1}),
    _settings("overridden settings (k)", k=200),
    _settings("diversity (MMR)", diversity=0.3),
    _settings("boost by recency", recency_weight=0.2),
    Feature("boost by popularity", {"profile": POPULAR}),
    Feature("typed phrase", typed=quoted),
    Feature("typed exclusion", typed=excluding),
    _reranked(20, LEARNED),
    _reranked(50, LEARNED),
    _reranked(20, CROSS_ENCODER),
    _reranked(50, CROSS_ENCODER),
    Feature("as shipped", {"group_by": "document", "highlight": True, "rerank": None}),
)


def turn(number: int) -> tuple[Feature, ...]:
    """The features in the order of a query's turn: each comes first and last as often as any other."""
    at = number % len(FEATURES)
    return FEATURES[at:] + FEATURES[:at]


def typed_so_far(text: str) -> str:
    """What is in the box while the second word is being typed."""
    first, second, *_ = text.split()
    return f"{first} {second[:3]}"
