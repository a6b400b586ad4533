"""Admin pages of the read side, one module a noun."""

from search.admin import curation, indexes, people, profiles, rerankers

__all__ = ["curation", "indexes", "people", "profiles", "rerankers"]
