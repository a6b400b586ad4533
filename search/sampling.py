"""Samples of what an index holds, and scratch copies of its mapping to try things on. Nothing here touches the
index itself."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from search import index, mapping
from search.client import get_write_client

_ROWS = 500
_LANGUAGES = 50
_ANALYSED_CHARACTERS = (
    4000  # the engine gives 10,000 tokens a call at most; some analyzers make two of a character
)
_ASTRAL = re.compile("[\U00010000-\U0010ffff]")
Span = tuple[int, int]


@dataclass(frozen=True, slots=True)
class StoredChunk:
    """A chunk as an index holds it; its vector as (dimension,) float32."""

    chunk_id: str
    source: Mapping[str, Any]

    @property
    def document_id(self) -> int:
        return int(self.source["document_id"])

    @property
    def text(self) -> str:
        return str(self.source["body"])

    @property
    def title(self) -> str:
        return str(self.source["title"])

    @property
    def headings(self) -> tuple[str, ...]:
        return tuple(self.source["headings"])

    def with_text(self, text: str, vector: Any) -> "StoredChunk":
        """The same chunk, title and headings included, with another text and its vector."""
        return StoredChunk(self.chunk_id, mapping.with_text(self.source, text, vector))


def count_languages(name: str) -> dict[str, int]:
    """Chunks by language, the most frequent first."""
    languages = {"terms": {"field": "language", "size": _LANGUAGES}}
    with index.engine_errors():
        answer = get_write_client().search(index=name, body={"size": 0, "aggs": {"languages": languages}})
    return {bucket["key"]: bucket["doc_count"] for bucket in answer["aggregations"]["languages"]["buckets"]}


def sample_chunks(name: str, *, language: str, size: int) -> list[StoredChunk]:
    """Up to `size` chunks of a language by chance: the same ones as long as the index does not change."""
    chance = {
        "query": {"bool": {"filter": [{"term": {"language": language}}]}},
        "random_score": {"seed": 1, "field": "_seq_no"},
        "boost_mode": "replace",
    }
    found: list[StoredChunk] = []
    while len(found) < size:
        rows = min(_ROWS, size - len(found))
        body = {"from": len(found), "size": rows, "query": {"function_score": chance}}
        with index.engine_errors():
            answer = get_write_client().search(index=name, body=body | {"track_total_hits": False})
        hits = answer["hits"]["hits"]
        found += [_stored_chunk(hit) for hit in hits]
        if len(hits) < rows:
            break
    return found


def _stored_chunk(hit: Mapping[str, Any]) -> StoredChunk:
    vector = np.array(hit["_source"][mapping.VECTOR_FIELD], dtype=np.float32)
    return StoredChunk(hit["_id"], hit["_source"] | {mapping.VECTOR_FIELD: vector})


def word_spans(name: str, language: str, texts: Sequence[str]) -> list[list[Span]]:
    """(start, end) of each text's words as the language's analyzer sees them; its stop words are none."""
    spans: list[list[Span]] = []
    for part in _parts(texts):
        # The engine counts UTF-16 units: a sign that takes two would shift what follows it.
        body = {"field": mapping.text_field(language), "text": _ASTRAL.sub("\ufffd", "\n".join(part))}
        with index.engine_errors():
            tokens = get_write_client().indices.analyze(index=name, body=body)["tokens"]
        spans += _by_text(part, {(token["start_offset"], token["end_offset"]) for token in tokens})
    return spans


def _parts(texts: Iterable[str]) -> Iterator[list[str]]:
    part: list[str] = []
    for text in texts:
        if part and sum(map(len, part)) + len(text) > _ANALYSED_CHARACTERS:
            yield part
            part = []
        part.append(text)
    if part:
        yield part


def _by_text(texts: Iterable[str], spans: Iterable[Span]) -> Iterator[list[Span]]:
    ordered, start = sorted(spans), 0
    for text in texts:
        end = start + len(text)
        yield [(first - start, last - start) for first, last in ordered if first >= start and last <= end]
        start = end + 1


@contextmanager
def scratch_like(name: str) -> Iterator[str]:
    """An empty index with the mapping and analyzers of another, dropped afterwards, or before the next one is made
    if this process is killed."""
    scratch = index.scratch_name(name)
    with index.engine_errors():
        origin = get_write_client().indices.get(index=name)[name]
    settings = {
        "knn": True,
        "number_of_shards": 1,
        "number_of_replicas": 0,
        "analysis": origin["settings"]["index"].get("analysis", {}),
    }
    index.drop_index(scratch)
    try:
        with index.engine_errors():
            body = {"settings": {"index": settings}, "mappings": origin["mappings"]}
            get_write_client().indices.create(index=scratch, body=body)
        yield scratch
    finally:
        index.drop_index(scratch)


def write_stored(name: str, chunks: Iterable[StoredChunk]) -> None:
    """Write chunks as they are and make them searchable. Raises what `index.bulk` raises."""
    index.bulk(name, (index.Operation("index", chunk.chunk_id, chunk.source) for chunk in chunks))
    index.refresh(name)
