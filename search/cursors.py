"""Cursors: a signed word for a place in an order, good for one search over one state of the content."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from django.core import signing

from search.exceptions import CursorStale, InvalidRequest
from search.types import IndexTarget, Principal, SearchRequest

START = "*"
_SALT = "ragsite.cursor"


@dataclass(frozen=True, slots=True)
class CursorScope:
    """What a cursor is good for: `search` is a digest of who asked what, `state` the content that was searched."""

    search: str
    state: str

    def write(self, place: tuple[Any, ...]) -> str:
        """The cursor of what comes after `place`."""
        return signing.dumps({"search": self.search, "state": self.state, "after": place}, salt=_SALT)

    def read(self, cursor: str) -> tuple[Any, ...]:
        """The place to go on after; () at the start. Raises InvalidRequest, CursorStale."""
        if cursor == START:
            return ()
        try:
            said: Mapping[str, Any] = signing.loads(cursor, salt=_SALT)
        except signing.BadSignature as error:
            raise _refused("This is no cursor of ours: begin with '*'.") from error
        if said["search"] != self.search:
            raise _refused("This cursor belongs to another search: ask the same again, or begin with '*'.")
        if said["state"] != self.state:
            raise CursorStale("The documents have changed since this cursor was given: begin again with '*'.")
        return tuple(said["after"])


def _refused(message: str) -> InvalidRequest:
    return InvalidRequest(message, fields={"cursor": [message]})


def cursor_scope(principal: Principal, request: SearchRequest, target: IndexTarget) -> CursorScope:
    asked = (
        *(principal.tenant_uuid, principal.access_fingerprint, request.query, request.mode, request.sort),
        *(request.group_by, request.within, request.filters, request.facet_filters),
    )
    digest = hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()[:32]
    return CursorScope(digest, f"{target.name}:{target.content_version}")
