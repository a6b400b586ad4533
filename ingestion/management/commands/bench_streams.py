"""Many streamed answers at once and plain searches meanwhile, against a double of a model on loopback."""

import asyncio
import json
import os
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count, islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bench.clients import Server, Streamed, search_until, stream_answers, summary
from embedded.command import ServicesCommand
from ingestion import jobs
from ingestion.services import sources, sync
from ingestion.services.throwaway import throwaway_tenant
from search.authentication import create_key
from search.models import Tenant

IDLE_SEARCHES = 200
START_SECONDS = 60.0
Body = dict[str, Any]


class Command(ServicesCommand):
    help = "Time the first token of many streams at once, and searches idle and meanwhile. The model is a double."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--streams", type=int, default=100)
        parser.add_argument("--seconds", type=float, default=10.0, help="that each stream takes")
        parser.add_argument("--tokens", type=int, default=100, help="of each answer")
        parser.add_argument("--folder", type=Path, default=settings.BASE_DIR / "sample", help="the sample")
        parser.add_argument("--url", help="a running server whose model is a double already; with --key")
        parser.add_argument("--key", help="an API key of that server; the sample must be in its tenant")

    def handle(self, *args: Any, **options: Any) -> None:
        folder: Path = options["folder"]
        lines = (folder / "queries.jsonl").read_text().splitlines()
        questions = [row["text"] for row in map(json.loads, lines) if row.get("answerable", True)]
        if options["url"]:
            if not options["key"]:
                raise CommandError("--url needs --key.")
            figures = _measure(Server(options["url"], options["key"]), questions, **options)
        else:
            with throwaway_tenant("bench") as tenant:
                self.stderr.write(f"loading {folder}")
                _load(tenant, folder / "documents")
                key = create_key(tenant, name="bench", scopes=["search", "ask"], groups=[]).secret
                with _double(**options) as model_url, _server(model_url) as url:
                    figures = _measure(Server(url, key), questions, **options)
        self.write_json(figures, options["json"])
        for name, value in figures.items():
            self.stdout.write(f"{name}: {value}")


def _load(tenant: Tenant, folder: Path) -> None:
    source = sources.create(tenant, kind="folder", config={"path": str(folder.resolve())}, slug="sample")
    sync.run(sync.start(source).pk)
    while jobs.run_due_tasks(tenant.pk):
        continue


@contextmanager
def _double(*, seconds: float, tokens: int, **_: Any) -> Iterator[str]:
    """A process of its own, so that it takes no time from the client that measures."""
    command = [sys.executable, "-m", "bench.doubles", "--seconds", str(seconds), "--tokens", str(tokens)]
    with subprocess.Popen(  # noqa: S603
        command, cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101
        try:
            yield process.stdout.readline().strip()
        finally:
            process.terminate()


@contextmanager
def _server(model_url: str) -> Iterator[str]:
    """The ASGI application as `make up` runs it, with the double as its model."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "OPENSEARCH_URL": settings.OPENSEARCH_URL,
        "REDIS_URL": settings.REDIS_URL,
        "REDIS_CACHE_URL": settings.REDIS_CACHE_URL,
        "OPENAI_BASE_URL": model_url,
        "OPENAI_MODEL": "double",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "uvicorn", "ragsite.asgi:application", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "error"]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment) as process:  # noqa: S603
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}/readyz", process)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()


def _wait_until_ready(url: str, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=START_SECONDS):  # noqa: S310
                return
        except (urllib.error.URLError, ConnectionError):
            time.sleep(0.1)
    raise CommandError("The server did not become ready.")


def _measure(server: Server, questions: list[str], **options: Any) -> dict[str, Any]:
    return asyncio.run(_run(server, questions, **options))


async def _run(
    server: Server, questions: list[str], *, streams: int, seconds: float, tokens: int, **_: Any
) -> dict[str, Any]:
    asked, searched = _asks(questions), _searches(questions)
    warm = await stream_answers(server, islice(asked, 2))
    if not all(streamed.done for streamed in warm):
        raise CommandError(f"The server does not answer: {warm}.")
    idle = await search_until(server, islice(searched, IDLE_SEARCHES), None)
    running = asyncio.ensure_future(stream_answers(server, islice(asked, streams)))
    during = await search_until(server, searched, running)
    streamed = await running
    return {
        "model": "a double on loopback",
        "streams": streams,
        "seconds": seconds,
        "tokens": tokens,
        **_outcomes(streamed),
        "search_idle_ms": summary(idle),
        "search_during_ms": summary(during),
    }


def _outcomes(streamed: list[Streamed]) -> dict[str, Any]:
    first = [one.first_token_ms for one in streamed if one.first_token_ms is not None and one.generated]
    return {
        "completed": sum(one.done for one in streamed),
        "refused": sum(one.refused for one in streamed),
        "shed": sum(one.status == 503 for one in streamed),
        "errors": sum(not one.done and one.status != 503 for one in streamed),
        "first_token_ms": summary(first),
        "stream_ms": summary([one.total_ms for one in streamed if one.generated]),
    }


def _asks(questions: list[str]) -> Iterator[Body]:
    """Endless and all different, so that no answer is shared or stored."""
    for number in count():
        yield {"question": f"{questions[number % len(questions)]} ({number})"}


def _searches(questions: list[str]) -> Iterator[Body]:
    for number in count():
        yield {"query": f"{questions[number % len(questions)]} {number}"}
