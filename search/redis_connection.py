"""Clients of Redis that hold nobody up: a reply has one time-out as a whole.

redis-py bounds each read alone, so that a server which answers in drops would hold a request for as long as it likes.
"""

import time
from typing import Any

import redis
from redis.connection import DefaultParser


class _PromptParser(DefaultParser):  # type: ignore[misc,valid-type]
    """Gives a reply up that has not come whole by the socket's time-out."""

    _ends_at = float("inf")

    def read_response(self, *args: Any, **options: Any) -> Any:
        self._ends_at = time.monotonic() + self._socket_timeout
        return super().read_response(*args, **options)

    def read_from_socket(self, *args: Any, **options: Any) -> Any:
        left = self._ends_at - time.monotonic()
        if left <= 0:
            raise redis.TimeoutError("The reply did not come whole in time.")
        return super().read_from_socket(timeout=left)


def connect(url: str, *, timeout_seconds: float) -> "redis.Redis":
    """A client with a pool of connections. A command that fails is not tried again, and raises a RedisError; a
    pipeline has the time-out for each of its replies."""
    return redis.Redis.from_url(
        url,
        socket_timeout=timeout_seconds,
        socket_connect_timeout=timeout_seconds,
        parser_class=_PromptParser,
    )
