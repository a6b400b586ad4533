"""Frozen dataclasses that cross boundaries of the read side. Plain data: no Django, no I/O."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date
from enum import StrEnum
from typing import Any
from uuid import UUID

from search.generations import StandaloneQuestion


class FieldType(StrEnum):
    KEYWORD = "keyword"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATE = "date"


class Mode(StrEnum):
    HYBRID = "hybrid"
    LEXICAL = "lexical"
    VECTOR = "vector"


class Unsupported(StrEnum):
    """What becomes of a sentence that its passages do not support."""

    MARK = "mark"
    REMOVE = "remove"


class Fusion(StrEnum):
    """How the scores of the two legs become one: see search.pipelines."""

    MIN_MAX = "min_max"
    Z_SCORE = "z_score"
    RRF = "rrf"


class Rewrite(StrEnum):
    """Whether a query is put into other words before it is searched: see search.rewriting."""

    NEVER = "never"
    MODEL = "model"


@dataclass(frozen=True, slots=True)
class FieldSpec:
    """A field that may be filtered on: where it lies in the index, and its type."""

    path: str
    type: FieldType


FieldSchema = Mapping[str, FieldSpec]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: one tenant, the access groups held there, and what the credential may do.

    `key_id`: the API key, which may have a budget of its own; None for a person.
    """

    tenant_id: int
    tenant_uuid: UUID
    groups: tuple[str, ...] = ()
    scopes: frozenset[str] = frozenset()
    key_id: int | None = None

    @property
    def access_fingerprint(self) -> str:
        """Equal for principals that may see the same documents of the tenant."""
        return hashlib.sha256("\x00".join(sorted(set(self.groups))).encode()).hexdigest()[:16]

    def may_see(self, access: list[str] | None) -> bool:
        """No `access`: every principal of the tenant. An empty list: nobody."""
        return access is None or not set(access).isdisjoint(self.groups)


@dataclass(frozen=True, slots=True)
class Redirect:
    """Where a content manager leads those who ask a query: an http(s) address or a path on this site."""

    url: str
    label: str


@dataclass(frozen=True, slots=True)
class RetrievalSettings:
    """What a version of a Profile says, with what the request overrides of it; the defaults are the platform's.

    None is automatic. Bounds, units and help of each stand in search.profile_settings.
    """

    name: str = "default"
    version: int = 0  # 0: the platform's defaults
    overridden: tuple[str, ...] = ()  # by the request
    rewrite: Rewrite = Rewrite.NEVER
    fusion: Fusion = Fusion.MIN_MAX
    vector_weight: float | None = None
    rank_constant: int = 60
    k: int = 200
    language: str = ""
    recency_weight: float = 0.0
    recency_half_life_days: int = 365
    popularity_weight: float = 0.0
    popularity_field: str = ""
    rerank_model: str = ""  # empty: the platform's; "none"; or a tenant's own as NAME@VERSION
    rerank_window: int = 20
    rerank_blend: float = 0.5
    diversity: float = 0.0
    neighbours: int = 0
    threshold: float | None = None
    unsupported: Unsupported = Unsupported.MARK
    instructions: str = ""


@dataclass(frozen=True, slots=True)
class LanguageWeight:
    """The weight of the vector leg that a probe found for a language of an index, and how many chunks are in it."""

    language: str
    vector_weight: float
    chunks: int


@dataclass(frozen=True, slots=True)
class IndexTarget:
    """The index version that serves a tenant now, with what a query must match.

    `profile` holds for requests that name none.
    """

    tenant_id: int
    tenant_uuid: UUID
    index_id: int
    name: str
    embedder: str
    variant: str
    dimension: int
    content_version: int
    curation_version: int
    synonyms_version: int
    answers_near_questions: bool
    languages: tuple[str, ...]
    mapping_version: int
    schema: FieldSchema = field(repr=False)
    weights: tuple[LanguageWeight, ...] = ()
    profile: RetrievalSettings = field(default_factory=RetrievalSettings)


@dataclass(frozen=True, slots=True)
class FacetRequest:
    """A field to count documents by: its most frequent values, or a date's `interval`, or `ranges` of (from, to)."""

    field: str
    size: int = 50
    interval: str | None = None
    ranges: tuple[tuple[Any, Any], ...] = ()


