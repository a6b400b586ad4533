"""Index versions and writes: creating a physical index, bulk writes read item by item, updates and deletes
by known ids.

The write side calls this; nothing here decides what is live. A physical index is named by its row, never by an alias.
"""

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.utils import timezone

from search import mapping
from search.client import ResponseError, encode, get_write_client, may_pass, unavailable
from search.exceptions import BulkRefused, OpenSearchUnavailable
from search.models import SearchIndex, Tenant
from search.records import ChunkRecord, DocumentFields

BULK_BYTES = 8 * 1024 * 1024
BULK_TRIES = 6
BACKOFF_SECONDS = 0.2
BACKOFF_LIMIT_SECONDS = 10.0
# Replaces whole fields. A partial `doc` update would merge `metadata` and keep values that were taken out.
_REPLACE_FIELDS = "ctx._source.putAll(params.fields)"


@dataclass(frozen=True, slots=True)
class Operation:
    """One line of a bulk request: `index`, `update` or `delete` of a chunk."""

    action: str
    chunk_id: str
    body: Mapping[str, Any] | None = None

    def lines(self) -> bytes:
        header = encode({self.action: {"_id": self.chunk_id}}) + b"\n"
        return header if self.body is None else header + encode(self.body) + b"\n"


@dataclass(frozen=True, slots=True)
class ItemError:
    """A chunk that the engine refused for good, and what it said."""

    chunk_id: str
    status: int
    reason: str


def physical_name(tenant: Tenant, number: int) -> str:
    return f"{settings.OPENSEARCH_INDEX_PREFIX}-{tenant.uuid}-v{number}"


def alias_name(tenant: Tenant) -> str:
    """A courtesy for other tools; Ragsite's own queries name the physical index."""
    return f"{settings.OPENSEARCH_INDEX_PREFIX}-{tenant.uuid}"


def create_index(index: SearchIndex, metadata_fields: Iterable[tuple[str, str]]) -> None:
    """Make the physical index of a row, with its metadata fields. Harmless when it is there already.

    The row then says which mapping version it has, so that queries ask only the fields that are there.
    """
    body = mapping.index_body(_index_settings(index), meta=_meta(index))
    with engine_errors():
        client = get_write_client()
        if not client.indices.exists(index=index.name):
            client.indices.create(index=index.name, body=body, ignore=400)
            index.mapping_version = mapping.MAPPING_VERSION
            index.save(update_fields=["mapping_version"])
        put_metadata_fields([index], metadata_fields)


def _index_settings(index: SearchIndex) -> mapping.IndexSettings:
    vectors = mapping.VectorSettings(
        dimension=index.dimension,
        engine=settings.OPENSEARCH_KNN_ENGINE,
        mode=settings.OPENSEARCH_KNN_MODE,
        compression=settings.OPENSEARCH_KNN_COMPRESSION,
    )
    return mapping.IndexSettings(vectors, settings.OPENSEARCH_SHARDS, settings.OPENSEARCH_REPLICAS)


def _meta(index: SearchIndex) -> dict[str, Any]:
    return {
        "variant": index.variant,
        "dimension": index.dimension,
        "chunking_version": index.chunking_version,
        "mapping_version": mapping.MAPPING_VERSION,
    }


def put_metadata_fields(indexes: Iterable[SearchIndex], fields: Iterable[tuple[str, str]]) -> None:
    """Put metadata fields (name, type) into the mapping, before their first use."""
    body = mapping.metadata_mapping(fields)
    if not body["properties"]["metadata"]["properties"]:
        return
    with engine_errors():
        for index in indexes:
            get_write_client().indices.put_mapping(index=index.name, body=body)


def point_alias(tenant: Tenant, index: SearchIndex) -> None:
    """Move the courtesy alias to the index that serves."""
    alias = alias_name(tenant)
    removal = {"remove": {"index": f"{alias}-v*", "alias": alias, "must_exist": False}}
    actions = [removal, {"add": {"index": index.name, "alias": alias}}]
    with engine_errors():
        get_write_client().indices.update_aliases(body={"actions": actions})


