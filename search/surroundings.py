"""What stands around a hit: further passages of its document that were found too, and the chunks beside it.

Read only where they are asked for. A hit is visible already, and so is all of its edition.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace

from search import retrieval
from search.asked import Asked
from search.candidates import Found
from search.hits import hits_of
from search.types import Candidate, Hit


def with_surroundings(asked: Asked, found: Found, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    """The hits with what was asked for around them; the same ones where nothing was."""
    request = asked.request
    if request.passages > 1 and request.group_by == "document":
        hits = _with_more(asked, found, hits)
    neighbours = asked.profile.neighbours if request.neighbours is None else request.neighbours
    return _with_neighbours(asked, found, hits, count=neighbours) if neighbours else hits


def _with_more(asked: Asked, found: Found, hits: tuple[Hit, ...]) -> tuple[Hit, ...]:
    """Under each hit the next best candidates of its document."""
    wanted = {hit.chunk_id: tuple(_others(hit, found, asked.request.passages - 1)) for hit in hits}
    kept = [(other, hit.document) for hit in hits for other in wanted[hit.chunk_id]]
    read = {more.chunk_id: more for more in hits_of(asked, found, kept)}
    return tuple(
        replace(hit, more=tuple(read[o.chunk_id] for o in wanted[hit.chunk_id] if o.chunk_id in read))
        for hit in hits
    )


def _others(hit: Hit, found: Found, count: int) -> Iterator[Candidate]:
    for candidate in found.retrieved.candidates:
        is_same = (candidate.document_id, candidate.edition) == (hit.document.id, hit.document.edition)
        if is_same and candidate.chunk_id != hit.chunk_id and count > 0:
            count -= 1
            yield candidate


def _with_neighbours(asked: Asked, found: Found, hits: tuple[Hit, ...], *, count: int) -> tuple[Hit, ...]:
    """Each hit with the texts before and after it; at a document's ends there are fewer."""
    beside = {hit.chunk_id: _beside(hit, count) for hit in hits}
    ids = {chunk_id for chunk_ids in beside.values() for chunk_id in chunk_ids}
    if not ids:
        return hits
    with asked.clock.stage("neighbours"):
        texts = retrieval.read_texts(asked.target.name, sorted(ids), door=found.door)
    return tuple(
        replace(hit, neighbours=tuple(texts[i] for i in beside[hit.chunk_id] if i in texts)) for hit in hits
    )


def _beside(hit: Hit, count: int) -> Sequence[str]:
    ordinals = range(max(hit.ordinal - count, 0), hit.ordinal + count + 1)
    return [f"{hit.document.id}:{hit.document.edition}:{o}" for o in ordinals if o != hit.ordinal]
