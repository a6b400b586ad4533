"""The index contract: which fields a chunk has in OpenSearch, and how a chunk becomes one. Pure.

Each document fills one `text_<language>` field with body, title and headings, analysed for its language;
BM25 asks that. The engine copies it to `codes` and `spelling`, which are for all languages.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from search.filters import PUBLIC
from search.records import ChunkRecord, DocumentFields
from search.types import FieldType

MAPPING_VERSION = 5
# The mapping version that brought `codes` and `spelling`: an older index is not asked for them.
CODES_SINCE = 4
CJK = "cjk_pairs_and_letters"
ANALYZERS: Mapping[str, str] = {
    "ar": "arabic",
    "da": "danish",
    "de": "german",
    "el": "greek",
    "en": "english_long_stop",
    "es": "spanish",
    "fi": "finnish",
    "fr": "french",
    "hi": "hindi",
    "hu": "hungarian",
    "it": "italian",
    "ja": CJK,
    "ko": CJK,
    "nl": "dutch",
    "no": "norwegian",
    "pt": "portuguese",
    "ro": "romanian",
    "ru": "russian",
    "sv": "swedish",
    "th": "thai",
    "tr": "turkish",
    "zh": CJK,
}
# Lucene's own English list has 33 words, while its German or French one (Snowball's) has some 200. This is Snowball's
# for English, without the contracted forms.
ENGLISH_STOP_WORDS = """
    i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it
    its itself they them their theirs themselves what which who whom this that these those am is are was were be been
    being have has had having do does did doing would should could ought a an the and but if or because as until while
    of at by for with about against between into through during before after above below to from up down in out on off
    over under again further then once here there when where why how all any both each few more most other some such no
    nor not only own same so than too very
