"""API keys: how one is made, checked, and what it may do. Only a SHA-256 is kept; the secret has 256 bits,
so that is enough."""

import hashlib
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.utils import timezone
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from search.models import ApiKey, Membership, Tenant
from search.prepared import PreparedQuery
from search.types import Principal

SCOPES = ("search", "ask", "documents", "sources", "profiles", "explain")
_PREFIX_LENGTH = 11
_keys = PreparedQuery(
    lambda key_hash: ApiKey.objects.filter(key_hash=key_hash).values_list(
        "tenant_id", "tenant__uuid", "groups", "scopes", "expires_at", "revoked_at", "pk"
    )
)


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key that was just made: `secret` is shown once and kept nowhere."""

    row: ApiKey
    secret: str


def hash_key(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def create_key(
    tenant: Tenant,
    *,
    name: str,
    scopes: list[str],
    groups: list[str],
    expires_at: Any = None,
    budgets: Mapping[str, Any] | None = None,
) -> NewKey:
    """Make a key of a tenant. `budgets` are fields of ApiKey. Raises ValueError for a scope that does not exist."""
    if unknown := set(scopes) - set(SCOPES):
        raise ValueError(f"There is no scope {', '.join(sorted(unknown))}; there are {', '.join(SCOPES)}.")
    secret = f"rag_{secrets.token_urlsafe(32)}"
    row = ApiKey.objects.create(
        tenant=tenant,
        name=name,
        prefix=secret[:_PREFIX_LENGTH],
        key_hash=hash_key(secret),
        scopes=scopes,
        groups=groups,
        expires_at=expires_at,
        **(budgets or {}),
    )
    return NewKey(row, secret)


def authenticate_key(header: str) -> Principal:
    """The principal of an `Authorization: Bearer KEY` header. Raises DRF's AuthenticationFailed or NotAuthenticated."""
    scheme, _, secret = header.partition(" ")
    if scheme.lower() != "bearer" or not secret.strip():
        raise exceptions.NotAuthenticated("Send the header Authorization: Bearer KEY.")
    keys = _keys.rows(key_hash=hash_key(secret.strip()))
    if not keys:
        raise exceptions.AuthenticationFailed("There is no such API key.")
    tenant_id, tenant_uuid, groups, scopes, expires_at, revoked_at, key_id = keys[0]
    if revoked_at:
        raise exceptions.AuthenticationFailed("This API key was revoked.")
    if expires_at and expires_at <= timezone.now():
        raise exceptions.AuthenticationFailed(f"This API key expired at {expires_at:%Y-%m-%d %H:%M} UTC.")
    return Principal(tenant_id, tenant_uuid, tuple(groups), frozenset(scopes), key_id)


def key_principal(key: ApiKey) -> Principal:
    """Who asks by this key."""
    return Principal(key.tenant_id, key.tenant.uuid, tuple(key.groups), frozenset(key.scopes), key.pk)


def anonymous_reader(tenant: Tenant) -> Principal:
    """Who reads the page of a public tenant: no groups, may search and ask."""
    return Principal(tenant.pk, tenant.uuid, (), frozenset({"search", "ask"}))


def member(membership: Membership) -> Principal:
    """A person who is logged in, in a tenant: the membership's groups, may search and ask."""
    tenant = membership.tenant
    return Principal(tenant.pk, tenant.uuid, tuple(membership.groups), frozenset({"search", "ask"}))


def require_scope(principal: Principal, scope: str) -> None:
    """Raises DRF's PermissionDenied, naming the scope."""
    if scope not in principal.scopes:
        raise exceptions.PermissionDenied(f"This API key lacks the scope {scope!r}.")


def principal_of(request: Request) -> Principal:
    """Who asks, behind ApiKeyAuthentication."""
    assert isinstance(request.user, Principal)  # noqa: S101  HasScope lets nobody else through
    return request.user


class ApiKeyAuthentication(BaseAuthentication):
    """DRF's door: `request.user` is the Principal."""

    def authenticate(self, request: Request) -> tuple[Principal, None]:
        return authenticate_key(request.headers.get("Authorization", "")), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class HasScope(BasePermission):
    """The key needs the view's `scope`, or one of them where it names several."""

    def has_permission(self, request: Request, view: Any) -> bool:
        principal = principal_of(request)
        scopes = (view.scope,) if isinstance(view.scope, str) else view.scope
        if principal.scopes.isdisjoint(scopes):
            require_scope(principal, scopes[0])
        return True
