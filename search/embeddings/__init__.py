"""Embedders: the Protocol, and the one instance a process that the settings name.

Vectors are float32 of length 1; a passage is never cut; an index is asked by the variant that filled it.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, cast

from django.conf import settings
from django.core.exceptions import ImproperlyConfigured
from django.core.signals import setting_changed

from search.backends import PerProcess, build_backend
from search.embeddings.batching import Vector, Vectors

__all__ = ["Embedder", "Vector", "Vectors", "build_embedder", "close_embedders", "get_embedder"]


class Embedder(Protocol):
    """What turns text into vectors. Safe to use from several threads."""

    @property
    def variant(self) -> str:
        """As in `all-MiniLM-L6-v2-int8-onnx@53aa5117`. Stored in an index's `_meta`."""
        ...

    @property
    def dimension(self) -> int: ...

    @property
    def max_tokens(self) -> int:
        """The window, special tokens and passage prompt included."""
        ...

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        """Tokens that each text takes of the window, never cut and never under-counted."""
        ...

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        """Vectors of shape (n, dimension), in the order given; else InputTooLong or EmbeddingUnavailable."""
        ...

    def embed_query(self, text: str) -> Vector:
        """A vector of shape (dimension,). A query over the window is cut: readers may paste a page."""
        ...

    def close(self) -> None:
        """Gives connections back. May be called twice."""
        ...


def build_embedder(config: Mapping[str, Any]) -> Embedder:
    """A new embedder from `{"BACKEND": dotted path, "OPTIONS": {…}}`."""
    return cast("Embedder", build_backend(config))


def get_embedder(alias: str = "default") -> Embedder:
    """This process's embedder of that name in `settings.SEARCH_EMBEDDERS`; the first call loads the model."""
    return _embedders.get(alias)


def close_embedders() -> None:
    _embedders.clear()


def _build_alias(alias: str) -> Embedder:
    if alias not in settings.SEARCH_EMBEDDERS:
        raise ImproperlyConfigured(
            f"SEARCH_EMBEDDERS has no {alias!r}, only {sorted(settings.SEARCH_EMBEDDERS)}."
        )
    return build_embedder(settings.SEARCH_EMBEDDERS[alias])


def _forget_on_change(*, setting: str, **_: object) -> None:
    if setting == "SEARCH_EMBEDDERS":
        close_embedders()


_embedders: PerProcess[Embedder] = PerProcess(_build_alias, dispose=lambda embedder: embedder.close())
setting_changed.connect(_forget_on_change)
