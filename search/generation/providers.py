"""Several providers in an order of preference: where one fails before its first word, the next one is asked.

An answer that the first one did not write says so (`is_fallback`). What a model withheld is asked of no other one.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

import structlog
from django.conf import settings

from search.context import Prompt
from search.exceptions import GenerationUnavailable, GenerationWithheld
from search.generation.openai import AzureOpenAIGenerator, OpenAIGenerator, collected
from search.generations import Generation, Piece

KINDS = {"openai": OpenAIGenerator, "azure": AzureOpenAIGenerator, "compatible": OpenAIGenerator}
logger = structlog.get_logger(__name__)


@dataclass(kw_only=True)
class ProvidersGenerator:
    """`providers`: of each its `name`, its `kind`, and the fields of that kind's generator."""

    providers: list[dict[str, Any]] = field(repr=False)

    def __post_init__(self) -> None:
        self._providers = [provider_of(config) for config in self.providers]
        self.name = self._providers[0].name
        self.models = tuple(provider.model for provider in self._providers)
        self.max_tokens = max(provider.max_tokens for provider in self._providers)

    def generate(self, prompt: Prompt) -> Generation:
        return collected(self.stream(prompt))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        until = asyncio.get_running_loop().time() + settings.SEARCH_GENERATION_TIMEOUT_SECONDS
        # One without a free place comes after all that have some, where its queue is waited in.
        order = sorted(self._providers, key=lambda provider: provider.places.is_full)
        for provider in order:
            has_begun = False
            try:
                async with aclosing(provider.stream(prompt, until=until)) as pieces:
                    async for piece in pieces:
                        has_begun = has_begun or bool(piece.text)
                        yield replace(piece, is_fallback=provider is not self._providers[0])
                return
            except GenerationUnavailable as error:
                if has_begun or provider is order[-1] or isinstance(error, GenerationWithheld):
                    raise
                logger.warning("generation_provider_failed", provider=provider.provider, detail=error.detail)


def provider_of(config: dict[str, Any]) -> OpenAIGenerator:
    """Raises ValueError, naming what is wrong."""
    fields = dict(config)
    name, kind = fields.pop("name", None), fields.pop("kind", "openai")
    if not name or kind not in KINDS:
        raise ValueError(f"A provider needs a name and a kind of {', '.join(KINDS)}.")
    if kind != "openai" and not fields.get("base_url"):
        raise ValueError(f"{name}: a provider of the kind {kind} needs its base_url.")
    try:
        return KINDS[kind](provider=name, **fields)
    except TypeError as error:
        raise ValueError(f"{name}: {str(error).partition('__init__() ')[2]}") from None
