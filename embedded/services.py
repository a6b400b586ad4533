"""Which OpenSearch and Redis a command uses: those of the environment, of a running `make up`, or its own.

The lock on the data folder is held by whoever runs servers on it, so that two never do.
"""

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path

from embedded.exceptions import DataInUse
from embedded.locks import held
from embedded.paths import Paths
from embedded.processes import ProcessMark

LOCK_WAIT_S = 5.0


@dataclass(frozen=True)
class ServiceUrls:
    """Where the servers answer; "" for one that was not asked for."""

    opensearch_url: str = ""
    redis_url: str = ""
    redis_cache_url: str = ""


@dataclass(frozen=True)
class RunningState:
    """What a running `make up` tells others, in `state.json` of the data folder."""

    owner: ProcessMark
    urls: ServiceUrls
    web_url: str = ""
    children: Mapping[str, int] = field(default_factory=dict)

    def write(self, path: Path) -> None:
        beside = path.with_suffix(".new")
        beside.write_text(json.dumps(asdict(self), indent=1))
        beside.chmod(0o600)
        beside.replace(path)

    @classmethod
    def read(cls, path: Path) -> "RunningState | None":
        """The state of an owner that still runs; None for none, a half-written one or a dead one's."""
        try:
            stored = json.loads(path.read_text())
            state = cls(
                owner=ProcessMark(**stored["owner"]),
                urls=ServiceUrls(**stored["urls"]),
                web_url=stored["web_url"],
                children=stored["children"],
            )
        except (OSError, ValueError, TypeError, KeyError):
            return None
        return state if state.owner.process() else None


def running_services(paths: Paths) -> ServiceUrls | None:
    """The servers of a running `make up`. It restarts one that dies, so its life, not theirs, decides."""
    state = RunningState.read(paths.state_file)
    return state.urls if state else None


@contextmanager
def ensure_services(
    paths: Paths, *, opensearch: bool = True, redis: bool = True, environ: Mapping[str, str] | None = None
) -> Iterator[ServiceUrls]:
    """Gives the servers asked for; embedded ones that it has to start are stopped at the end.

    Raises children of EmbeddedError (no Java, no disk, data in use …). Call it in the main thread.
    """
    environ = os.environ if environ is None else environ
    known = _known(paths, environ)
    with ExitStack() as stack:
        start_opensearch = opensearch and not known.opensearch_url
        start_queue = redis and not known.redis_url
        start_cache = redis and not known.redis_cache_url
        if start_opensearch or start_queue or start_cache:
            stack.enter_context(hold_data(paths))
        yield ServiceUrls(
            opensearch_url=_start_node(stack, paths, environ) if start_opensearch else known.opensearch_url,
            redis_url=_start_valkey(stack, paths.valkey_queue, "queue") if start_queue else known.redis_url,
            redis_cache_url=_start_valkey(stack, paths.valkey_cache, "cache")
            if start_cache
            else known.redis_cache_url,
        )


@contextmanager
def hold_data(paths: Paths) -> Iterator[None]:
    """The lock of the data folder, released by the system when its holder dies. Raises DataInUse."""
    paths.create()
    with ExitStack() as stack:
        try:
            stack.enter_context(held(paths.lock_file, wait_s=LOCK_WAIT_S))
        except TimeoutError as error:
            raise DataInUse(
                f"Another command, or a `make up` that is just starting, works on {paths.data}. Wait for it, "
                "stop it (make down), or use another place: RAGSITE_DATA_DIR=/some/folder."
            ) from error
        yield


def _known(paths: Paths, environ: Mapping[str, str]) -> ServiceUrls:
    """The environment's word goes before a running `make up`'s, one by one."""
    running = running_services(paths) or ServiceUrls()
    return ServiceUrls(
        opensearch_url=environ.get("OPENSEARCH_URL") or running.opensearch_url,
        redis_url=environ.get("REDIS_URL") or running.redis_url,
        redis_cache_url=environ.get("REDIS_CACHE_URL") or running.redis_cache_url,
    )


def _start_node(stack: ExitStack, paths: Paths, environ: Mapping[str, str]) -> str:
    from embedded.assembly import assemble  # these load slowly, and settings import this module
    from embedded.java import find_java
    from embedded.opensearch import Node

    java = find_java(environ, download_into=paths.cache / "jdk")
    assembled = assemble(paths.cache, java_home=java.home, progress=_say)
    heap = environ.get("OPENSEARCH_HEAP", "1g")
    node = Node(home=assembled.home, data_dir=paths.opensearch, heap=heap, java_home=java.home)
    return stack.enter_context(node).url


def _start_valkey(stack: ExitStack, folder: Path, role: str) -> str:
    from embedded.valkey import Valkey

    return stack.enter_context(Valkey(data_dir=folder, role="queue" if role == "queue" else "cache")).url


def _say(text: str) -> None:
    import sys

    print(text, file=sys.stderr, flush=True)
