"""Reads retrieval settings: a Profile's newest version by name, or the platform's defaults, with the request's own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from django.conf import settings

from search.exceptions import InvalidRequest
from search.models import Profile
from search.pipelines import FusionSpec
from search.profile_settings import version_settings
from search.types import RetrievalSettings

_PLATFORM = RetrievalSettings()


def retrieval_settings(
    tenant_id: int, name: str | None, *, overrides: Mapping[str, Any] | None = None
) -> RetrievalSettings:
    """The settings to retrieve with. Raises InvalidRequest for a name that the tenant does not have.

    `overrides` have been checked.
    """
    profile = _PLATFORM if name in (None, _PLATFORM.name) else _named(tenant_id, str(name))
    return replace(profile, **overrides, overridden=tuple(sorted(overrides))) if overrides else profile


def _named(tenant_id: int, name: str) -> RetrievalSettings:
    row = Profile.objects.filter(tenant_id=tenant_id, name=name).order_by("-version").first()
    if row is None:
        raise InvalidRequest(f"There is no profile {name!r}.", fields={"profile": ["Unknown profile."]})
    return version_settings(row.name, row.version, row.settings)


def fusion_spec(profile: RetrievalSettings) -> FusionSpec:
    """How the legs are fused. A weight that the profile leaves open is the platform's."""
    automatic = settings.SEARCH_VECTOR_WEIGHT
    return FusionSpec(
        technique=profile.fusion,
        vector_weight=automatic if profile.vector_weight is None else profile.vector_weight,
        rank_constant=profile.rank_constant,
        unrelated_cosine=settings.SEARCH_UNRELATED_COSINE,
    )
