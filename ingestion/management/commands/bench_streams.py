"""Many streamed answers at once and plain searches meanwhile, against a double of a model on loopback."""

import asyncio
from itertools import islice
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bench.clients import Server, outcomes, search_until, stream_answers, summary
from bench.serving import asgi_server, asks, load_sample, model_double, sample_questions, searches
from embedded.command import ServicesCommand
from ingestion.services.throwaway import throwaway_tenant
from search.authentication import create_key

IDLE_SEARCHES = 200


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
        questions = sample_questions(folder)
        if options["url"]:
            if not options["key"]:
                raise CommandError("--url needs --key.")
            figures = _measure(Server(options["url"], options["key"]), questions, **options)
        else:
            with throwaway_tenant("bench") as tenant:
                self.stderr.write(f"loading {folder}")
                load_sample(tenant, folder)
                key = create_key(tenant, name="bench", scopes=["search", "ask"], groups=[]).secret
                double = model_double(seconds=options["seconds"], tokens=options["tokens"])
                with double as (model_url, _), asgi_server(model_url) as (url, _):
                    figures = _measure(Server(url, key), questions, **options)
        self.write_json(figures, options["json"])
        for name, value in figures.items():
            self.stdout.write(f"{name}: {value}")


def _measure(server: Server, questions: list[str], **options: Any) -> dict[str, Any]:
    return asyncio.run(_run(server, questions, **options))


async def _run(
    server: Server, questions: list[str], *, streams: int, seconds: float, tokens: int, **_: Any
) -> dict[str, Any]:
    asked, searched = asks(questions), searches(questions)
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
        **outcomes(streamed),
        "stream_ms": summary([one.total_ms for one in streamed if one.generated]),
        "search_idle_ms": summary(idle),
        "search_during_ms": summary(during),
    }
