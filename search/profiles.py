"""Reads retrieval settings: what a request names, else what is live, with the request's own on top."""

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime
from typing import Any

from django.conf import settings

from search.exceptions import InvalidRequest
from search.models import Profile
from search.pipelines import FusionSpec
from search.prepared import PreparedQuery
from search.profile_settings import version_settings
from search.types import IndexTarget, RetrievalSettings

_COLUMNS = ("name", "version", "settings")
_live = PreparedQuery(
    lambda tenant_id, name: Profile.objects.filter(
        tenant_id=tenant_id, name=name, state=Profile.State.LIVE
    ).values_list(*_COLUMNS)
)
_live_names = PreparedQuery(
    lambda tenant_id: (
        Profile.objects.filter(tenant_id=tenant_id, state=Profile.State.LIVE)
        .order_by("name")
        .values_list("name", "live_at")
    )
)


def live_profiles(tenant_id: int) -> dict[str, datetime]:
    """The names that requests may give without a version, and since when each one's version is live."""
    return dict(_live_names.rows(tenant_id=tenant_id))


def retrieval_settings(
    target: IndexTarget, name: str | None, *, overrides: Mapping[str, Any] | None = None
) -> RetrievalSettings:
    """The settings to retrieve with: of `NAME`, its live version; of `NAME@VERSION` that one, live or not.

    `overrides` have been checked. Raises InvalidRequest for what the tenant does not have.
    """
    profile = target.profile if name in (None, target.profile.name) else _named(target.tenant_id, str(name))
    return replace(profile, **overrides, overridden=tuple(sorted(overrides))) if overrides else profile


def _named(tenant_id: int, asked: str) -> RetrievalSettings:
    name, at, version = asked.partition("@")
    if not at:
        rows = _live.rows(tenant_id=tenant_id, name=name)
    elif version.isascii() and version.isdigit() and len(version) < 10:
        versions = Profile.objects.filter(tenant_id=tenant_id, name=name, version=int(version))
        rows = list(versions.values_list(*_COLUMNS))
    else:
        rows = []
    if not rows:
        message = f"There is no profile {asked!r}." if at else f"No profile {asked!r} is live."
        raise InvalidRequest(message, fields={"profile": [message]})
    return version_settings(*rows[0])


def fusion_spec(profile: RetrievalSettings, *, automatic_weight: float | None = None) -> FusionSpec:
    """How the legs are fused. A weight that the profile leaves open is `automatic_weight`, or the platform's."""
    if automatic_weight is None:
        automatic_weight = settings.SEARCH_VECTOR_WEIGHT
    return FusionSpec(
        technique=profile.fusion,
        vector_weight=automatic_weight if profile.vector_weight is None else profile.vector_weight,
        rank_constant=profile.rank_constant,
        unrelated_cosine=settings.SEARCH_UNRELATED_COSINE,
    )
