"""Step one of a search: the query's embedding, fused candidates behind the door, and those of them that are visible."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from django.utils import timezone

from search import caches, facets, filters, query, retrieval, spelling, understanding
from search.asked import Asked
from search.boosts import Boosts
from search.caches import SingleFlight
from search.correcting import FirstTry, read_again
from search.counting import Counting
from search.curation import Curation
from search.embeddings import get_embedder
from search.exceptions import CacheUnavailable, EmbeddingUnavailable, IndexMismatch, InvalidRequest
from search.leg_weights import automatic_weight
from search.mapping import CODES_SINCE, text_field
from search.ordering import is_listed
from search.pinning import pinned, with_pins
from search.profiles import fusion_spec
from search.reranking.choice import reranker_name
from search.rewriting import rewritten
from search.synonyms import Expansion
from search.tenants import HIDDEN_LIMIT, left_out
from search.thesauri import current_thesauri
from search.types import (
    Candidate,
    FieldType,
    IndexTarget,
    Mode,
    ParsedQuery,
    QueryReading,
    RetrievalSettings,
    Retrieved,
    SearchRequest,
    Total,
    VisibleDocument,
)
from search.visibility import visible_documents

MAX_HITS = 1000
SPREAD_WINDOW = 50  # hits that diversity puts into an order of its own
Kept = tuple[tuple[Candidate, VisibleDocument], ...]
_embeddings = SingleFlight()


@dataclass(frozen=True, slots=True)
class Found:
    """Visible candidates in order, one a document when grouped, with what was counted beside them.

    The first `pins` of them are there because a curation rule pins them.
    """

    reading: QueryReading
    kept: Kept
    retrieved: Retrieved
    wanted: retrieval.CandidatesQuery
    curation: Curation
    pins: int = 0
    next_cursor: str | None = None

    @property
    def legs(self) -> query.Legs:
        return self.wanted.legs

    @property
    def door(self) -> query.Body:
        return self.wanted.door


Find = Callable[[retrieval.CandidatesQuery, Curation, QueryReading], Found]


def find_candidates(asked: Asked) -> Found:
    """Step one: as many candidates as the page most likely needs; more where those are not enough."""
    return as_meant(asked, partial(_find, asked))


def as_meant(asked: Asked, find: Find) -> Found:
    """What `find` gives for the query as it was read. One with typing errors is searched once more as it was most
    likely meant."""
    typed = parsed_query(asked)
    by_model = rewritten(asked, typed)
    parsed = by_model or typed
    wanted, curation = candidates_query(asked, parsed)
    found = find(wanted, curation, QueryReading(parsed, rewritten=by_model.text if by_model else None))
    if not wanted.words or by_model:
        return found
    retrieved = found.retrieved
    tried = FirstTry(wanted.index, found.legs, wanted.allowed, retrieved.suggestions, retrieved.total)
    with asked.clock.stage("spelling"):
        reading = read_again(parsed, tried)
    if reading.corrected is None:
        return replace(found, reading=reading)
    meant = understanding.parse(reading.corrected, asked.target.schema)
    wanted, curation = candidates_query(asked, meant)
    return find(replace(wanted, words=()), curation, reading)


def parsed_query(asked: Asked) -> ParsedQuery:
    return understanding.parse(asked.request.query, asked.target.schema)


def _find(
    asked: Asked, wanted: retrieval.CandidatesQuery, curation: Curation, reading: QueryReading
) -> Found:
    """The order is one for all pages of a query: the candidates of the profile's depth, then what only a deeper look
    finds. A single deeper look would order the first ones anew, so that pages would repeat and skip.
    """
    # Vector mode counts its whole window; else what is behind the page need not be read.
    needed = _needed(asked)
    enough = wanted.depth if wanted.legs.mode is Mode.VECTOR else needed
    size = min(wanted.depth, enough * query.CANDIDATES_PER_HIT)
    retrieved, kept = _visible_candidates(asked, replace(wanted, size=size), enough=enough)
    counted = retrieved
    if len(kept) < enough and len(retrieved.candidates) == size < wanted.depth:
        size = wanted.depth
        retrieved, kept = _visible_candidates(asked, replace(wanted, counting=None, words=()), enough=enough)
    # Explained hits are those of the profile's depth: the parts of a score are read back at one depth.
    is_full = len(retrieved.candidates) == size < query.DEEPEST
    if len(kept) < needed and is_full and not asked.request.explain:
        retrieved, kept = _deeper(asked, _deepest(wanted), kept, enough=needed)
    retrieved = replace(
        retrieved,
        total=counted.total,
        facets=counted.facets,
        has_exact_facets=counted.has_exact_facets,
        suggestions=counted.suggestions,
    )
    return _with_pins(asked, Found(reading, kept, retrieved, wanted, curation))


def all_candidates(asked: Asked) -> Found:
    """Every visible candidate as deep as the legs look for this page, for whoever wants to know where one of them
    stands. `wanted.depth` says how deep that was."""
    return as_meant(asked, partial(_find_all, asked))


def _find_all(
    asked: Asked, wanted: retrieval.CandidatesQuery, curation: Curation, reading: QueryReading
) -> Found:
    retrieved, kept = _visible_candidates(asked, wanted, enough=wanted.depth)
    is_full = len(retrieved.candidates) == wanted.depth < query.DEEPEST
    if len(kept) < _needed(asked) and is_full and not asked.request.explain:
        wanted = _deepest(wanted)
        retrieved, kept = _deeper(asked, wanted, kept, enough=wanted.depth)
    return _with_pins(asked, Found(reading, kept, retrieved, wanted, curation))


def _deepest(wanted: retrieval.CandidatesQuery) -> retrieval.CandidatesQuery:
    return replace(wanted, depth=query.DEEPEST, size=2 * query.DEEPEST, counting=None, words=())


def _deeper(
    asked: Asked, wanted: retrieval.CandidatesQuery, kept: Kept, *, enough: int
) -> tuple[Retrieved, Kept]:
    """What was kept, then what only the deepest look finds."""
    retrieved, deep = _visible_candidates(asked, wanted, enough=enough)
    return retrieved, _joined(kept, deep, one_a_document=asked.request.group_by == "document")


def _joined(kept: Kept, deep: Kept, *, one_a_document: bool) -> Kept:
    """The first ones as they are, then those of the deeper look that are not among them."""

    def key(candidate: Candidate) -> object:
        return candidate.document_id if one_a_document else candidate.chunk_id

    seen = {key(candidate) for candidate, _ in kept}
    return (*kept, *((candidate, document) for candidate, document in deep if key(candidate) not in seen))


def _with_pins(asked: Asked, found: Found) -> Found:
    if not found.curation.pins:
        return found
    with asked.clock.stage("pins"):
        pins = pinned(asked, found.curation.pins, legs=found.legs, door=found.door)
    by_document = asked.request.group_by == "document"
    return replace(found, kept=with_pins(found.kept, pins, by_document=by_document), pins=len(pins))


def candidates_query(asked: Asked, parsed: ParsedQuery) -> tuple[retrieval.CandidatesQuery, Curation]:
    """Step one, behind the door, with what is curated. Too many unacknowledged changes: nothing is counted,
    and that is said."""
    request, principal = asked.request, asked.principal
    with asked.clock.stage("filters"):
        counted = facets.resolve(request.facets, asked.target.schema)
        selected = facets.selections(request.facet_filters or {}, asked.target.schema)
        conditions = typed_conditions(asked, parsed)
        depth = _depth(request, asked.profile)
        hidden, off = left_out(principal.tenant_id)
    legs = _legs(asked, parsed)
    curation = asked.rules.curation(request.query, legs.vector) if request.curate else Curation()
    if not (counts_are_safe := len(hidden) <= HIDDEN_LIMIT):
        hidden = []
        asked.degraded.append("counts_unavailable")
    hidden = [*hidden, *sorted(curation.hides)]
    allowed = filters.door(principal, now=timezone.now(), hidden=hidden, disabled=off, filters=conditions)
    door = query.text_conditions(allowed, legs, excluded=parsed.excluded)
    wanted = retrieval.CandidatesQuery(
        index=asked.target.name,
        legs=legs,
        allowed=filters.narrowed(allowed, selected.values()),
        door=filters.narrowed(door, selected.values()),
        depth=depth,
        size=depth,
        fusion=fusion_spec(asked.profile, automatic_weight=_automatic_weight(asked, parsed.text)),
        counting=Counting(door, counted, selected) if counts_are_safe and request.with_total else None,
        shares_pipeline=not asked.profile.overridden,
        words=_words_to_spell(parsed, legs) if counts_are_safe and _has_codes(asked.target) else (),
    )
    return wanted, curation


def _automatic_weight(asked: Asked, text: str) -> float | None:
    return automatic_weight(text, asked.target.weights, language=asked.profile.language)


def _words_to_spell(parsed: ParsedQuery, legs: query.Legs) -> tuple[str, ...]:
    """A word that has synonyms is known, though it may stand nowhere."""
    known = {
        word
        for expansions in legs.synonyms.values()
        for expansion in expansions
        for word in legs.query[expansion.start : expansion.end].lower().split()
    }
    return tuple(word for word in spelling.spelled_words(parsed) if word not in known)


def _has_codes(target: IndexTarget) -> bool:
    """Whether the index has the fields for codes and spelling; a rebuild brings them to an older one."""
    return target.mapping_version >= CODES_SINCE


def typed_conditions(asked: Asked, parsed: ParsedQuery) -> filters.Filter | None:
    """The collection's filter, the request's, and what was typed as one. Raises InvalidFilter."""
    schema, said = asked.target.schema, (asked.request.within, asked.request.filters, *parsed.filters)
    return filters.all_of(filters.parse(raw, schema) for raw in said)


def _depth(request: SearchRequest, profile: RetrievalSettings) -> int:
    if request.page * request.top_k > MAX_HITS:
        message = f"Results are paged up to the first {MAX_HITS}; a cursor goes on beyond."
        raise InvalidRequest(message, fields={"page": [message]})
    return profile.k


def _legs(asked: Asked, parsed: ParsedQuery) -> query.Legs:
    """The words with their embedding. Where there is none, BM25 alone answers: asked so, no word typed but operators,
    or the embedder is down, which is said."""
    text, mode = parsed.text, asked.request.mode
    lexical = query.Legs(
        text,
        asked.target.languages,
        None,
        Mode.LEXICAL,
        phrases=parsed.phrases,
        codes=parsed.codes if _has_codes(asked.target) else (),
        synonyms=_synonyms(asked.target, text),
        boosts=_boosts(asked),
    )
    if mode is Mode.LEXICAL or not text:
        return lexical
    try:
        with asked.clock.stage("embed"):
            vector = query_embedding(text, asked.target)
    except EmbeddingUnavailable as error:
        if error.code not in asked.degraded:
            asked.degraded.append(error.code)
        return lexical
    return replace(lexical, vector=vector, mode=mode)


def _synonyms(target: IndexTarget, text: str) -> dict[str, tuple[Expansion, ...]]:
    """What else to look for, by text field."""
    found: dict[str, tuple[Expansion, ...]] = {}
    for language, thesaurus in current_thesauri(target).items():
        if expansions := thesaurus.expansions(text):
            found.setdefault(text_field(language), expansions)
    return found


def _boosts(asked: Asked) -> Boosts | None:
    """None without weights: then the query is the plain one."""
    profile = asked.profile
    field = asked.target.schema.get(profile.popularity_field)
    popularity = profile.popularity_weight if field is not None and field.type is FieldType.NUMBER else 0.0
    if not profile.recency_weight and not popularity:
        return None
    return Boosts(
        today=timezone.now().date(),
        recency_weight=profile.recency_weight,
        half_life_days=profile.recency_half_life_days,
        popularity_weight=popularity,
        popularity_path=field.path if field else "",
    )


def query_embedding(text: str, target: IndexTarget) -> Any:
    """The query's embedding from the cache or the embedder; equal texts in flight are embedded once."""
    embedder = get_embedder(target.embedder)
    if embedder.variant != target.variant:
        raise IndexMismatch(
            f"The index holds {target.variant}, not {embedder.variant}: rebuild it, or set {target.embedder!r} back."
        )
    try:
        stored = caches.read_embedding(target.tenant_uuid, target.variant, text)
    except CacheUnavailable:  # said in `degraded` by the response cache, which lies on the same server
        return embedder.embed_query(text)
    if stored is not None:
        return stored
    vector, shared = _embeddings.run(f"{target.variant}\x00{text}", lambda: embedder.embed_query(text))
    if not shared:
        _keep_embedding(target, text, vector)
    return vector


