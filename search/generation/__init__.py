"""Generators: the Protocol, and the process's own. Adapters are beside it: extraction, and models by provider.

A generator streams; `generate` is the same stream, collected. What goes wrong with a model is GenerationUnavailable.
"""

from collections.abc import AsyncGenerator
from typing import Any, Protocol, cast

import orjson
from django.conf import settings
from django.core.signals import setting_changed

from search.backends import PerProcess, build_backend
from search.context import Prompt
from search.generation.extractive import EXTRACTIVE, ExtractiveGenerator
from search.generation.openai import AzureOpenAIGenerator, OpenAIGenerator
from search.generation.providers import ProvidersGenerator
from search.generations import Generation, Piece

__all__ = [
    "EXTRACTIVE",
    "AzureOpenAIGenerator",
    "ExtractiveGenerator",
    "Generator",
    "OpenAIGenerator",
    "ProvidersGenerator",
    "generator_settings",
    "get_generator",
]


class Generator(Protocol):
    """What writes an answer from a prompt. Safe in several threads and event loops."""

    @property
    def name(self) -> str:
        """The model, or `extractive`: what the response calls `generator`. The first one's, where there are several."""
        ...

    @property
    def models(self) -> tuple[str, ...]:
        """All that may write an answer."""
        ...

    @property
    def max_tokens(self) -> int:
        """The most that any of them writes."""
        ...

    def generate(self, prompt: Prompt) -> Generation:
        """The whole answer, for threads without an event loop. Raises GenerationUnavailable."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The answer piece by piece. Raises GenerationUnavailable, in the middle as well."""
        ...


def get_generator() -> Generator:
    """This process's generator from `settings.SEARCH_GENERATOR`."""
    return _generators.get("default")


def generator_settings() -> str:
    """All of its settings but the secrets, as JSON: what a stored answer depends on."""
    told = _without_secrets(settings.SEARCH_GENERATOR)
    return orjson.dumps(told, option=orjson.OPT_SORT_KEYS).decode()


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _without_secrets(inner) for name, inner in value.items() if name != "api_key"}
    return [_without_secrets(inner) for inner in value] if isinstance(value, list | tuple) else value


def _build(alias: str) -> Generator:
    return cast("Generator", build_backend(settings.SEARCH_GENERATOR))


def _forget_on_change(*, setting: str, **_: object) -> None:
    if setting == "SEARCH_GENERATOR":
        _generators.clear()


_generators: PerProcess[Generator] = PerProcess(_build)
setting_changed.connect(_forget_on_change)
