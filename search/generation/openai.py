"""Models behind any server that speaks chat.completions, by the openai client: OpenAI, Azure, Ollama, vLLM, llama.cpp.

A call that fails in passing is made again, but only while nothing of its answer has been given away. Deadlines are of
the event loop's clock and never span a yield, where they would hit the caller.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import orjson
from django.conf import settings

from search.context import Prompt
from search.exceptions import GenerationUnavailable, GenerationWithheld
from search.generation.places import Places
from search.generations import Generation, Piece, Usage
from search.metrics import GENERATION_FAILURES

if TYPE_CHECKING:
    from openai import AsyncOpenAI

_FIRST_PAUSE_SECONDS = 0.5
_LONGEST_PAUSE_SECONDS = 4.0


class _Passing(GenerationUnavailable):
    """May be gone the next time. `pause_seconds`: what the server asked to wait, if it did."""

    def __init__(self, detail: str, pause_seconds: float | None = None) -> None:
        super().__init__(detail)
        self.pause_seconds = pause_seconds


@dataclass(kw_only=True)
class OpenAIGenerator:
    """One model of one provider, with at most `max_concurrent` calls of this process at once.

    `timeout` is for a whole answer, in seconds, waiting and further attempts included; `first_token_timeout` for what
    comes before its first word, `connect_timeout` for the connection alone.
    """

    model: str
    provider: str = "openai"
    base_url: str = ""
    api_key: str = field(default="", repr=False)
    timeout: float | None = None
    first_token_timeout: float = 20.0
    connect_timeout: float = 3.0
    max_tokens: int = 800
    temperature: float = 0.0
    max_retries: int = 1
    max_concurrent: int = 64

    def __post_init__(self) -> None:
        import httpx2
        import openai  # takes a second: here, in a thread, and never at the first stream in the event loop

        self._openai = openai
        self.name = self.model
        self.models = (self.model,)
        self.places = Places(self.max_concurrent)
        self._seconds = self.timeout or settings.SEARCH_GENERATION_TIMEOUT_SECONDS
        self._tls = httpx2.create_ssl_context()  # made once: it reads the certificates of all authorities

    def generate(self, prompt: Prompt) -> Generation:
        return collected(self.stream(prompt))

    async def stream(self, prompt: Prompt, *, until: float | None = None) -> AsyncGenerator[Piece, None]:
        """As the Protocol has it; `until`, of the loop's clock, is a deadline beside its own."""
        now = asyncio.get_running_loop().time
        deadline = min(now() + self._seconds, until or float("inf"))
        for attempt in range(self.max_retries + 1):
            has_begun = False
            try:
                async with aclosing(self._attempt(prompt, deadline)) as pieces:
                    async for piece in pieces:
                        has_begun = has_begun or bool(piece.text)
                        yield piece
                return
            except _Passing as error:
                pause = _pause_seconds(error, attempt)
                if has_begun or attempt == self.max_retries or now() + pause >= deadline:
                    raise
                await asyncio.sleep(pause)

    async def _attempt(self, prompt: Prompt, deadline: float) -> AsyncGenerator[Piece, None]:
        limit = min(asyncio.get_running_loop().time() + self.first_token_timeout, deadline)
        ended = False
        with self._failures():
            async with AsyncExitStack() as stack:
                await stack.enter_async_context(self.places.place(until=limit))
                client = await stack.enter_async_context(self._client())
                asked = client.chat.completions.with_streaming_response.create(**self._request(prompt))
                async with asyncio.timeout_at(limit):
                    response = await stack.enter_async_context(asked)
                lines = response.iter_lines()
                while (line := await _next(lines, limit)) is not None:
                    chunk = _chunk(line)
                    if chunk is None:
                        continue
                    ended = ended or _ended(chunk, self.model)
                    limit = deadline if _has_begun(chunk) else limit
                    yield _piece(chunk, self.model)
        if not ended:
            GENERATION_FAILURES.labels(self.provider, "broke_off").inc()
            raise _Passing(f"{self.model} broke off its answer.")

    def _request(self, prompt: Prompt) -> dict[str, Any]:
        return {
            "model": self.model,
            "messages": [{"role": message.role, "content": message.content} for message in prompt.messages],
            "max_tokens": self.max_tokens,
            "temperature": self.temperature,
            "stream": True,
            "stream_options": {"include_usage": True},
        }

    def _client(self) -> "AsyncOpenAI":
        """A client for one call, closed with it. By aiohttp, which reads a token in half of httpx2's time."""
        return self._openai.AsyncOpenAI(base_url=self.base_url or None, **self._client_options())

    def _client_options(self) -> dict[str, Any]:
        timeout = self._openai.Timeout(self._seconds, connect=self.connect_timeout)
        return {
            "api_key": self.api_key or "none",  # local servers ask for none, the client insists on one
            "timeout": timeout,
            "max_retries": 0,
            "http_client": self._openai.DefaultAioHttpClient(verify=self._tls, timeout=timeout),
        }

    @contextmanager
    def _failures(self) -> Iterator[None]:
        """Errors of the client, its transport and what it could not read are counted, and GenerationUnavailable."""
        from aiohttp import ClientError
        from httpx2 import HTTPError
        from openai import APIStatusError, OpenAIError

        try:
            yield
        except TimeoutError as error:
            raise self._failure("timeout", f"{self.model} did not answer in time.") from error
        except APIStatusError as error:
            raise self._refusal(error) from error
        except (OpenAIError, HTTPError, ClientError) as error:
            told = self._failure("connection", f"{self.model} failed: {type(error).__name__}.")
            raise _Passing(told.detail) from error
        except ValueError as error:
            raise self._failure("garbage", f"{self.model} sent what is no answer.") from error

    def _refusal(self, error: Any) -> GenerationUnavailable:
        status = error.status_code
        told = self._failure(str(status), f"{self.model} failed with status {status}.")
        if status not in (408, 409, 429) and status < 500:
            return told
        return _Passing(told.detail, _retry_after(error.response.headers.get("retry-after")))

    def _failure(self, reason: str, detail: str) -> GenerationUnavailable:
        GENERATION_FAILURES.labels(self.provider, reason).inc()
        return GenerationUnavailable(detail)


