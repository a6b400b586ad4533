"""Generators: the Protocol, the one by the openai client, the one without a model, and the process's own.

Only generation has an async form, for streams. Whatever goes wrong with a model is GenerationUnavailable.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, cast

import orjson
from django.conf import settings
from django.core.signals import setting_changed

from search.backends import PerProcess, build_backend
from search.context import REFUSAL, Prompt
from search.exceptions import GenerationUnavailable
from search.extraction import extract
from search.generations import Generation, Piece, Usage

if TYPE_CHECKING:
    from openai import AsyncOpenAI

EXTRACTIVE = "extractive"


class Generator(Protocol):
    """What writes an answer from a prompt. Safe in several threads; its stream belongs to one event loop."""

    @property
    def name(self) -> str:
        """The model, or `extractive`: what the response calls `generator`."""
        ...

    def generate(self, prompt: Prompt) -> Generation:
        """The whole answer. Raises GenerationUnavailable."""
        ...

    def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        """The answer piece by piece. Raises GenerationUnavailable, in the middle as well."""
        ...


class ExtractiveGenerator:
    """Answers without a model: sentences of the passages, each with its marker, or the refusal."""

    name = EXTRACTIVE

    def generate(self, prompt: Prompt) -> Generation:
        return Generation("".join(self._pieces(prompt)))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        for text in await asyncio.to_thread(lambda: list(self._pieces(prompt))):
            yield Piece(text)

    def _pieces(self, prompt: Prompt) -> Iterator[str]:
        sentences = extract(prompt.question, prompt.passages, cosines=prompt.cosines)
        if not sentences:
            yield REFUSAL
        for position, sentence in enumerate(sentences):
            # Brackets of the text's own (footnotes, indexes) must not pass for markers
            text = " ".join(sentence.text.split()).replace("[", "(").replace("]", ")")
            yield f"{' ' if position else ''}{text} [{sentence.number}]"


@dataclass(kw_only=True)
class OpenAIGenerator:
    """Any server that speaks chat.completions. `timeout` in seconds is the deadline of a whole answer."""

    model: str
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    timeout: float | None = None
    max_tokens: int = 800
    temperature: float = 0.0
    max_retries: int = 1

    def __post_init__(self) -> None:
        import httpx2
        import openai  # takes a second: here, in a thread, and never at the first stream in the event loop

        self._openai = openai
        self.name = self.model
        self._deadline = self.timeout or settings.SEARCH_GENERATION_TIMEOUT_SECONDS
        self._tls = httpx2.create_ssl_context()  # made once: it reads the certificates of all authorities

    def generate(self, prompt: Prompt) -> Generation:
        with _model_errors(self.model), self._openai.OpenAI(**self._client_options()) as client:
            answer = client.chat.completions.create(**self._request(prompt))
            return _generation(answer, self.model)

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        deadline = asyncio.get_running_loop().time() + self._deadline
        request = self._request(prompt) | {"stream": True, "stream_options": {"include_usage": True}}
        ended = False
        with _model_errors(self.model):
            async with AsyncExitStack() as stack:
                client = await stack.enter_async_context(self._async_client())
                asked = client.chat.completions.with_streaming_response.create(**request)
                async with asyncio.timeout_at(deadline):
                    response = await stack.enter_async_context(asked)
                async for chunk in _chunks(response.iter_lines(), deadline=deadline):
                    piece, reason = _piece(chunk)
                    ended = ended or _ended(reason, self.model)
                    yield piece
        if not ended:
            raise GenerationUnavailable(f"{self.model} broke off its answer.")

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
        }

    def _client_options(self) -> dict[str, Any]:
        return {
            "base_url": self.base_url or None,
            "api_key": self.api_key or "none",  # local servers ask for none, the client insists on one
            "timeout": self._deadline,
            "max_retries": self.max_retries,
        }

    def _async_client(self) -> "AsyncOpenAI":
        """A client for one answer, closed with it. By aiohttp, which reads a token in half of httpx2's time."""
        http_client = self._openai.DefaultAioHttpClient(verify=self._tls, timeout=self._deadline)
        return self._openai.AsyncOpenAI(**self._client_options(), http_client=http_client)


async def _chunks(lines: AsyncIterator[str], *, deadline: float) -> AsyncIterator[Any]:
    """The JSON of each server-sent event. Read here: the client's own models cost more than all else of a stream."""
    while (line := await _next(lines, deadline)) is not None:
        if not line.startswith("data:"):
            continue
        data = line.removeprefix("data:").strip()
        if data == "[DONE]":
            return
        yield orjson.loads(data)


async def _next(lines: AsyncIterator[str], deadline: float) -> str | None:
    """The next line, None at the end. The deadline never spans a yield, where it would hit the caller."""
    async with asyncio.timeout_at(deadline):
        return await anext(lines, None)


def _piece(chunk: Any) -> tuple[Piece, str | None]:
    """A chunk and its finish reason. Raises ValueError for what is none."""
    if not isinstance(chunk, dict) or "error" in chunk:
        raise ValueError("The server tells of an error in its stream.")
    choice: dict[str, Any] = next(iter(chunk.get("choices") or ()), {})
    usage = chunk.get("usage")
    told = Usage(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0) if usage else None
    reason = choice.get("finish_reason")
    return Piece((choice.get("delta") or {}).get("content") or "", told, reason == "length"), reason


def _generation(answer: Any, model: str) -> Generation:
    if not answer.choices:
        raise GenerationUnavailable(f"{model} gave no answer.")
    choice = answer.choices[0]
    _ended(choice.finish_reason, model)
    usage = Usage(answer.usage.prompt_tokens, answer.usage.completion_tokens) if answer.usage else Usage()
    return Generation(choice.message.content or "", usage, choice.finish_reason == "length")


def _ended(reason: str | None, model: str) -> bool:
    if reason == "content_filter":
        raise GenerationUnavailable(f"{model} withheld its answer.")
    return reason is not None


@contextmanager
def _model_errors(model: str) -> Iterator[None]:
    """Errors of the client, its transport and what it could not read become GenerationUnavailable."""
    from httpx2 import HTTPError
    from openai import OpenAIError

    try:
        yield
    except TimeoutError as error:
        raise GenerationUnavailable(f"{model} did not answer in time.") from error
    except (OpenAIError, HTTPError, ValueError) as error:
        raise GenerationUnavailable(f"{model} failed: {type(error).__name__}.") from error


def get_generator() -> Generator:
    """This process's generator from `settings.SEARCH_GENERATOR`."""
    return _generators.get("default")


def _build(alias: str) -> Generator:
    return cast("Generator", build_backend(settings.SEARCH_GENERATOR))


def _forget_on_change(*, setting: str, **_: object) -> None:
    if setting == "SEARCH_GENERATOR":
        _generators.clear()


_generators: PerProcess[Generator] = PerProcess(_build)
setting_changed.connect(_forget_on_change)
