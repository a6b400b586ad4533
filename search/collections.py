"""Collections: which there are for whoever asks, and a request narrowed to the one that it names.

One that is for others is not there: nobody learns from an error that it exists.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from search.exceptions import NotFound
from search.models import Collection
from search.prepared import PreparedQuery
from search.types import AskRequest, Principal, SearchRequest

R = TypeVar("R", SearchRequest, AskRequest)
_of_tenant = PreparedQuery(
    lambda tenant_id: (
        Collection.objects.filter(tenant_id=tenant_id)
        .order_by("name")
        .values_list("slug", "name", "description", "filters", "profile", "audience")
    )
)


@dataclass(frozen=True, slots=True)
class Choice:
    """A collection that may be chosen. `filters` as in the API; an empty `profile`: the usual one."""

    slug: str
    name: str
    description: str
    filters: Mapping[str, Any]
    profile: str


def choices(principal: Principal) -> list[Choice]:
    """The collections that a principal may choose, by name."""
    rows = _of_tenant.rows(tenant_id=principal.tenant_id)
    return [Choice(*row) for *row, audience in rows if principal.may_see(audience)]


def chosen(principal: Principal, slug: str) -> Choice:
    """Raises NotFound for one that is not there, or not for this principal."""
    for choice in choices(principal):
        if choice.slug == slug:
            return choice
    raise NotFound(f"There is no collection {slug!r}.")


def narrowed(principal: Principal, request: R) -> R:
    """The request `within` the collection that it names, by its profile unless it names one itself. Raises NotFound."""
    if request.collection is None or request.within is not None:
        return request
    choice = chosen(principal, request.collection)
    return replace(request, within=choice.filters, profile=request.profile or choice.profile or None)
