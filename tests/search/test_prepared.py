"""A prepared query gives what its queryset gives, for any values and from any thread."""

import threading
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from search.models import ApiKey, Document, Tenant
from search.prepared import PreparedQuery

pytestmark = pytest.mark.django_db

_COLUMNS = ("public_id", "metadata", "access", "tenant__uuid", "expires_at")


def build(ids: list[str], tenant_id: int) -> Any:
    documents = Document.objects.filter(public_id__in=ids, tenant_id=tenant_id).exclude(state="deleted")
    return documents.order_by("public_id").values_list(*_COLUMNS)


@pytest.fixture
def documents(tenant: Tenant) -> list[str]:
    other = Tenant.objects.create(slug="other", name="Other")
    for number in range(40):
        for owner in (tenant, other):
            Document.objects.create(
                tenant=owner,
                public_id=f"d{number:02}",
                metadata={"n": number},
                access=["a"] if number % 2 else None,
            )
    Document.objects.filter(public_id="d03").update(state="deleted")
    return [f"d{number:02}" for number in range(40)]


@pytest.mark.parametrize("count", [1, 2, 16, 17, 40])
def test_rows_are_those_of_the_queryset_whatever_the_length_of_the_list(
    tenant: Tenant, documents: list[str], count: int
) -> None:
    prepared = PreparedQuery(build, lists=("ids",))
    for ids in (documents[:count], documents[-count:]):
        assert prepared.rows(ids=ids, tenant_id=tenant.pk) == list(build(ids, tenant.pk))


def test_a_value_of_one_call_is_not_kept_for_the_next(tenant: Tenant, documents: list[str]) -> None:
    prepared = PreparedQuery(build, lists=("ids",))
    assert prepared.rows(ids=["d00"], tenant_id=tenant.pk)
    assert prepared.rows(ids=["d00"], tenant_id=-1) == []
    assert prepared.rows(ids=["no such"], tenant_id=tenant.pk) == []


def test_a_value_that_looks_like_sql_is_only_a_value(tenant: Tenant) -> None:
    keys = PreparedQuery(lambda key_hash: ApiKey.objects.filter(key_hash=key_hash).values_list("pk"))
    ApiKey.objects.create(tenant=tenant, name="k", key_hash="a' OR '1'='1")
    assert len(keys.rows(key_hash="a' OR '1'='1")) == 1
    assert keys.rows(key_hash="' OR '1'='1") == []


def test_it_asks_the_database_once(tenant: Tenant, documents: list[str]) -> None:
    prepared = PreparedQuery(build, lists=("ids",))
    with CaptureQueriesContext(
        connection,
    ) as queries:
        prepared.rows(ids=documents, tenant_id=tenant.pk)
    assert len(queries) == 1


@pytest.mark.django_db(transaction=True)
def test_another_thread_uses_its_own_connection(tenant: Tenant, documents: list[str]) -> None:
    prepared = PreparedQuery(build, lists=("ids",))
    expected = prepared.rows(ids=documents, tenant_id=tenant.pk)
    found: list[Any] = []

    def read() -> None:
        found.append(prepared.rows(ids=documents, tenant_id=tenant.pk))
        connection.close()

    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
    assert found == [expected]
