"""Admin pages of the read side, one module a noun."""

from search.admin import (
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
