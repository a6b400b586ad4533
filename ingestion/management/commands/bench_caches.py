"""How long an answer takes from each cache and from none, and what 64 equal questions over two servers cost."""

import asyncio
import time
import urllib.request
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import count, islice, product
from pathlib import Path
from typing import Any

import orjson
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bench.clients import Server, stream_answers, summary
from bench.serving import asgi_server, load_sample, model_double, sample_questions
from embedded.command import ServicesCommand
from ingestion.services.throwaway import throwaway_tenant
from search.authentication import create_key

EQUAL = 64
SEEN_AFTER_SECONDS = 2.0  # the semantic cache's index shows an entry after a second
_OTHER_WORDS = (
    "Could you tell me",
    "Please tell me",
    "Can you tell me",
    "I would like to know",
    "Do you know",
)
_STAGES = ("embed", "retrieve", "generate")


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: from which cache, and its milliseconds at the client and in the server."""

    cache: str
    client_ms: float
    server_ms: float


class Command(ServicesCommand):
    help = (
        "Time extracted answers by cache, and 64 equal questions over two servers, whose model is a double."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--requests", type=int, default=150, help="of each kind, one after another")
        parser.add_argument(
            "--seconds", type=float, default=1.0, help="that the model takes for equal questions"
        )
        parser.add_argument("--folder", type=Path, default=settings.BASE_DIR / "sample", help="the sample")

    def handle(self, *args: Any, **options: Any) -> None:
        questions = sample_questions(options["folder"])
        with throwaway_tenant("bench-caches") as tenant:
            self.stderr.write(f"loading {options['folder']}")
            load_sample(tenant, options["folder"])
            key = create_key(tenant, name="bench", scopes=["ask"], groups=[]).secret
            with asgi_server() as (url, _):
                figures = asyncio.run(_by_cache(Server(url, key), questions, options["requests"]))
            double = model_double(seconds=options["seconds"], tokens=10)
            with double as (model, _), asgi_server(model) as (one, _), asgi_server(model) as (other, _):
                servers = [Server(one, key), Server(other, key)]
                figures["equal"] = asyncio.run(_equal(servers, questions[0]))
        self.write_json(figures, options["json"])
        for name, value in figures.items():
            self.stdout.write(f"{name}: {value}")


async def _by_cache(server: Server, questions: list[str], requests: int) -> dict[str, Any]:
    await _answered(server, _new(questions, 4), "none")  # warm
    figures: dict[str, Any] = {"answers": "extracted", "requests": requests}
    kept = [{"question": question} for question in questions]
    figures["none"] = _told(await _answered(server, _new(questions, requests), "none"))
    await _answered(server, kept, "none")
    figures["embedding"] = _told(await _answered(server, _embedded(questions, requests), "none"))
    await asyncio.sleep(SEEN_AFTER_SECONDS)
    figures["semantic"] = _told(await _answered(server, _near(questions, requests), "semantic"))
    again = list(islice((body for _ in count() for body in kept), requests))
    figures["response"] = _told(await _answered(server, again, "response"))
    return figures


def _new(questions: list[str], requests: int) -> list[dict[str, Any]]:
    return [{"question": f"{questions[n % len(questions)]} ({time.monotonic_ns()})"} for n in range(requests)]


def _embedded(questions: list[str], requests: int) -> list[dict[str, Any]]:
    """Asked before, but for another number of hits."""
    pairs = ((question, top_k) for top_k in range(9, 51) for question in questions)
    return [{"question": question, "top_k": top_k} for question, top_k in islice(pairs, requests)]


def _near(questions: list[str], requests: int) -> list[dict[str, Any]]:
    """Each in words that were not asked before, so that it is embedded."""
    pairs = product(_OTHER_WORDS, questions)
    return [
        {"question": f"{words} {question[0].lower()}{question[1:]}"}
        for words, question in islice(pairs, requests)
    ]


async def _answered(server: Server, bodies: Iterable[dict[str, Any]], cache: str) -> list[Answered]:
    """Those of one after another that came from that cache; a refusal is left out, since it takes less."""
    answers = [await _answer(server, body) for body in bodies]
    return [answer for answer in answers if answer is not None and answer.cache == cache]


async def _answer(server: Server, body: dict[str, Any]) -> Answered | None:
    started = time.perf_counter()
    status, reader, writer = await server.post("/api/v1/ask", body)
    raw = await reader.read()
    writer.close()
    client_ms = (time.perf_counter() - started) * 1000
    if status != 200:
        raise CommandError(f"An ask was answered with {status}: {raw[:300]!r}.")
    told = orjson.loads(unchunked(raw))
    return None if told["refused"] else Answered(told["cache"], client_ms, told["timings"]["total"])


def unchunked(raw: bytes) -> bytes:
    """The body of a response that came in chunks, as the ASGI server sends what may be a stream."""
    body, at = b"", 0
    while size := int(raw[at : (end := raw.index(b"\r\n", at))], 16):
        body += raw[end + 2 : end + 2 + size]
        at = end + 2 + size + 2
    return body


def _told(answers: list[Answered]) -> dict[str, Any]:
    if not answers:
        raise CommandError("No answer came from the cache that was to be measured.")
    return {
        "answers": len(answers),
        "server_ms": summary([answer.server_ms for answer in answers]),
        "client_ms": summary([answer.client_ms for answer in answers]),
    }


async def _equal(servers: list[Server], question: str) -> dict[str, Any]:
    """The same new question from many readers at once, half of them at either server."""
    body = {"question": f"{question} ({time.monotonic_ns()})"}
    before, started = _counts(servers), time.perf_counter()
    asked = [stream_answers(server, [body] * (EQUAL // len(servers))) for server in servers]
    streamed = [one for answers in await asyncio.gather(*asked) for one in answers]
    seconds, after = time.perf_counter() - started, _counts(servers)
    return {
        "readers": EQUAL,
        "servers": len(servers),
        "answered": sum(one.generated for one in streamed),
        "seconds": round(seconds, 3),
        **{f"{stage}s": after[stage] - before[stage] for stage in _STAGES},
    }


def _counts(servers: list[Server]) -> dict[str, int]:
    """How often each stage was run so far, over all servers."""
    lines = [line for server in servers for line in _metrics(server)]
    names = {stage: f'ragsite_query_stage_seconds_count{{stage="{stage}"}}' for stage in _STAGES}
    return {
        stage: int(sum(float(line.split()[-1]) for line in lines if line.startswith(name)))
        for stage, name in names.items()
    }


def _metrics(server: Server) -> Iterator[str]:
    with urllib.request.urlopen(f"{server.url}/metrics") as response:  # noqa: S310
        yield from response.read().decode().splitlines()
