"""Measure what each feature adds to a plain hybrid search, through real HTTP, every feature in turn for every query."""

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import orjson
import psutil
import urllib3
from django.conf import settings
from django.core.management.base import CommandError, CommandParser

from bench import features
from bench.features import CROSS_ENCODER, EMBEDDED, FEATURES, LEARNED, PLAIN, Feature
from bench.growing import VIEWS, Corpus
from bench.peers import rounds
from bench.untrained import ensure_cross_encoder
from bench.workers import Workers, worker_commands
from embedded.command import ServicesCommand, service_urls
from embedded.measured import web_server
from embedded.programs import DEFAULT_WORKERS
from ingestion.services import throwaway
from search.authentication import create_key
from search.embeddings import get_embedder
from search.evaluation import queries
from search.evaluation.datasets import read_passages
from search.evaluation.latency import latency, percentile, timed
from search.models import Profile, Tenant

SUGGEST = "suggest"
_SEED = 30
_LEAST_WORDS = 4
_WORD = re.compile(r"\w+")
_SLICE = 5000
_DEADLINE_SECONDS = "60"  # of the cross-encoder: its whole time is to be seen


@dataclass
class Asker:
    """Asks the servers, one a reranker, over kept connections; `degraded` counts by feature what left something out."""

    urls: dict[str, str]
    secret: str
    degraded: dict[str, int] = field(default_factory=dict)

    def __post_init__(self) -> None:
        headers = {"authorization": f"Bearer {self.secret}", "content-type": "application/json"}
        self._pool = urllib3.PoolManager(headers=headers, timeout=120.0)

    def seconds(self, feature: Feature, text: str) -> float:
        """The time that a search takes, sent and read; what it follows is not counted."""
        body = feature.body(text)
        if feature.follows:
            body["cursor"] = self._search(feature, body).get("next_cursor") or "*"
        return timed(lambda: self._search(feature, body))

    def suggest_seconds(self, text: str) -> float:
        url = f"{self.urls[LEARNED]}/api/v1/suggest"
        fields = {"q": features.typed_so_far(text)}
        return timed(lambda: self._read(SUGGEST, self._pool.request("GET", url, fields=fields)))

    def _search(self, feature: Feature, body: features.Body) -> dict[str, Any]:
        url = f"{self.urls[feature.server]}/api/v1/search"
        answer = self._pool.request("POST", url, body=orjson.dumps(body), retries=False)
        return self._read(feature.name, answer)

    def _read(self, name: str, answer: urllib3.BaseHTTPResponse) -> dict[str, Any]:
        decoded: dict[str, Any] = orjson.loads(answer.data)
        if answer.status != 200 or decoded.get("cache") == "response":
            raise CommandError(f"{name}: answered {answer.status}: {answer.data[:300]!r}")
        if decoded["degraded"]:
            self.degraded[name] = self.degraded.get(name, 0) + 1
        return decoded


class Command(ServicesCommand):
    help = "Measure each feature of a search beside the plain one: p50, p95, and how many times as long."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("passages", type=Path, metavar="FILE", help="JSON Lines, plain or .zst")
        parser.add_argument("--count", type=int, default=74_549, metavar="N", help="passages of the corpus")
        parser.add_argument("--rounds", type=int, default=5)
        parser.add_argument("--requests", type=int, default=40, help="queries a round (default: 40)")
        parser.add_argument("--warm-up", type=int, default=30, help="queries that are not counted")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with throwaway.throwaway_tenant("bench-features") as tenant:
                self._load(tenant, options["passages"], options["count"])
                figures = self._measured(tenant, options)
        except KeyboardInterrupt as interrupt:
            raise CommandError("Interrupted; what was made for the measurement is gone.") from interrupt
        self._print(figures)
        self.write_json(figures, options["json"])

    def _load(self, tenant: Tenant, path: Path, count: int) -> None:
        workers = Workers(worker_commands(DEFAULT_WORKERS, service_urls()))
        corpus = Corpus(tenant, path, count, workers, self._say)
        with workers.running():
            corpus.grow(count)
        Profile.objects.create(
            tenant=tenant, name=features.POPULAR, state=Profile.State.LIVE, settings=_LIFTED
        )

    def _measured(self, tenant: Tenant, options: dict[str, Any]) -> dict[str, Any]:
        size, turns, warm = options["requests"], options["rounds"], options["warm_up"]
        texts = _queries(options["passages"], options["count"], warm + turns * size)
        key = create_key(tenant, name="bench_features", scopes=["search"], groups=[])
        with _servers() as urls:
            asker = Asker(urls, key.secret)
            self._say(f"{warm} queries to warm up, each with every feature")
            _round(asker, texts[:warm])
            found = []
            for start in range(warm, len(texts), size):
                found.append(_round(asker, texts[start : start + size]))
                self._say(f"round {len(found)} of {turns} done")
        return {
            "features": _compared(found),
            "degraded": asker.degraded,
            "settings": {
                "passages": options["count"],
                "rounds": turns,
                "requests_a_round": size,
                "embedder": get_embedder().variant,
                "cores": psutil.cpu_count(),
                "web_threads": settings.SEARCH_WEB_POOL_SIZE,
            },
        }

    def _say(self, text: str) -> None:
        self.stderr.write(text)
        self.stderr.flush()

    def _print(self, figures: dict[str, Any]) -> None:
        row = "{:<34} {:>9} {:>9} {:>9} {:>16}"
        self.stdout.write(row.format("", "p50 ms", "p95 ms", "added ms", "of plain (rounds)"))
        for name, found in figures["features"].items():
            ratio = found["p50_of_plain"]
            said = f"{ratio['median']} ({ratio['min']} to {ratio['max']})"
            times = (f"{found[key]:.1f}" for key in ("p50_ms", "p95_ms", "added_p50_ms"))
            self.stdout.write(row.format(name, *times, said))
        if figures["degraded"]:
            self.stdout.write(f"DEGRADED answers: {figures['degraded']}")


