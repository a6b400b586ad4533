"""Swap points: `{"BACKEND": dotted path, "OPTIONS": {…}}`, as in Django's CACHES: one instance a process.

A build that failed is not tried again for some seconds, so that requests fail fast meanwhile.
"""

import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Generic, TypeVar

from django.core.exceptions import ImproperlyConfigured
from django.utils.module_loading import import_string

from search.exceptions import SearchError

T = TypeVar("T")

RETRY_BUILD_AFTER_SECONDS = 10.0


def build_backend(config: Mapping[str, Any]) -> Any:
    """Calls what BACKEND names with OPTIONS as keyword arguments."""
    if "BACKEND" not in config:
        raise ImproperlyConfigured(f"A swap point needs a BACKEND; it has only {sorted(config)}.")
    return import_string(config["BACKEND"])(**config.get("OPTIONS", {}))


class PerProcess(Generic[T]):
    """Builds each alias once a process, at its first use, under a lock that later readers never take."""

    def __init__(self, build: Callable[[str], T], *, dispose: Callable[[T], None] | None = None) -> None:
        self._build = build
        self._dispose = dispose
        self._lock = threading.Lock()
        self._built: dict[str, T] = {}
        self._failed: dict[str, tuple[float, SearchError]] = {}

    def get(self, alias: str) -> T:
        if alias in self._built:
            return self._built[alias]
        with self._lock:
            if alias not in self._built:
                self._built[alias] = self._build_once(alias)
            return self._built[alias]

    def _build_once(self, alias: str) -> T:
        failed_at, error = self._failed.get(alias, (0.0, None))
        if error is not None and time.monotonic() - failed_at < RETRY_BUILD_AFTER_SECONDS:
            raise type(error)(error.detail)
        try:
            return self._build(alias)
        except SearchError as raised:
            self._failed[alias] = (time.monotonic(), raised)
            raise

    def clear(self) -> None:
        """Forgets and disposes of every instance: for tests and changed settings."""
        with self._lock:
            built, self._built, self._failed = self._built, {}, {}
        if self._dispose is not None:
            for instance in built.values():
                self._dispose(instance)
