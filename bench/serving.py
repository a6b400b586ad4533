"""What a measurement of searches and answers starts: the sample in a tenant, the ASGI server as `make up` runs it, a
double of a model, and questions without end."""

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
from itertools import count
from pathlib import Path
from typing import Any

import psutil
from django.conf import settings
from django.core.management.base import CommandError

from ingestion import jobs
from ingestion.services import sources, sync
from search.models import Tenant

START_SECONDS = 60.0
Body = dict[str, Any]


def sample_questions(folder: Path) -> list[str]:
    """Those that the sample answers."""
    lines = (folder / "queries.jsonl").read_text().splitlines()
    return [row["text"] for row in map(json.loads, lines) if row.get("answerable", True)]


def load_sample(tenant: Tenant, folder: Path) -> None:
    config = {"path": str((folder / "documents").resolve())}
    source = sources.create(tenant, kind="folder", config=config, slug="sample")
    sync.run(sync.start(source).pk)
    while jobs.run_due_tasks(tenant.pk):
        continue


def asks(questions: list[str]) -> Iterator[Body]:
    """Endless and all different, so that no answer is shared or stored."""
    for number in count():
        yield {"question": f"{questions[number % len(questions)]} ({number})"}


def searches(questions: list[str]) -> Iterator[Body]:
    for number in count():
        yield {"query": f"{questions[number % len(questions)]} {number}"}


@contextmanager
def model_double(*, seconds: float, tokens: int) -> Iterator[tuple[str, psutil.Process]]:
    """A process of its own, so that it takes no time from the client that measures."""
    command = [sys.executable, "-m", "bench.doubles", "--seconds", str(seconds), "--tokens", str(tokens)]
    with subprocess.Popen(  # noqa: S603
        command, cwd=settings.BASE_DIR, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None  # noqa: S101
        try:
            yield process.stdout.readline().strip(), psutil.Process(process.pid)
        finally:
            process.terminate()


@contextmanager
def asgi_server(model_url: str = "") -> Iterator[tuple[str, psutil.Process]]:
    """The ASGI application as `make up` runs it, with the double as its model; without one, answers are extracted."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    environment = os.environ | {
        "OPENSEARCH_URL": settings.OPENSEARCH_URL,
        "REDIS_URL": settings.REDIS_URL,
        "REDIS_CACHE_URL": settings.REDIS_CACHE_URL,
        "OPENAI_BASE_URL": model_url,
        "OPENAI_MODEL": "double" if model_url else "",
        "LOG_LEVEL": "ERROR",
    }
    command = [sys.executable, "-m", "uvicorn", "ragsite.asgi:application", "--port", str(port)]
    command += ["--no-access-log", "--log-level", "error"]
    with subprocess.Popen(command, cwd=settings.BASE_DIR, env=environment) as process:  # noqa: S603
        try:
            _wait_until_ready(f"http://127.0.0.1:{port}/readyz", process)
            yield f"http://127.0.0.1:{port}", psutil.Process(process.pid)
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
