"""A `/rerank` endpoint, as Cohere, Jina, TEI and vLLM speak it; asked once, since a reader waits."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import httpx2
import orjson

from search.exceptions import RerankUnavailable
from search.reranking.deadlines import Deadline
from search.reranking.pairs import passage
from search.types import Hit

_MOST_BYTES = 1_000_000


@dataclass(kw_only=True)
class RemoteReranker:
    """`base_url` is what stands before `/rerank`. Passages are sent up to `max_characters`, the query whole."""

    model: str
    base_url: str
    api_key: str = field(default="", repr=False)
    max_characters: int = 4000
    connections: int = 16

    def __post_init__(self) -> None:
        self.name = self.model
        headers = {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}
        limits = httpx2.Limits(max_connections=self.connections)
        self._client = httpx2.Client(headers=headers, limits=limits, follow_redirects=False)

    def rerank(self, query: str, hits: Sequence[Hit], *, deadline_seconds: float) -> list[float]:
        deadline = Deadline(deadline_seconds, len(hits))
        if not hits:
            return []
        documents = [passage(hit)[: self.max_characters] for hit in hits]
        body = {"model": self.model, "query": query, "documents": documents, "top_n": len(documents)}
        return _scores(self._ask(body, deadline), count=len(hits))

    def close(self) -> None:
        self._client.close()

    def _ask(self, body: Mapping[str, Any], deadline: Deadline) -> Any:
        url = f"{self.base_url.rstrip('/')}/rerank"
        timeout = deadline.remaining(done=0)
        try:
            with self._client.stream("POST", url, json=body, timeout=timeout) as response:
                response.raise_for_status()
                return orjson.loads(_read(response, deadline))
        except httpx2.TimeoutException as error:
            raise deadline.passed(done=0) from error
        except (httpx2.HTTPError, ValueError) as error:
            raise RerankUnavailable(
                f"{self.model} gave no scores: {type(error).__name__}: {error}"
            ) from error


def _read(response: httpx2.Response, deadline: Deadline) -> bytes:
    """The whole answer. One that comes in drops, each of them in time, is late all the same."""
    received = bytearray()
    for piece in response.iter_bytes():
        received += piece
        deadline.remaining(done=0)
        if len(received) > _MOST_BYTES:
            raise RerankUnavailable(f"The answer is longer than {_MOST_BYTES} bytes.")
    return bytes(received)


def _scores(answer: Any, *, count: int) -> list[float]:
    """Scores in the order of the documents. Raises RerankUnavailable unless each has exactly one."""
    try:
        found = {int(result["index"]): float(result["relevance_score"]) for result in answer["results"]}
    except (KeyError, TypeError, ValueError) as error:
        raise RerankUnavailable(f"The answer is not in the shape of /rerank: {error!r}") from error
    if found.keys() != set(range(count)) or len(answer["results"]) != count:
        raise RerankUnavailable(f"The answer scores {len(found)} of {count} documents.")
    if not all(map(isfinite, found.values())):
        raise RerankUnavailable("The answer holds a score that is no number.")
    return [found[position] for position in range(count)]
