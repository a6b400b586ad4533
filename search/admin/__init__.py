"""Admin pages of the read side, one module a noun."""

from search.admin import (
    collections,
    curation,
    feedback,
    people,
    profiles,
    query_log,
    query_sets,
    rerankers,
    runs,
    synonyms,
)

__all__ = [
    "collections",
    "curation",
    "feedback",
    "people",
    "profiles",
    "query_log",
    "query_sets",
    "rerankers",
    "runs",
    "synonyms",
]