"""
# Titles and headings by the beginnings of their words, for suggestions. Parts of `title` and `headings`, so that an
# older index, which lacks them, still takes the same chunks.
SUGGEST_FIELD, SUGGEST_HEADINGS_FIELD = "title.suggest", "headings.suggest"
_SUGGEST_FILTERS = ["lowercase", "asciifolding"]
SUGGEST_ANALYSIS: Mapping[str, Any] = {
    "filter": {
        "beginnings": {"type": "edge_ngram", "min_gram": 1, "max_gram": 15, "preserve_original": True}
    },
    "analyzer": {
        "suggest_titles": {
            "type": "custom",
            "tokenizer": "standard",
            "filter": [*_SUGGEST_FILTERS, "beginnings"],
        },
        "suggest_words": {"type": "custom", "tokenizer": "standard", "filter": _SUGGEST_FILTERS},
    },
}
SUGGEST_MAPPING: Mapping[str, Any] = {
    "type": "text",
    "analyzer": "suggest_titles",
    "search_analyzer": "suggest_words",
    "index_options": "docs",
    "norms": False,
}
OTHER = "other"  # the standard analyzer: words, lower case, no stemming
VECTOR_FIELD = "vector"
CODES_FIELD, SPELLING_FIELD = "codes", "spelling"
# As in `understanding`: a code has a digit, and a letter or an inner "-" or "/". Letters of the Latin, Greek and
# Cyrillic alphabets. The engine's regular expressions know no classes such as \\w.
_LETTER = "A-Za-zÀ-ӿ"
_CODE_PATTERN = (
    rf"[{_LETTER}][{_LETTER}._/\-]*[0-9][{_LETTER}0-9._/\-]*|[0-9][0-9.]*[{_LETTER}_/\-][{_LETTER}0-9._/\-]*"
)
_ANALYSIS: Mapping[str, Any] = {
    "tokenizer": {"codes": {"type": "simple_pattern", "pattern": _CODE_PATTERN}},
    "filter": {
        # E-21, E21 and E/21 are one term, and each also what it was written as: that counts a little more.
        "joined": {
            "type": "word_delimiter_graph",
            "generate_word_parts": False,
            "generate_number_parts": False,
            "catenate_all": True,
            "preserve_original": True,
            "split_on_case_change": False,
            "split_on_numerics": False,
            "stem_english_possessive": False,
        },
        "code_ends": {"type": "pattern_replace", "pattern": "^[._/-]+|[._/-]+$", "replacement": ""},
        "pairs_and_letters": {"type": "cjk_bigram", "output_unigrams": True},
        "spelled": {"type": "length", "min": 4, "max": 40},
        "letters_only": {"type": "keep_types", "types": ["<ALPHANUM>"]},
        **SUGGEST_ANALYSIS["filter"],
    },
    "analyzer": {
        CODES_FIELD: {"tokenizer": "codes", "filter": ["lowercase", "code_ends", "joined"]},
        SPELLING_FIELD: {"tokenizer": "standard", "filter": ["letters_only", "lowercase", "spelled"]},
        # Pairs of letters are what is searched; a single letter typed alone is found by itself.
        CJK: {"tokenizer": "standard", "filter": ["cjk_width", "lowercase", "pairs_and_letters"]},
        ANALYZERS["en"]: {"type": "english", "stopwords": ENGLISH_STOP_WORDS.split()},
        **SUGGEST_ANALYSIS["analyzer"],
    },
}
_NUMBER_TYPES: Mapping[FieldType, str] = {
    FieldType.KEYWORD: "keyword",
    FieldType.NUMBER: "double",
    FieldType.BOOLEAN: "boolean",
    FieldType.DATE: "date",
}


@dataclass(frozen=True, slots=True)
class VectorSettings:
    """How vectors are kept: the engine, and its memory for recall trade."""

    dimension: int
    engine: str
    mode: str
    compression: str


@dataclass(frozen=True, slots=True)
class IndexSettings:
    vectors: VectorSettings
    shards: int
    replicas: int


def text_field(language: str) -> str:
    """The field that BM25 asks for a document in `language` (ISO 639-1)."""
    code = language.lower().split("-")[0]
    return f"text_{code if code in ANALYZERS else OTHER}"


def index_body(settings: IndexSettings, *, meta: Mapping[str, Any]) -> dict[str, Any]:
    """Settings and mapping of a new physical index. `meta` goes to `_meta`: variant, dimension, chunking version."""
    text_fields = {f"text_{code}": _text_mapping(name) for code, name in ANALYZERS.items()}
    keyword, date = {"type": "keyword"}, {"type": "date"}
    unindexed = keyword | {"index": False, "doc_values": False}
    return {
        "settings": {
            "index": {
                "knn": True,
                "number_of_shards": settings.shards,
                "number_of_replicas": settings.replicas,
                "refresh_interval": "30s",
            },
            "analysis": _ANALYSIS,
        },
        "mappings": {
            "dynamic": "strict",
            "_meta": dict(meta),
            "properties": {
                "tenant": keyword,
                "document": keyword,
                "document_id": {"type": "long"},
                "edition": {"type": "integer"},
                "ordinal": {"type": "integer"},
                "source": keyword,
                "media_type": keyword,
                "language": keyword,
                "access": keyword,
                "published_at": date,
                "visible_from": date,
                "expires_at": date,
                "page": {"type": "integer", "index": False},
                "title": unindexed | {"fields": {"suggest": SUGGEST_MAPPING}},
                "headings": unindexed | {"fields": {"suggest": SUGGEST_MAPPING}},
                "body": unindexed,
                **text_fields,
                f"text_{OTHER}": _text_mapping("standard"),
                CODES_FIELD: _terms_only(CODES_FIELD, "freqs"),
                SPELLING_FIELD: _terms_only(SPELLING_FIELD, "docs"),
                VECTOR_FIELD: vector_mapping(settings.vectors),
                "metadata": {"properties": {str(kind): {"type": "object"} for kind in FieldType}},
            },
        },
    }


def _text_mapping(analyzer: str) -> dict[str, Any]:
    field = {"type": "text", "analyzer": analyzer, "copy_to": [CODES_FIELD, SPELLING_FIELD]}
    return field | {"search_analyzer": "cjk"} if analyzer == CJK else field


def _terms_only(analyzer: str, options: str) -> dict[str, Any]:
    """A field that is asked for single terms: it keeps no places, and its length says nothing."""
    return {"type": "text", "analyzer": analyzer, "index_options": options, "norms": False}


def vector_mapping(vectors: VectorSettings) -> dict[str, Any]:
    """A cosine HNSW field. The engine is always named: the default (faiss) kills a node without its native library."""
    method = {
        "name": "hnsw",
        "engine": vectors.engine,
        "space_type": "cosinesimil",
        "parameters": {"m": 16, "ef_construction": 100},
    }
    field: dict[str, Any] = {"type": "knn_vector", "dimension": vectors.dimension, "method": method}
    if vectors.mode == "on_disk":
        return field | {"mode": "on_disk", "compression_level": vectors.compression}
    return field


def metadata_mapping(fields: Iterable[tuple[str, str]]) -> dict[str, Any]:
    """The mapping to put for metadata fields (name, type) before their first use."""
    by_type: dict[str, dict[str, Any]] = {}
    for name, kind in fields:
        by_type.setdefault(kind, {})[name] = {"type": _NUMBER_TYPES[FieldType(kind)]}
    return {"properties": {"metadata": {"properties": {k: {"properties": v} for k, v in by_type.items()}}}}


def chunk_source(chunk: ChunkRecord, fields: DocumentFields) -> dict[str, Any]:
    """A chunk as it is written: its own text and vector, and what its document gives to all."""
    return {
        "document_id": chunk.document_id,
        "edition": chunk.edition,
        "ordinal": chunk.ordinal,
        "page": chunk.page,
        "headings": list(chunk.headings),
        "body": chunk.text,
        VECTOR_FIELD: chunk.vector,
        text_field(fields.language): searchable_texts(chunk, fields.title),
        **document_source(fields),
    }


def searchable_texts(chunk: ChunkRecord, title: str) -> list[str]:
    """What BM25 sees: the text, the title at double weight (as in BM25F), the headings; each highlighted by itself."""
    headings = [heading for heading in chunk.headings if heading != title]
    return [text for text in (chunk.text, title, title, *headings) if text]


def with_text(source: Mapping[str, Any], text: str, vector: Any) -> dict[str, Any]:
    """A chunk as it is written, with another text and its vector: see `searchable_texts`, which puts the text first."""
    name = text_field(source["language"])
    return {**source, "body": text, name: [text, *source[name][1:]], VECTOR_FIELD: vector}


def document_source(fields: DocumentFields) -> dict[str, Any]:
    """The part of a chunk that may change without a new edition."""
    return {
        "tenant": str(fields.tenant_uuid),
        "document": fields.public_id,
        "title": fields.title,
        "source": fields.source,
        "media_type": fields.media_type,
        "language": fields.language,
        "access": [PUBLIC] if fields.access is None else list(fields.access),
        "published_at": _iso(fields.published_at),
        "visible_from": _iso(fields.visible_from),
        "expires_at": _iso(fields.expires_at),
        "metadata": dict(fields.metadata),
    }


def _iso(moment: Any) -> str | None:
    return None if moment is None else str(moment.isoformat())
