"""The same searches straight to OpenSearch: the bodies of search.query over plain keep-alive HTTP, without Ragsite.

What an API adds is measured against this. It decodes no more than it needs to ask for the page.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import orjson
from django.utils import timezone

from search import filters, query, spelling, understanding
from search.client import ResponseError, get_client
from search.counting import Counting, count_body
from search.exceptions import OpenSearchUnavailable
from search.pipelines import search_pipeline
from search.profiles import fusion_spec
from search.tenants import live_target
from search.types import IndexTarget, Mode, Principal


class RawEngine:
    """The engine by the very connection that Ragsite's client has, and nothing of that client."""

    def send(self, method: str, path: str, body: bytes) -> bytes:
        """The answer's bytes. Raises OpenSearchUnavailable for any status but 200."""
        connection = get_client().transport.get_connection()
        try:
            answer: bytes = connection.perform_request(method, path, body=body)[2]
        except ResponseError as error:
            raise OpenSearchUnavailable(f"OpenSearch answered {error.status_code}: {error.error}") from error
        return answer


@dataclass(frozen=True, slots=True)
class RawSearch:
    """A tenant's hybrid search in its two steps: candidates and counts, then the page of `top_k` documents."""

    engine: RawEngine
    principal: Principal
    target: IndexTarget
    depth: int
    pipeline: str
    top_k: int

    def __call__(self, text: str, vector: Any) -> bytes:
        return self.page(text, vector, self.candidates(text, vector))

    def candidates(self, text: str, vector: Any) -> list[str]:
        """Step one: chunk ids of the page."""
        legs, door = self._asked(text, vector)
        size = min(self.depth, self.top_k * query.CANDIDATES_PER_HIT)
        candidates = query.candidates_body(
            legs, door=door, depth=self.depth, size=size, pipeline=self.pipeline
        )
        if words := spelling.spelled_words(understanding.parse(text, self.target.schema)):
            candidates |= {"suggest": spelling.suggest_body(words)}
        counts = count_body(legs, Counting(door))
        header = {"index": self.target.name}
        lines = b"".join(_dumps(line) + b"\n" for line in (header, candidates, header, counts))
        found = orjson.loads(self.engine.send("POST", "/_msearch", lines))["responses"][0]
        return self._page(found["hits"]["hits"])

    def page(self, text: str, vector: Any, chunk_ids: list[str]) -> bytes:
        """Step two."""
        legs, door = self._asked(text, vector)
        page = query.page_body(legs, chunk_ids=chunk_ids, door=door, highlight=True)
        path = f"/{self.target.name}/_search?include_named_queries_score=true"
        return self.engine.send("POST", path, _dumps(page))

    def _asked(self, text: str, vector: Any) -> tuple[query.Legs, query.Body]:
        """A question that holds no operator and no synonym, as those of the measurements are."""
        codes = understanding.codes(text)
        legs = query.Legs(text, self.target.languages, vector, Mode.HYBRID, codes=codes)
        return legs, filters.door(self.principal, now=timezone.now())

    def _page(self, hits: Sequence[Any]) -> list[str]:
        """Chunk ids of the best chunk of each of the first documents."""
        best: dict[int, str] = {}
        for hit in hits:
            document_id, edition, ordinal = (hit["fields"][name][0] for name in query.CANDIDATE_FIELDS)
            best.setdefault(document_id, f"{document_id}:{edition}:{ordinal}")
            if len(best) == self.top_k:
                break
        return list(best.values())


def raw_search(principal: Principal, engine: RawEngine, *, top_k: int = 10) -> RawSearch:
    """The tenant's search as its settings make it. Raises OpenSearchUnavailable when it has no index yet."""
    target = live_target(principal.tenant_id)
    if target is None:
        raise OpenSearchUnavailable("The tenant has no index: it has no document yet.")
    profile = target.profile
    pipeline = search_pipeline(fusion_spec(profile))
    engine.send("PUT", f"/_search/pipeline/{pipeline.name}", _dumps(pipeline.body))
    return RawSearch(engine, principal, target, profile.k, pipeline.name, top_k)


def sample_passages(engine: RawEngine, target: IndexTarget, *, count: int, seed: int) -> list[str]:
    """Texts of chunks drawn at random, the same for the same seed."""
    draw = {"query": {"match_all": {}}, "random_score": {"seed": seed, "field": "_seq_no"}}
    body = {"size": count, "_source": ["body"], "query": {"function_score": draw}}
    hits = orjson.loads(engine.send("POST", f"/{target.name}/_search", _dumps(body)))["hits"]["hits"]
    return [hit["_source"]["body"] for hit in hits]


def _dumps(value: Any) -> bytes:
    return orjson.dumps(value, option=orjson.OPT_SERIALIZE_NUMPY)
