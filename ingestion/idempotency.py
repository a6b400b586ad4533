"""Idempotency keys: a repeated write gives the first one's answer; the same key with another body is a conflict."""

import hashlib
from collections.abc import Callable
from typing import Any

from django.db import transaction

from ingestion.exceptions import IdempotencyConflict
from ingestion.models import IdempotencyKey

MAX_LENGTH = 255


def once(tenant_id: int, key: str, body: bytes, *, write: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """The answer of `write`, or of the write that came before with this key. An empty key repeats nothing.

    Raises IdempotencyConflict. The key and the write are one transaction.
    """
    if not key:
        return write()
    if len(key) > MAX_LENGTH:
        raise IdempotencyConflict(f"An Idempotency-Key has {MAX_LENGTH} characters at most.")
    body_hash = hashlib.sha256(body).hexdigest()
    with transaction.atomic():
        made, is_new = IdempotencyKey.objects.get_or_create(
            tenant_id=tenant_id, key=key, defaults={"body_hash": body_hash, "response": {}}
        )
        if is_new:
            made.response = write()
            made.save(update_fields=["response"])
        elif made.body_hash != body_hash:
            raise IdempotencyConflict("This Idempotency-Key came before with another body.")
        return dict(made.response)
