"""Many searches and many streamed answers at once for minutes: latency, errors, processor and memory by process."""

import asyncio
import time
from collections import Counter
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bench.clients import (
    OK,
    SHED,
    Answered,
    Server,
    Streamed,
    ask_again,
    outcomes,
    search_again,
    stream_answers,
    summary,
)
from bench.serving import asgi_server, asks, load_sample, model_double, sample_questions, searches
from embedded.command import ServicesCommand
from embedded.measured import cpu_seconds, listening, peak_bytes
from ingestion.services.throwaway import throwaway_tenant
from search.authentication import create_key


class Command(ServicesCommand):
    help = "Load one server with searching clients and streamed answers at once. The model is a double."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("--clients", type=int, default=64, help="that search, each without a pause")
        parser.add_argument("--streams", type=int, default=100, help="readers, each with an answer open")
        parser.add_argument("--seconds", type=float, default=120.0, help="how long")
        parser.add_argument("--answer-seconds", type=float, default=10.0, help="that each answer takes")
        parser.add_argument("--tokens", type=int, default=100, help="of each answer")
        parser.add_argument("--folder", type=Path, default=settings.BASE_DIR / "sample", help="the sample")

    def handle(self, *args: Any, **options: Any) -> None:
        questions = sample_questions(options["folder"])
        double = model_double(seconds=options["answer_seconds"], tokens=options["tokens"])
        with throwaway_tenant("bench-load") as tenant:
            self.stderr.write(f"loading {options['folder']}")
            load_sample(tenant, options["folder"])
            key = create_key(tenant, name="bench_load", scopes=["search", "ask"], groups=[]).secret
            with double as (model_url, model), asgi_server(model_url) as (url, web):
                processes = {"web": web, "model double": model, "clients": psutil.Process()} | _servers()
                server = Server(url, key)
                figures = asyncio.run(_run(server, questions, processes, **options))
        self.write_json(figures, options["json"])
        for name, value in figures.items():
            self.stdout.write(f"{name}: {value}")


def _servers() -> dict[str, psutil.Process]:
    """OpenSearch and the cache, where they run on this machine."""
    engine = listening(urlsplit(settings.OPENSEARCH_URL).port)
    found = {"opensearch": engine} if engine else {}
    cache = [process for process in psutil.process_iter(["cmdline"]) if _is_cache(process)]
    return found | {f"valkey-{number}": process for number, process in enumerate(cache, start=1)}


def _is_cache(process: psutil.Process) -> bool:
    return "valkey-server" in " ".join(process.info["cmdline"] or ())


async def _run(
    server: Server, questions: list[str], processes: dict[str, psutil.Process], **options: Any
) -> dict[str, Any]:
    asked, searched = asks(questions), searches(questions)
    warm = await stream_answers(server, [next(asked), next(asked)])
    if not all(streamed.done for streamed in warm):
        raise CommandError(f"The server does not answer: {warm}.")
    idle = await search_again(server, searched, time.monotonic() + options["seconds"] / 10)
    before = {name: cpu_seconds(process) for name, process in processes.items()}
    began = time.monotonic()
    found, streamed = await _load(server, asked, searched, until=began + options["seconds"], **options)
    lasted = time.monotonic() - began
    return {
        "clients": options["clients"],
        "streams": options["streams"],
        "seconds": round(lasted, 1),
        "model": f"a double on loopback, {options['answer_seconds']} s an answer",
        "search_one_client": _searches(idle, options["seconds"] / 10),
        "search": _searches(found, lasted),
        "answers": outcomes(streamed),
        "processes": {
            name: {
                "cores": round((cpu_seconds(process) - before[name]) / lasted, 2),
                "peak_mib": round(peak_bytes(process) / 2**20),
            }
            for name, process in processes.items()
        },
        "settings": {
            "web_pool": settings.SEARCH_WEB_POOL_SIZE,
            "stream_pool": settings.SEARCH_STREAM_POOL_SIZE,
        },
    }


async def _load(
    server: Server, asked: Any, searched: Any, *, until: float, clients: int, streams: int, **_: Any
) -> tuple[list[Answered], list[Streamed]]:
    searching = [search_again(server, searched, until) for _ in range(clients)]
    reading = [ask_again(server, asked, until) for _ in range(streams)]
    found, streamed = await asyncio.gather(asyncio.gather(*searching), asyncio.gather(*reading))
    return [one for part in found for one in part], [one for part in streamed for one in part]


def _searches(found: list[Answered], seconds: float) -> dict[str, Any]:
    statuses = Counter(answered.status for answered in found)
    return {
        "ok": statuses[OK],
        "shed": statuses[SHED],
        "errors": len(found) - statuses[OK] - statuses[SHED],
        "ok_per_second": round(statuses[OK] / seconds, 1),
        "ok_ms": summary([answered.total_ms for answered in found if answered.status == OK]),
        "shed_ms": summary([answered.total_ms for answered in found if answered.status == SHED]),
    }