def drop_index(name: str) -> None:
    """Remove an index, and the scratch index beside it that a killed process may have left."""
    with engine_errors():
        get_write_client().indices.delete(
            index=f"{name},{scratch_name(name)}", params={"ignore_unavailable": "true"}
        )


def scratch_name(name: str) -> str:
    """Where things are tried out with the mapping of an index: see search.sampling."""
    return f"{name}-scratch"


def require_engine() -> None:
    """Raises OpenSearchUnavailable when the engine is down, before work is spent that it would have to take."""
    with engine_errors():
        get_write_client().info()


def refresh(name: str) -> None:
    """Make what was written searchable."""
    with engine_errors():
        get_write_client().indices.refresh(index=name)


def index_operations(
    chunks: Iterable[ChunkRecord], fields: Mapping[int, DocumentFields]
) -> Iterator[Operation]:
    """Writes of chunks; `fields` by document id."""
    for chunk in chunks:
        source = mapping.chunk_source(chunk, fields[chunk.document_id])
        yield Operation("index", chunk.chunk_id, source)


def update_operations(chunk_ids: Iterable[str], fields: DocumentFields) -> Iterator[Operation]:
    """Updates in place of what a document gives to its chunks; text and vector stay."""
    script = {"source": _REPLACE_FIELDS, "params": {"fields": mapping.document_source(fields)}}
    for chunk_id in chunk_ids:
        yield Operation("update", chunk_id, {"script": script})


def delete_operations(chunk_ids: Iterable[str]) -> Iterator[Operation]:
    for chunk_id in chunk_ids:
        yield Operation("delete", chunk_id)


def bulk(name: str, operations: Iterable[Operation]) -> list[ItemError]:
    """Write to one index, each item acknowledged or reported; 429 and 5xx of an item are tried again with full jitter.

    Returns the items refused for good. A delete of a missing chunk counts as done.
    Raises OpenSearchUnavailable when the engine is down, BulkRefused when it blocks writes.
    """
    errors: list[ItemError] = []
    for part in _parts(operations):
        errors += _bulk_part(name, part)
    return errors


def _parts(operations: Iterable[Operation]) -> Iterator[list[tuple[Operation, bytes]]]:
    part: list[tuple[Operation, bytes]] = []
    size = 0
    for operation in operations:
        lines = operation.lines()
        if part and (size + len(lines) > BULK_BYTES or len(part) >= settings.INGESTION_BULK_CHUNKS):
            yield part
            part, size = [], 0
        part.append((operation, lines))
        size += len(lines)
    if part:
        yield part


def _bulk_part(name: str, part: list[tuple[Operation, bytes]]) -> list[ItemError]:
    errors: list[ItemError] = []
    for attempt in range(BULK_TRIES):
        if attempt:
            time.sleep(random.uniform(0, min(BACKOFF_LIMIT_SECONDS, BACKOFF_SECONDS * 2**attempt)))  # noqa: S311
        outcomes = _send(name, part)
        refused, part = _sort_outcomes(part, outcomes)
        errors += refused
        if not part:
            return errors
    raise OpenSearchUnavailable(
        f"OpenSearch still refuses {len(part)} writes to {name} after {BULK_TRIES} tries."
    )


def _send(name: str, part: Sequence[tuple[Operation, bytes]]) -> list[dict[str, Any]]:
    body = b"".join(lines for _, lines in part)
    with engine_errors():
        answer = get_write_client().bulk(body=body, index=name)
    return [next(iter(item.values())) for item in answer["items"]]


def _sort_outcomes(
    part: Sequence[tuple[Operation, bytes]], outcomes: Sequence[dict[str, Any]]
) -> tuple[list[ItemError], list[tuple[Operation, bytes]]]:
    """(refused for good, to be tried again)."""
    refused: list[ItemError] = []
    again: list[tuple[Operation, bytes]] = []
    for entry, outcome in zip(part, outcomes, strict=True):
        status, operation = int(outcome["status"]), entry[0]
        if status < 300 or (status == 404 and operation.action == "delete"):
            continue
        reason = str(outcome.get("error", {}).get("reason", "no reason given"))
        if _is_block(outcome):
            raise BulkRefused(f"OpenSearch blocks writes: {reason}")
        if may_pass(status):
            again.append(entry)
        else:
            refused.append(ItemError(operation.chunk_id, status, reason))
    return refused, again


