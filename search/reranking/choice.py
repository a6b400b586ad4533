"""Which reranker a profile means: the platform's, one that the tenant has trained, or none. One instance a process."""

from typing import cast

from django.conf import settings
from django.core.signals import setting_changed

from search.backends import PerProcess, build_backend
from search.reranking import Reranker
from search.reranking.learned import is_trained, trained_reranker
from search.types import RetrievalSettings

NONE = "none"  # as a profile's reranker


def reranker_name(profile: RetrievalSettings) -> str:
    """What a profile reranks with, so that caches and runs can tell; empty: nothing."""
    if profile.rerank_model == NONE:
        return ""
    return profile.rerank_model or _platform_name()


def rerank_model_problem(tenant_id: int, named: str) -> str | None:
    """What is wrong with a profile's reranker, as a sentence; None when nothing is."""
    if named in ("", NONE) or is_trained(tenant_id, named):
        return None
    return f"There is no trained reranker {named!r}: name one as NAME@VERSION, or none."


def _platform_name() -> str:
    config = settings.SEARCH_RERANKER
    return f"{config['BACKEND']} {config['OPTIONS'].get('model', '')}".strip() if config else ""


def get_reranker(tenant_id: int, profile: RetrievalSettings) -> Reranker:
    """This process's reranker, built or read at its first use. Raises RerankUnavailable."""
    if profile.rerank_model:
        return trained_reranker(tenant_id, profile.rerank_model)
    return _rerankers.get("default")


def close_rerankers() -> None:
    _rerankers.clear()
    trained_reranker.cache_clear()


def _build(alias: str) -> Reranker:
    return cast("Reranker", build_backend(settings.SEARCH_RERANKER or {}))


def _forget_on_change(*, setting: str, **_: object) -> None:
    if setting == "SEARCH_RERANKER":
        close_rerankers()


_rerankers: PerProcess[Reranker] = PerProcess(_build, dispose=lambda reranker: reranker.close())
setting_changed.connect(_forget_on_change)