@dataclass(frozen=True, slots=True)
class SearchRequest:
    """A validated search. `filters` and `facet_filters` are the API's JSON, typed later against the tenant's schema.

    `curate` False leaves the content managers' rules out: ranking by itself, as it is measured.
    `settings` are the request's own retrieval settings, as search.profile_settings has checked them.
    `within` is the filter of the `collection` that it names, put there by search.collections.
    """

    query: str
    mode: Mode = Mode.HYBRID
    filters: Mapping[str, Any] | None = None
    top_k: int = 10
    page: int = 1
    sort: str = "relevance"
    cursor: str | None = None
    group_by: str = "document"
    passages: int = 1
    neighbours: int | None = None  # None: as the profile says
    rerank: bool | None = None
    profile: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    facets: tuple[FacetRequest, ...] = ()
    facet_filters: Mapping[str, Any] | None = None
    highlight: bool = True
    explain: bool = False
    with_total: bool = True
    curate: bool = True
    collection: str | None = None
    within: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class ParsedQuery:
    """What a person typed, as `search.understanding` read it. `text` is matched and embedded: words and phrases.

    `plain` is `typed` with blanks for operators, so that words keep their places. `filters` are the API's.
    """

    typed: str
    plain: str
    text: str
    phrases: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    filters: tuple[Mapping[str, Any], ...] = ()
    codes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class QueryReading:
    """How a query was read: `corrected` was searched in its place, `did_you_mean` could be typed instead.

    `rewritten`: the words that a model put in the place of those typed; `parsed` has them.
    """

    parsed: ParsedQuery
    corrected: str | None = None
    did_you_mean: str | None = None
    rewritten: str | None = None


@dataclass(frozen=True, slots=True)
class Candidate:
    """A chunk id with its fused score, before visibility. `place` is where it stands in a sorted list."""

    document_id: int
    edition: int
    ordinal: int
    score: float
    place: tuple[Any, ...] = ()

    @property
    def chunk_id(self) -> str:
        return f"{self.document_id}:{self.edition}:{self.ordinal}"


def parse_chunk_id(chunk_id: str) -> tuple[int, int, int]:
    """`document:edition:ordinal` → these numbers."""
    document_id, edition, ordinal = map(int, chunk_id.split(":"))
    return document_id, edition, ordinal


@dataclass(frozen=True, slots=True)
class Total:
    """Distinct documents that match the words under the filters; `gte` when it is a bound."""

    value: int
    relation: str


@dataclass(frozen=True, slots=True)
class FacetValue:
    value: str | float | bool
    count: int


@dataclass(frozen=True, slots=True)
class Retrieved:
    """What one retrieval gave: candidates by falling score, and what was counted beside them.

    `suggestions`: words that the index lacks, with the nearest that it has; not yet checked against the door.
    """

    candidates: tuple[Candidate, ...]
    total: Total
    facets: Mapping[str, tuple[FacetValue, ...]]
    is_partial: bool
    has_exact_facets: bool = True
    suggestions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class VisibleDocument:
    """A document that is live and allowed now, as the database has it."""

    id: int
    public_id: str
    title: str
    url: str
    metadata: Mapping[str, Any]
    edition: int
    published_on: date | None = None


@dataclass(frozen=True, slots=True)
class Scores:
    """Named for what they are: BM25, cosine, the fused score, the reranker's. None: that leg did not match or run."""

    lexical: float | None = None
    vector: float | None = None
    fused: float | None = None
    rerank: float | None = None


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A chunk beside a hit, in the same edition."""

    ordinal: int
    text: str


@dataclass(frozen=True, slots=True)
class Hit:
    """A candidate that is visible, read back with its text. `curated`: `pinned`, if a rule put it there."""

    document: VisibleDocument
    chunk_id: str
    ordinal: int
    text: str
    headings: tuple[str, ...]
    page: int | None
    score: float
    scores: Scores
    highlights: tuple[str, ...] = ()
    explanation: Any = None
    curated: str | None = None
    more: tuple["Hit", ...] = ()
    neighbours: tuple[Neighbour, ...] = ()


@dataclass(frozen=True, slots=True)
class SearchResult:
    request_id: UUID
    query: QueryReading
    hits: tuple[Hit, ...]
    total: Total
    facets: Mapping[str, tuple[FacetValue, ...]]
    timings: Mapping[str, float]
    degraded: tuple[str, ...]
    cache: str = "none"
    redirect: Redirect | None = None
    curation_rules: tuple[int, ...] = ()
    has_exact_facets: bool = True
    next_cursor: str | None = None


@dataclass(frozen=True, slots=True)
class Message:
    """One turn of a conversation: role is `user` or `assistant`."""

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class AskRequest:
    question: str
    filters: Mapping[str, Any] | None = None
    facet_filters: Mapping[str, Any] | None = None
    top_k: int = 8
    profile: str | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    collection: str | None = None
    within: Mapping[str, Any] | None = None
    history: tuple[Message, ...] = ()
    standalone: StandaloneQuestion | None = None

    @property
    def standalone_question(self) -> str:
        """What is to be answered, whether or not messages come before it."""
        return self.question if self.standalone is None else self.standalone.text


@dataclass(frozen=True, slots=True)
class ContextPassage:
    """A hit as it stands in the context, under its number: the marker `[number]` cites it."""

    number: int
    hit: Hit
    text: str

    @property
    def marker(self) -> str:
        return f"[{self.number}]"


@dataclass(frozen=True, slots=True)
class Citation:
    """A hit shown as evidence: `quote` is the sentence of it that supports the cited statement."""

    marker: str
    document: VisibleDocument
    chunk_id: str
    ordinal: int
    quote: str
    url: str
