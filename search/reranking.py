"""Rerankers: the Protocol, the cross-encoder, and the one instance a process of the settings (None: off).

A reranker scores all passages within its deadline or raises; the caller then keeps the fused order.
"""

import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

from django.conf import settings
from django.core.signals import setting_changed

from search.backends import PerProcess, build_backend
from search.exceptions import RerankUnavailable


class Reranker(Protocol):
    """What scores passages against a query. Safe to use from several threads."""

    @property
    def name(self) -> str: ...

    def rerank(self, query: str, passages: Sequence[str], *, deadline_seconds: float) -> list[float]:
        """A score for each passage, in the order given, higher is better. Raises RerankUnavailable."""
        ...


def get_reranker() -> Reranker | None:
    """This process's reranker from `settings.SEARCH_RERANKER`, or None; the first call loads the model."""
    return None if settings.SEARCH_RERANKER is None else _rerankers.get("default")


def close_rerankers() -> None:
    _rerankers.clear()


@dataclass(kw_only=True)
class CrossEncoderReranker:
    """A sentence-transformers CrossEncoder by hub name or folder. Pairs are cut to `max_length` tokens."""

    model: str
    device: str = "cpu"
    batch_size: int = 8
    max_length: int = 512

    def __post_init__(self) -> None:
        self.name = Path(self.model).name
        self._encoder = _load(self.model, device=self.device, max_length=self.max_length)
        self._lock = threading.Lock()

    def rerank(self, query: str, passages: Sequence[str], *, deadline_seconds: float) -> list[float]:
        """The deadline is checked before each batch, so it is passed by one batch at most."""
        deadline = time.monotonic() + deadline_seconds
        scores: list[float] = []
        while len(scores) < len(passages):
            batch = [(query, passage) for passage in passages[len(scores) : len(scores) + self.batch_size]]
            remaining = deadline - time.monotonic()
            # The tokenizer keeps its settings between calls: one batch at a time. Waiting counts as well.
            if remaining <= 0 or not self._lock.acquire(timeout=remaining):
                raise RerankUnavailable(
                    f"deadline: {len(scores)} of {len(passages)} scored in {deadline_seconds:g} s"
                )
            try:
                scores += self._score(batch)
            finally:
                self._lock.release()
        return scores

    def _score(self, pairs: list[tuple[str, str]]) -> list[float]:
        try:
            return [
                float(score)
                for score in self._encoder.predict(pairs, batch_size=len(pairs), show_progress_bar=False)
            ]
        except RuntimeError as error:
            raise RerankUnavailable(f"model: {self.name} failed: {error}") from error


def _load(model: str, *, device: str, max_length: int) -> Any:
    from sentence_transformers import CrossEncoder

    try:
        encoder = CrossEncoder(model, device=device, max_length=max_length)
    except (OSError, ValueError, RuntimeError, ImportError) as error:
        raise RerankUnavailable(f"model: {model} can't be loaded: {error}") from error
    if encoder.num_labels != 1:
        raise RerankUnavailable(
            f"model: {model} gives {encoder.num_labels} scores a pair; a reranker gives one"
        )
    return encoder


def _build(alias: str) -> Reranker:
    return cast("Reranker", build_backend(settings.SEARCH_RERANKER or {}))


def _forget_on_change(*, setting: str, **_: object) -> None:
    if setting == "SEARCH_RERANKER":
        close_rerankers()


_rerankers: PerProcess[Reranker] = PerProcess(_build)
setting_changed.connect(_forget_on_change)
