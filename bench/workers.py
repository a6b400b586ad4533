"""Real workers for a measurement, as `make up` runs them: processes of their own, each with its parser's process."""

import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from subprocess import Popen

import psutil
from django.conf import settings

from embedded.exceptions import EmbeddedError
from embedded.measured import peak_bytes, python, started
from embedded.processes import Command, tail
from embedded.programs import model_threads
from embedded.services import ServiceUrls

_POLL_SECONDS = 0.25
_START_SECONDS = 120.0
_PARSER = "ingestion.parsers.child"


def worker_commands(
    count: int, urls: ServiceUrls, *, extra: Mapping[str, str] | None = None
) -> list[Command]:
    """`manage.py worker`, `count` times, the cores shared among them."""
    environment = {"SEARCH_MODEL_THREADS": str(model_threads(count)), **(extra or {})}
    return [
        python(
            f"bench-worker-{number}",
            "manage.py",
            "worker",
            checkout=Path(settings.BASE_DIR),
            paths=settings.PATHS,
            urls=urls,
            extra=environment,
        )
        for number in range(1, count + 1)
    ]


@dataclass
class Workers:
    """Started together; remembers the most memory that each kind of process took."""

    commands: list[Command]
    processes: list[Popen[bytes]] = field(default_factory=list)
    peaks: dict[str, int] = field(default_factory=lambda: {"worker": 0, "parser": 0})
    _found: dict[int, list[psutil.Process]] = field(default_factory=dict)

    @contextmanager
    def running(self) -> Iterator[None]:
        """All started, with their parsers loaded."""
        with ExitStack() as stack:
            self.processes = [stack.enter_context(started(command)) for command in self.commands]
            deadline = time.monotonic() + _START_SECONDS
            while not all(self._parsers(process) for process in self.processes):
                self.check()
                if time.monotonic() > deadline:
                    raise EmbeddedError("The workers did not start.")
                time.sleep(_POLL_SECONDS)
            yield

    def check(self) -> None:
        """Note the memory; a worker that has died ends the measurement."""
        for process, command in zip(self.processes, self.commands, strict=True):
            if process.poll() is not None:
                end_of_log = tail(command.log) if command.log else ""
                raise EmbeddedError(f"{command.name} ended. The end of its log:\n{end_of_log}")
            self._note("worker", peak_bytes(psutil.Process(process.pid)))
            for parser in self._parsers(process):
                self._note("parser", peak_bytes(parser))

    def _note(self, kind: str, size: int) -> None:
        self.peaks[kind] = max(self.peaks[kind], size)

    def _parsers(self, process: Popen[bytes]) -> list[psutil.Process]:
        """Looked for only where the one that was found is gone: that reads every process of the machine."""
        known = self._found.get(process.pid, [])
        if not known or not all(parser.is_running() for parser in known):
            try:
                children = psutil.Process(process.pid).children()
                known = [child for child in children if _PARSER in child.cmdline()]
            except psutil.NoSuchProcess:
                known = []
            self._found[process.pid] = known
        return known
