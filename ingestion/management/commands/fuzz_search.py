"""Send random requests to a real server over the sample: nothing may fail, be late, or bring the engine down."""

import random
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import urllib3
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bench import fuzz_cases, fuzz_values
from bench.fuzzing import Fuzzed, Target, engine, fuzz, shown
from bench.serving import asgi_server, load_sample
from embedded.command import ServicesCommand
from ingestion import jobs
from ingestion.parsers.media_types import TEXT
from ingestion.services import documents
from ingestion.services.documents import Content, DocumentFieldsInput, Incoming
from ingestion.services.throwaway import throwaway_tenant
from search.authentication import create_key
from search.models import Tenant

SEED = 50
_MORE_DOCUMENTS = 60
_SAYS_EACH_SECONDS = 15.0
_SCOPES = ["search", "ask", "explain"]


class Command(ServicesCommand):
    help = "Send random query texts, filters and bodies to the API: no 5xx, none over 3 s, the node never restarts."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--count", type=int, default=50_000, metavar="N", help="requests (default: 50,000)"
        )
        parser.add_argument("--seed", type=int, default=SEED, help="draws other requests")
        parser.add_argument("--clients", type=int, default=4, help="at once (default: 4)")
        parser.add_argument(
            "--only", type=int, nargs="*", metavar="CASE", help="send these again, by their numbers"
        )
        parser.add_argument("--folder", type=Path, default=settings.BASE_DIR / "sample", help="the sample")

    def handle(self, *args: Any, **options: Any) -> None:
        with throwaway_tenant("fuzz-search") as tenant:
            self.stderr.write("loading the sample")
            fill(tenant, options["folder"])
            figures = self._fuzzed(tenant, options)
        self.write_json(figures, options["json"])
        for name, said in figures.items():
            self.stdout.write(f"{name}: {said}")
        if figures["problems"] or figures["restarted"]:
            raise CommandError(f"{len(figures['problems'])} cases were answered wrongly.")

    def _fuzzed(self, tenant: Tenant, options: dict[str, Any]) -> dict[str, Any]:
        pool = urllib3.PoolManager(maxsize=options["clients"], timeout=60.0)
        keys = [
            create_key(tenant, name="fuzz_search", scopes=_SCOPES, groups=list(groups)).secret
            for groups in fuzz_cases.GROUPS
        ]
        before = engine(settings.OPENSEARCH_URL, pool)
        with asgi_server() as (url, web):
            began = time.monotonic()
            fuzzed = fuzz(
                self._cases(options),
                Target(url, keys, pool).send,
                clients=options["clients"],
                told=lambda case, found: self.stderr.write(f"WRONG: {found}\n  {shown(case)}"),
            )
            seconds = time.monotonic() - began
            web_lives = web.is_running()
        after = engine(settings.OPENSEARCH_URL, pool)
        return _figures(fuzzed, options, seconds) | {
            "engine": asdict(after),
            "restarted": [] if before == after and web_lives else [asdict(before), asdict(after), web_lives],
        }

    def _cases(self, options: dict[str, Any]) -> Iterator[fuzz_cases.Case]:
        said_at = time.monotonic()
        numbers = options["only"] if options["only"] is not None else range(options["count"])
        for number in numbers:
            if time.monotonic() - said_at > _SAYS_EACH_SECONDS:
                said_at = time.monotonic()
                self.stderr.write(f"{number} of {options['count']} requests")
            yield fuzz_cases.case(options["seed"], number)


def fill(tenant: Tenant, folder: Path) -> None:
    """The sample documents, and some whose fields have every type and whose access differs."""
    rng = random.Random(SEED)  # noqa: S311
    load_sample(tenant, folder)
    incoming = [
        Incoming(
            f"fuzz-{number}",
            DocumentFieldsInput(
                title=f"Pump {number}",
                metadata=fuzz_cases.metadata(rng),
                access=rng.choice([None, None, [], ["hr"], ["it"]]),
            ),
            Content(f"The pump {number} needs calibration. {fuzz_values.text(rng)}".encode(), TEXT),
        )
        for number in range(_MORE_DOCUMENTS)
    ]
    documents.accept_all(tenant, incoming)
    while jobs.run_due_tasks(tenant.pk):
        continue


def _figures(fuzzed: Fuzzed, options: dict[str, Any], seconds: float) -> dict[str, Any]:
    return fuzzed.figures() | {
        "seed": options["seed"],
        "clients": options["clients"],
        "seconds": round(seconds, 1),
        "requests_per_second": round(len(fuzzed.milliseconds) / seconds, 1),
    }
