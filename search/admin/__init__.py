"""Admin pages of the read side, one module a noun."""

from search.admin import curation, people, profiles, rerankers

__all__ = ["curation", "people", "profiles", "rerankers"]