@dataclass(kw_only=True)
class AzureOpenAIGenerator(OpenAIGenerator):
    """`base_url` is the resource's endpoint, `model` the deployment's name."""

    provider: str = "azure"
    api_version: str = "2024-10-21"

    def _client(self) -> "AsyncOpenAI":
        client: AsyncOpenAI = self._openai.AsyncAzureOpenAI(
            azure_endpoint=self.base_url,
            azure_deployment=self.model,
            api_version=self.api_version,
            **self._client_options(),
        )
        return client


def collected(pieces: AsyncGenerator[Piece, None]) -> Generation:
    """A stream to its end, in an event loop of its own."""
    return asyncio.run(_collected(pieces))


async def _collected(pieces: AsyncGenerator[Piece, None]) -> Generation:
    total = Piece()
    async with aclosing(pieces):
        async for piece in pieces:
            total = total.followed_by(piece)
    return total.generation()


def _pause_seconds(error: _Passing, attempt: int) -> float:
    """What the server asked for; else at random up to a bound that doubles (full jitter)."""
    if error.pause_seconds is not None:
        return error.pause_seconds
    longest = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2**attempt)
    return random.uniform(0, longest)  # noqa: S311  no secret


def _retry_after(value: str | None) -> float | None:
    """Seconds; a date is left to our own pause."""
    return float(value) if value and value.isascii() and value.isdigit() else None


async def _next(lines: AsyncIterator[str], limit: float) -> str | None:
    """The next line, None at the end."""
    async with asyncio.timeout_at(limit):
        return await anext(lines, None)


def _chunk(line: str) -> dict[str, Any] | None:
    """The JSON of a server-sent event; None for lines without any. Raises ValueError for what is no chunk.

    Read here: the client's own models cost more than all else of a stream.
    """
    if not line.startswith("data:"):
        if line and not line.startswith((":", "event:", "id:", "retry:")):
            raise ValueError("This is no stream of events.")
        return None
    data = line.removeprefix("data:").strip()
    if data == "[DONE]":
        return None
    chunk = orjson.loads(data)
    if not isinstance(chunk, dict) or "error" in chunk:
        raise ValueError("The server tells of an error in its stream.")
    return chunk


def _choice(chunk: dict[str, Any]) -> dict[str, Any]:
    return next(iter(chunk.get("choices") or ()), {})


def _piece(chunk: dict[str, Any], model: str) -> Piece:
    choice, usage = _choice(chunk), chunk.get("usage")
    told = Usage(usage.get("prompt_tokens") or 0, usage.get("completion_tokens") or 0) if usage else None
    text = (choice.get("delta") or {}).get("content") or ""
    return Piece(text, told, choice.get("finish_reason") == "length", model)


def _has_begun(chunk: dict[str, Any]) -> bool:
    """Whether the model has begun to write, if only its thoughts."""
    delta = _choice(chunk).get("delta") or {}
    return any(delta.get(name) for name in ("content", "reasoning_content", "reasoning"))


def _ended(chunk: dict[str, Any], model: str) -> bool:
    reason = _choice(chunk).get("finish_reason")
    if reason == "content_filter":
        raise GenerationWithheld(f"{model} withheld its answer.")
    return reason is not None