def _keep_embedding(target: IndexTarget, text: str, vector: Any) -> None:
    try:
        caches.write_embedding(target.tenant_uuid, target.variant, text, vector)
    except CacheUnavailable:
        return  # the next request embeds it again


def _visible_candidates(
    asked: Asked, wanted: retrieval.CandidatesQuery, *, enough: int
) -> tuple[Retrieved, Kept]:
    with asked.clock.stage("retrieve"):
        retrieved = retrieval.candidates(wanted)
    with asked.clock.stage("visibility"):
        return retrieved, visible(asked, retrieved.candidates, enough=enough)


def _needed(asked: Asked) -> int:
    """How many visible candidates a page takes; where hits are spread, all that may come up onto it."""
    return max(window(asked), SPREAD_WINDOW if asked.profile.diversity else 0)


def window(asked: Asked) -> int:
    """How many hits are read back: the page and what is before it, or what the reranker chooses from."""
    last = asked.request.page * asked.request.top_k
    return max(last, asked.profile.rerank_window) if reranks(asked) else last


def reranks(asked: Asked) -> bool:
    """Reranking reads its whole window, so that a hit may come up from behind the page.

    A search by one leg alone is reranked only where it asks for that.
    """
    request, profile = asked.request, asked.profile
    wanted = request.mode is Mode.HYBRID if request.rerank is None else request.rerank
    first = (request.page - 1) * request.top_k
    is_ranked = not is_listed(request) and first < profile.rerank_window
    return wanted and bool(reranker_name(profile)) and is_ranked