_LIFTED = {"popularity_weight": 0.2, "popularity_field": VIEWS}


def _queries(corpus: Path, count: int, wanted: int) -> list[str]:
    """Sentences as plain words: a sign could be read as an operator, and leave no next page."""
    passages = (passage.text for passage in islice(read_passages(corpus), count))
    words = (_WORD.findall(text) for text in queries.sentences(passages, seed=_SEED))
    fitting = list(dict.fromkeys(" ".join(found) for found in words if len(found) >= _LEAST_WORDS))
    if len(fitting) < wanted:
        raise CommandError(f"{len(fitting)} different queries are too few: {wanted} are needed.")
    return fitting[:: len(fitting) // wanted][:wanted]


@contextmanager
def _servers() -> Iterator[dict[str, str]]:
    """A web server with the learned reranker, and one with a cross-encoder."""
    folder = settings.PATHS.data / "bench-models" / "untrained-cross-encoder"
    ensure_cross_encoder(folder)
    models = {LEARNED: "general", CROSS_ENCODER: str(folder)}
    with ExitStack() as stack:
        found: dict[str, str] = {}
        for name, model in models.items():
            server = web_server(
                threads=settings.SEARCH_WEB_POOL_SIZE,
                checkout=Path(settings.BASE_DIR),
                paths=settings.PATHS,
                urls=service_urls(),
                extra={"SEARCH_RERANK_MODEL": model, "SEARCH_RERANK_DEADLINE_SECONDS": _DEADLINE_SECONDS},
            )
            found[name], _ = stack.enter_context(server)
        yield found


def _round(asker: Asker, texts: list[str]) -> dict[str, list[float]]:
    """Seconds by feature. The first search of a text embeds it, the others find its vector in the cache."""
    # Said or not, it is the same search; the response cache tells the two forms apart.
    embedding = Feature(EMBEDDED, {"neighbours": 0})
    seconds: dict[str, list[float]] = {
        EMBEDDED: [],
        SUGGEST: [],
        **{feature.name: [] for feature in FEATURES},
    }
    for number, text in enumerate(texts):
        seconds[EMBEDDED].append(asker.seconds(embedding, text))
        for feature in features.turn(number):
            seconds[feature.name].append(asker.seconds(feature, text))
        seconds[SUGGEST].append(asker.suggest_seconds(text))
    return seconds


def _compared(found: list[dict[str, list[float]]]) -> dict[str, Any]:
    """Of all rounds together, and how a feature's p50 stands to the plain search's round by round."""
    table: dict[str, Any] = {}
    plain = [_p50(one[PLAIN]) for one in found]
    for name in found[0]:
        own = [_p50(one[name]) for one in found]
        added = median(mine - others for mine, others in zip(own, plain, strict=True))
        times = asdict(latency([value for one in found for value in one[name]]))
        table[name] = times | {"added_p50_ms": round(added, 2), "p50_of_plain": rounds.ratios(own, plain)}
    return table


def _p50(seconds: list[float]) -> float:
    return percentile(seconds, 0.5) * 1000
