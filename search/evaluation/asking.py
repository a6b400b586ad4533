"""One judged query through the search flow: its ranking is what readers get.

The first ten are those of the very request that a reader sends; what lies behind them comes from a second, deeper one.
"""

import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from search import services
from search.metrics import StageClock
from search.tenants import live_target
from search.types import Mode, Principal, RetrievalSettings, SearchRequest, SearchResult

RERANK = "rerank"
MODES = (Mode.LEXICAL.value, Mode.VECTOR.value, Mode.HYBRID.value, RERANK)
RANKED = 100
_FIRST = 10
DEEP_DEPTH = 1000  # chunks a leg: a hundred documents, also of ten chunks and more


@dataclass(frozen=True, slots=True)
class Asking:
    """How queries are asked: by whom, in which mode (`rerank`: hybrid and reranked), with which settings."""

    principal: Principal
    mode: str
    profile: RetrievalSettings

    def request(self, text: str, filters: Mapping[str, Any] | None, *, deep: bool) -> SearchRequest:
        return SearchRequest(
            query=text,
            mode=Mode.HYBRID if self.mode == RERANK else Mode(self.mode),
            filters=filters,
            top_k=RANKED if deep else _FIRST,
            rerank=self.mode == RERANK and not deep,  # the order of the first hundred is no matter to recall
            highlight=False,
            with_total=False,
            curate=False,  # what is measured is the ranking
        )


def as_readers_ask(principal: Principal, mode: str) -> Asking:
    """With the settings that hold where a request names none."""
    target = live_target(principal.tenant_id)
    return Asking(principal, mode, target.profile if target else RetrievalSettings())


@dataclass(frozen=True, slots=True)
class Found:
    """At most a hundred public ids, best first, and what the first of the two searches took."""

    ranking: tuple[str, ...]
    milliseconds: float
    degraded: tuple[str, ...]


def ask(asking: Asking, text: str, filters: Mapping[str, Any] | None = None) -> Found:
    """Raises InvalidFilter, OpenSearchUnavailable."""
    started = time.perf_counter()
    first = _search(asking, asking.request(text, filters, deep=False))
    milliseconds = (time.perf_counter() - started) * 1000
    deeper = replace(asking, profile=replace(asking.profile, k=max(asking.profile.k, DEEP_DEPTH)))
    deep = _search(deeper, asking.request(text, filters, deep=True))
    ranking = dict.fromkeys((*_ids(first), *_ids(deep)))
    degraded = tuple(sorted({*first.degraded, *deep.degraded}))
    return Found(tuple(ranking)[:RANKED], milliseconds, degraded)


def _search(asking: Asking, request: SearchRequest) -> SearchResult:
    return services.retrieve(asking.principal, request, clock=StageClock(), profile=asking.profile)


def _ids(result: SearchResult) -> tuple[str, ...]:
    return tuple(hit.document.public_id for hit in result.hits)