def visible(asked: Asked, candidates: Sequence[Candidate], *, enough: int) -> Kept:
    """At least `enough` candidates of live editions of visible documents, if there are as many; when grouped, the best
    chunk of each document. Nearly all are visible, so those behind the first `enough` are rarely looked up."""
    grouped = asked.request.group_by == "document"
    chosen = _best_of_each_edition(candidates) if grouped else candidates
    kept: list[tuple[Candidate, VisibleDocument]] = []
    for part in (chosen[:enough], chosen[enough:]):
        if len(kept) < enough:
            kept += _live(asked, part)
    return tuple(kept)


def _best_of_each_edition(candidates: Sequence[Candidate]) -> list[Candidate]:
    best: dict[tuple[int, int], Candidate] = {}
    for candidate in candidates:
        best.setdefault((candidate.document_id, candidate.edition), candidate)
    return list(best.values())


def _live(asked: Asked, candidates: Sequence[Candidate]) -> list[tuple[Candidate, VisibleDocument]]:
    documents = visible_documents(
        (candidate.document_id for candidate in candidates),
        principal=asked.principal,
        index_id=asked.target.index_id,
        now=timezone.now(),
    )
    found = ((candidate, documents.get(candidate.document_id)) for candidate in candidates)
    return [
        (candidate, document)
        for candidate, document in found
        if document and document.edition == candidate.edition
    ]


def total_of(found: Found) -> Total:
    """Vector mode has no words to match: it counts its window, as a bound."""
    is_vector = found.legs.mode is Mode.VECTOR
    counted = found.retrieved.total
    if not is_vector and counted.relation == "eq":
        return counted
    in_window = len({document.id for _, document in found.kept})
    return Total(max(in_window, 0 if is_vector else counted.value), "gte")
