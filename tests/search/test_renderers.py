"""What is posted: JSON, nested no deeper than any walk through it can take."""

from typing import Any

import pytest
from django.test import Client
from rest_framework.exceptions import ParseError

from search.models import Tenant
from search.renderers import MAX_NESTING, parsed_json
from tests.factories import authorization


def nested(depth: int, innermost: bytes = b"1") -> bytes:
    """`depth` lists and objects in turn."""
    opened = [b'{"not": ' if level % 2 else b"[" for level in range(depth)]
    closed = [b"}" if level % 2 else b"]" for level in reversed(range(depth))]
    return b"".join([*opened, innermost, *closed])


def test_as_deep_as_allowed_is_read_as_it_stands() -> None:
    value = parsed_json(nested(MAX_NESTING))
    for _ in range(MAX_NESTING):
        [value] = value if isinstance(value, list) else value.values()
    assert value == 1
    wide: list[Any] = [[]] * 5000
    assert parsed_json(b"[" + b",".join([b"[]"] * 5000) + b"]") == wide


@pytest.mark.parametrize(
    "body", [nested(MAX_NESTING + 1), nested(MAX_NESTING, b"{}"), nested(1000), nested(5000), b"", b"{"]
)
def test_what_is_deeper_or_no_json_is_refused(body: bytes) -> None:
    with pytest.raises(ParseError):
        parsed_json(body)


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("path", ["/api/v1/search", "/api/v1/ask", "/api/v1/documents"])
@pytest.mark.parametrize("field", [b"filters", b"query"])
def test_every_surface_refuses_it(path: str, field: bytes, client: Client, tenant: Tenant) -> None:
    headers = authorization(tenant)
    body = b'{"query": "pump", "%s": %s}' % (field, nested(1000))
    answer = client.post(path, body, content_type="application/json", headers=headers)
    assert answer.status_code == 400
    assert answer.json() == {"code": "invalid_request", "detail": "The body is nested more than 100 deep."}
