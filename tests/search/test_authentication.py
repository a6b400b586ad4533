"""API keys: kept as hashes, and refused when unknown, expired or revoked."""

from datetime import timedelta

import pytest
from django.utils import timezone
from rest_framework.exceptions import AuthenticationFailed, NotAuthenticated

from search.authentication import authenticate_key, create_key
from search.models import ApiKey, Tenant

pytestmark = pytest.mark.django_db


def test_a_key_is_kept_as_a_hash_alone(tenant: Tenant) -> None:
    key = create_key(tenant, name="k", scopes=["search"], groups=["hr"])
    stored = ApiKey.objects.values().get()
    assert not any(key.secret in str(value) for value in stored.values())
    principal = authenticate_key(f"Bearer {key.secret}")
    assert (principal.tenant_id, principal.groups, principal.scopes) == (
        tenant.pk,
        ("hr",),
        frozenset({"search"}),
    )


def test_an_expired_or_revoked_key_is_refused_with_the_reason(tenant: Tenant) -> None:
    yesterday = timezone.now() - timedelta(days=1)
    expired = create_key(tenant, name="k", scopes=["search"], groups=[], expires_at=yesterday)
    with pytest.raises(AuthenticationFailed, match="expired"):
        authenticate_key(f"Bearer {expired.secret}")
    revoked = create_key(tenant, name="k", scopes=["search"], groups=[])
    ApiKey.objects.filter(pk=revoked.row.pk).update(revoked_at=timezone.now())
    with pytest.raises(AuthenticationFailed, match="revoked"):
        authenticate_key(f"Bearer {revoked.secret}")


@pytest.mark.parametrize("header", ["", "Basic abc", "Bearer", "Bearer  "])
def test_a_header_without_a_key_is_not_authenticated(header: str) -> None:
    with pytest.raises(NotAuthenticated):
        authenticate_key(header)


def test_a_scope_that_does_not_exist_is_refused(tenant: Tenant) -> None:
    with pytest.raises(ValueError, match="fly"):
        create_key(tenant, name="k", scopes=["fly"], groups=[])
