"""Step one of a search that is sorted, or goes on by a cursor: the lexical leg's matches in a fixed order.

By pages it reads all that comes before, up to MAX_HITS; by a cursor it goes on after the place that the cursor names.
"""

from dataclasses import dataclass, replace

from search import retrieval
from search.asked import Asked
from search.candidates import MAX_HITS, Found, Kept, as_meant, visible
from search.curation import Curation
from search.cursors import CursorScope, cursor_scope
from search.exceptions import InvalidRequest
from search.ordering import RELEVANCE, Order, of_documents, parse_sort
from search.query import CANDIDATES_PER_HIT
from search.types import Candidate, Mode, QueryReading, Retrieved, SearchRequest, VisibleDocument

_SLACK = 50  # ids read beyond the page, for such as the index shows and the database does not
_MOST_AT_ONCE = 5000


@dataclass(frozen=True, slots=True)
class _Listing:
    """A search with its door and counts, and the order that it is listed in."""

    asked: Asked
    wanted: retrieval.CandidatesQuery
    curation: Curation
    reading: QueryReading
    order: Order

    @property
    def one_a_document(self) -> bool:
        return self.asked.request.group_by == "document"


def find_listed(asked: Asked) -> Found:
    """Matches in order. What a curation rule hides stays so; a pin has no place here.

    Raises InvalidRequest, CursorStale, OpenSearchUnavailable.
    """
    request = asked.request
    order = parse_sort(request.sort, asked.target.schema)
    _refuse_what_has_no_order(request)
    scope = cursor_scope(asked.principal, request, asked.target)

    def find(wanted: retrieval.CandidatesQuery, curation: Curation, reading: QueryReading) -> Found:
        listing = _Listing(asked, wanted, curation, reading, order)
        if request.cursor is None:
            return _first_pages(listing)
        return _after_cursor(listing, request.cursor, scope)

    return as_meant(replace(asked, request=replace(request, mode=Mode.LEXICAL)), find)


def all_listed(asked: Asked) -> Found:
    """Every match that pages reach, in order, whichever page or cursor was asked for."""
    whole = replace(asked.request, page=1, top_k=MAX_HITS, cursor=None)
    return find_listed(replace(asked, request=whole))


def _refuse_what_has_no_order(request: SearchRequest) -> None:
    if request.mode is Mode.VECTOR:
        message = "Sorted results and cursors list the documents that match the words; vector mode has none."
        raise InvalidRequest(message, fields={"mode": [message]})
    if request.sort == RELEVANCE and request.mode is not Mode.LEXICAL:
        message = (
            "A cursor by relevance goes through the words' matches: set mode to lexical, or sort by a field."
        )
        raise InvalidRequest(message, fields={"mode": [message]})
    if request.cursor is not None and request.page != 1:
        message = "A cursor says where to go on, so it takes no page."
        raise InvalidRequest(message, fields={"page": [message]})


def _first_pages(listing: _Listing) -> Found:
    """All matches up to the page."""
    request = listing.asked.request
    size = min(request.page * request.top_k, MAX_HITS) + _SLACK
    retrieved = _listed(listing, replace(listing.wanted, size=size), one_a_document=listing.one_a_document)
    return _found(
        listing, visible(listing.asked, retrieved.candidates, enough=request.page * request.top_k), retrieved
    )


def _found(listing: _Listing, kept: Kept, retrieved: Retrieved, *, next_cursor: str | None = None) -> Found:
    return Found(listing.reading, kept, retrieved, listing.wanted, listing.curation, next_cursor=next_cursor)


def _listed(
    listing: _Listing,
    wanted: retrieval.CandidatesQuery,
    *,
    after: tuple[object, ...] = (),
    one_a_document: bool,
) -> Retrieved:
    with listing.asked.clock.stage("retrieve"):
        return retrieval.listed(wanted, listing.order, after=after, one_a_document=one_a_document)


def _after_cursor(listing: _Listing, cursor: str, scope: CursorScope) -> Found:
    """The hits after a place. What is read grows until they are enough: one document may hold thousands of chunks."""
    top_k = listing.asked.request.top_k
    after, wanted = scope.read(cursor), replace(listing.wanted, size=top_k * CANDIDATES_PER_HIT)
    kept: list[tuple[Candidate, VisibleDocument]] = []
    counted: Retrieved | None = None
    is_end = False
    while len(kept) <= top_k and not is_end:
        retrieved = _listed(listing, wanted, after=after, one_a_document=False)
        counted = counted or retrieved
        firsts = _firsts_of_documents(listing, retrieved.candidates)
        kept += visible(listing.asked, firsts, enough=top_k + 1)
        is_end = len(retrieved.candidates) < wanted.size
        after = retrieved.candidates[-1].place if retrieved.candidates else ()
        wanted = replace(wanted, size=min(wanted.size * 4, _MOST_AT_ONCE), counting=None, words=())
    if counted is None:
        raise AssertionError("A listing is read at least once.")
    page = tuple(kept[:top_k])
    next_cursor = scope.write(page[-1][0].place) if len(kept) > top_k else None
    return _found(listing, page, counted, next_cursor=next_cursor)


def _firsts_of_documents(listing: _Listing, candidates: tuple[Candidate, ...]) -> tuple[Candidate, ...]:
    """Those that are the first chunk of their document in this order: a later one was passed before this page."""
    if not listing.one_a_document or not candidates:
        return candidates
    ids = sorted({candidate.document_id for candidate in candidates})
    behind = of_documents(listing.wanted.door, ids)
    wanted = replace(listing.wanted, door=behind, size=len(ids), counting=None, words=())
    firsts = {first.chunk_id for first in _listed(listing, wanted, one_a_document=True).candidates}
    return tuple(candidate for candidate in candidates if candidate.chunk_id in firsts)
