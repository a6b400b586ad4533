"""Reads retrieval settings: a Profile's newest version by name, or the platform's defaults."""

from django.conf import settings

from search.exceptions import InvalidRequest
from search.models import Profile
from search.types import RetrievalSettings


def retrieval_settings(tenant_id: int, name: str | None) -> RetrievalSettings:
    """The settings to retrieve with. Raises InvalidRequest for a name that the tenant does not have."""
    default = RetrievalSettings(
        vector_weight=settings.SEARCH_VECTOR_WEIGHT, unrelated_cosine=settings.SEARCH_UNRELATED_COSINE
    )
    if name is None or name == default.name:
        return default
    profile = Profile.objects.filter(tenant_id=tenant_id, name=name).order_by("-version").first()
    if profile is None:
        raise InvalidRequest(f"There is no profile {name!r}.", fields={"profile": ["Unknown profile."]})
    return RetrievalSettings(
        name=profile.name,
        version=profile.version,
        vector_weight=float(profile.settings.get("vector_weight", default.vector_weight)),
        depth=int(profile.settings.get("depth", default.depth)),
        unrelated_cosine=default.unrelated_cosine,
    )
