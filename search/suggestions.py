"""Titles, and behind them headings of passages, that go on what a reader has begun to type: prefixes of their words.

The same door and visibility as a search; titles are those that the database has now, so that none is betrayed.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone

from search import filters, retrieval
from search.collections import chosen
from search.curation import normalised
from search.metrics import StageClock
from search.tenants import live_target
from search.types import IndexTarget, Principal, VisibleDocument
from search.visibility import visible_documents

NEEDS_REBUILD = "suggestions_need_rebuild"  # the index was made before titles could be suggested from
_CANDIDATES_PER_SUGGESTION = 5  # several documents may have one title


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A title or a heading, and the document that has it."""

    text: str
    document: VisibleDocument


def suggest(principal: Principal, text: str, *, size: int, collection: str | None = None) -> dict[str, Any]:
    """At most `size` suggestions as the API's JSON. Raises NotFound for a collection, OpenSearchUnavailable."""
    within = chosen(principal, collection).filters if collection else None
    clock = StageClock()
    degraded: list[str] = []
    found: list[Suggestion] = []
    target = live_target(principal.tenant_id)
    if target is not None and text.strip():
        if retrieval.has_suggestions(target.name):
            found = _found(principal, target, text, within, size=size, clock=clock)
        else:
            degraded.append(NEEDS_REBUILD)
    return {
        "suggestions": [{"text": one.text, "document": one.document.public_id} for one in found],
        "timings": clock.total(),
        "degraded": degraded,
    }


def _found(
    principal: Principal,
    target: IndexTarget,
    text: str,
    within: Mapping[str, Any] | None,
    *,
    size: int,
    clock: StageClock,
) -> list[Suggestion]:
    """Of what matches and is visible: titles, best first, then headings; none twice."""
    now = timezone.now()
    with clock.stage("retrieve"):
        door = filters.door(principal, now=now, filters=filters.parse(within, target.schema))
        found = retrieval.suggested(target.name, text, door=door, size=size * _CANDIDATES_PER_SUGGESTION)
    with clock.stage("visibility"):
        ids = {one.document_id for one in (*found.titles, *(chunk for chunk, _ in found.headings))}
        visible = visible_documents(ids, principal=principal, index_id=target.index_id, now=now)
    by_text: dict[str, Suggestion] = {}
    for one in _texts(found, visible, text):
        by_text.setdefault(one.text.casefold(), one)
    return list(by_text.values())[:size]


def _texts(
    found: retrieval.Suggested, visible: Mapping[int, VisibleDocument], typed: str
) -> Iterator[Suggestion]:
    """Those of live editions: a former one had another title, and other headings."""
    for candidate in found.titles:
        document = visible.get(candidate.document_id)
        if document is not None and document.edition == candidate.edition:
            yield Suggestion(document.title, document)
    for candidate, headings in found.headings:
        document = visible.get(candidate.document_id)
        if document is not None and document.edition == candidate.edition:
            yield from (Suggestion(heading, document) for heading in headings if _goes_on(heading, typed))


def _goes_on(heading: str, typed: str) -> bool:
    """Whether each word typed begins one of the heading's: the engine looks at all headings of a chunk together."""
    words = normalised(heading).split()
    return all(any(word.startswith(begun) for word in words) for begun in normalised(typed).split())
