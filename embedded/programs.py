"""What `make up` runs besides the servers: its settings, read from the environment once, and each command."""

import os
import sys
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from embedded.exceptions import EmbeddedError
from embedded.paths import Paths
from embedded.processes import Command
from embedded.services import ServiceUrls

# While one parses or writes, the other embeds: the cores are then never idle.
DEFAULT_WORKERS = min(2, os.cpu_count() or 1)
# One interpreter answers no more than a core lets it; equal questions are answered once for all of them.
DEFAULT_WEB_PROCESSES = min(2, os.cpu_count() or 1)


def model_threads(workers: int) -> int:
    """Each worker's share of the cores: what embeds passages is busy with nothing else."""
    return max(1, (os.cpu_count() or 1) // workers)


@dataclass(frozen=True)
class UpSettings:
    """`given` are the servers that the environment names; port 0 takes a free one."""

    given: ServiceUrls
    web_host: str = "127.0.0.1"
    web_port: int = 8000
    web_processes: int = DEFAULT_WEB_PROCESSES
    workers: int = DEFAULT_WORKERS
    opensearch_port: int = 0
    opensearch_heap: str = "1g"

    @property
    def web_url(self) -> str:
        host = "127.0.0.1" if self.web_host in ("0.0.0.0", "::") else self.web_host  # noqa: S104
        return f"http://{host}:{self.web_port}"


def read_settings(environ: Mapping[str, str]) -> UpSettings:
    """Raises EmbeddedError for a number that is none."""
    return UpSettings(
        given=ServiceUrls(
            opensearch_url=environ.get("OPENSEARCH_URL", ""),
            redis_url=environ.get("REDIS_URL", ""),
            redis_cache_url=environ.get("REDIS_CACHE_URL", ""),
        ),
        web_host=environ.get("WEB_HOST", "127.0.0.1"),
        web_port=_number(environ, "WEB_PORT", 8000),
        web_processes=_number(environ, "WEB_PROCESSES", DEFAULT_WEB_PROCESSES),
        workers=_number(environ, "WORKERS", DEFAULT_WORKERS),
        opensearch_port=_number(environ, "OPENSEARCH_PORT", 0),
        opensearch_heap=environ.get("OPENSEARCH_HEAP", "1g"),
    )


def _number(environ: Mapping[str, str], name: str, default: int) -> int:
    try:
        return int(environ.get(name) or default)
    except ValueError:
        raise EmbeddedError(f"{name} is {environ[name]!r}; it must be a whole number.") from None


@dataclass(frozen=True)
class Programs:
    """The commands of one checkout, all with the same environment."""

    checkout: Path
    paths: Paths
    env: Mapping[str, str]

    def manage(self, name: str, *arguments: str, to_console: bool = False) -> Command:
        """A manage.py command; `to_console` for one that prints what is for the reader alone."""
        log = None if to_console else self.paths.logs / f"{name}.log"
        return self._python(name, str(self.checkout / "manage.py"), name, *arguments, log=log)

    def workers(self, count: int) -> list[Command]:
        workers = replace(self, env={"SEARCH_MODEL_THREADS": str(model_threads(count)), **self.env})
        script = str(self.checkout / "manage.py")
        names = [f"worker-{number}" for number in range(1, count + 1)]
        return [
            workers._python(  # noqa: SLF001  its own kind
                name, script, "worker", log=self.paths.logs / f"{name}.log"
            )
            for name in names
        ]

    def scheduler(self) -> Command:
        return self.manage("scheduler")

    def web(self, settings: UpSettings) -> Command:
        """One ASGI server for pages, search and streams; in production they are two, behind nginx."""
        listen = ("--host", settings.web_host, "--port", str(settings.web_port))
        processes = ("--workers", str(settings.web_processes))
        quiet = ("--no-access-log", "--timeout-graceful-shutdown", "5")
        application = "ragsite.asgi:application"
        return self._python(
            "web", "-m", "uvicorn", application, *listen, *processes, *quiet, log=self.paths.logs / "web.log"
        )

    def _python(self, name: str, *arguments: str, log: Path | None) -> Command:
        return Command(name, (sys.executable, *arguments), env=self.env, cwd=self.checkout, log=log)


def child_environment(environ: Mapping[str, str], *, paths: Paths, urls: ServiceUrls) -> dict[str, str]:
    """The environment with the servers named, so that a child never has to look for them."""
    return {
        **environ,
        "RAGSITE_DATA_DIR": str(paths.data),
        "OPENSEARCH_URL": urls.opensearch_url,
        "REDIS_URL": urls.redis_url,
        "REDIS_CACHE_URL": urls.redis_cache_url,
        "PROMETHEUS_MULTIPROC_DIR": str(paths.metrics),
        "PYTHONUNBUFFERED": "1",
    }
