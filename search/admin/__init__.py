"""Admin pages of the read side, one module a noun."""

from search.admin import indexes, people, profiles

__all__ = ["indexes", "people", "profiles"]