def _is_block(outcome: Mapping[str, Any]) -> bool:
    """A flood-stage or read-only block: also a 429 or 403, but it may last hours, so no attempt is spent on it."""
    return bool(outcome.get("error", {}).get("type") == "cluster_block_exception")


def chunk_ids(document_id: int, edition: int, count: int) -> list[str]:
    """Every chunk id of an edition."""
    return [f"{document_id}:{edition}:{ordinal}" for ordinal in range(count)]


@dataclass(frozen=True, slots=True)
class IndexedChunk:
    """What an index holds of a chunk, as reconcile compares it."""

    document_id: int
    edition: int
    ordinal: int
    public_id: str
    access: tuple[str, ...]


def iter_chunks(name: str, *, page_size: int = 2000) -> Iterator[IndexedChunk]:
    """Every chunk of an index by document, edition and ordinal, read as it was when this began."""
    keys = ["document_id", "edition", "ordinal"]
    body = {"_source": False, "docvalue_fields": [*keys, "document", "access"], "sort": keys}
    for hit in _scroll(name, body, page_size=page_size):
        yield _indexed_chunk(hit["fields"])


def iter_texts(name: str, *, page_size: int = 500) -> Iterator[tuple[str, int, str]]:
    """(public id, ordinal, text) of every chunk."""
    body = {"_source": ["document", "ordinal", "body"], "sort": ["_doc"]}
    for hit in _scroll(name, body, page_size=page_size):
        yield hit["_source"]["document"], hit["_source"]["ordinal"], hit["_source"]["body"]


def _scroll(name: str, body: dict[str, Any], *, page_size: int) -> Iterator[dict[str, Any]]:
    with engine_errors():
        client = get_write_client()
        answer = client.search(index=name, body=body | {"size": page_size}, scroll="5m")
        while hits := answer["hits"]["hits"]:
            yield from hits
            answer = client.scroll(body={"scroll_id": answer["_scroll_id"], "scroll": "5m"})
        client.clear_scroll(scroll_id=answer["_scroll_id"])


def _indexed_chunk(fields: Mapping[str, list[Any]]) -> IndexedChunk:
    document_id, edition, ordinal = (fields[name][0] for name in ("document_id", "edition", "ordinal"))
    return IndexedChunk(document_id, edition, ordinal, fields["document"][0], tuple(fields.get("access", ())))


def count_chunks(name: str) -> int:
    with engine_errors():
        return int(get_write_client().count(index=name)["count"])


def add_language(index: SearchIndex, languages: set[str]) -> None:
    """Record languages that were written to an index, so that queries ask their fields."""
    if missing := sorted(languages - set(index.languages)):
        index.languages = [*index.languages, *missing]
        index.save(update_fields=["languages"])


def mark_live(tenant: Tenant, index: SearchIndex) -> None:
    """Let `index` serve the tenant. The caller holds the transaction that makes it so."""
    SearchIndex.objects.filter(tenant=tenant, state=SearchIndex.State.LIVE).update(
        state=SearchIndex.State.RETIRED
    )
    index.state, index.live_at = SearchIndex.State.LIVE, timezone.now()
    index.save(update_fields=["state", "live_at"])
    tenant.live_index = index
    tenant.content_version += 1
    tenant.save(update_fields=["live_index", "content_version"])


class engine_errors:  # noqa: N801  reads as a statement: `with engine_errors():`
    """Turns transport errors into the errors of this app; an engine that answers "wrong" stays an error of ours."""

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: object) -> None:
        if isinstance(error, ResponseError):
            if "cluster_block_exception" in str(error.error):
                raise BulkRefused(f"OpenSearch blocks writes: {error.error}") from error
            if down := unavailable(error):
                raise down from error
