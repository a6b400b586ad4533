"""`python -m embedded.up`: starts everything on this machine and keeps it up until Ctrl-C or `make down`.

What is independent starts at the same time. What a reader can mend ends with exit code 2 and the way out.
"""

import argparse
import hashlib
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import urllib.request
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import asdict, dataclass
from pathlib import Path

import environ

from embedded.assembly import Assembled, assemble
from embedded.exceptions import DataInUse, EmbeddedError, StartFailed
from embedded.figures import measure
from embedded.java import find_java
from embedded.opensearch import Node
from embedded.paths import Paths, checkout_paths
from embedded.ports import require_free
from embedded.processes import ProcessMark, tail
from embedded.programs import Programs, UpSettings, child_environment, read_settings
from embedded.services import RunningState, ServiceUrls, hold_data
from embedded.steps import Steps, in_background
from embedded.supervisor import Supervisor
from embedded.valkey import Valkey

CHECKOUT = Path(__file__).resolve().parent.parent
READY_TIMEOUT_S = 600.0
SAMPLE_TIMEOUT_S = 900.0
QUEUE_POLL_S = 2.0
EXIT_MENDABLE = 2
_SERVERS = ("opensearch", "valkey-queue", "valkey-cache")


@dataclass(frozen=True)
class _ReadyServer:
    """What the thread that looks for Java and assembles hands over."""

    java_home: Path
    assembled: Assembled


class Up:
    """One run: servers and programs are the supervisor's children, everything else is a step that ends."""

    def __init__(self, *, paths: Paths, settings: UpSettings, sample: bool) -> None:
        self._paths = paths
        self._settings = settings
        self._sample = sample
        self._began = time.monotonic()
        self._supervisor = Supervisor(say=self.say)
        self._steps = Steps(self._supervisor)
        self._owner = ProcessMark.of(os.getpid())
        self._downloaded_bytes = 0
        self._seconds_to_ready = 0.0

    def say(self, text: str) -> None:
        print(f"[{time.monotonic() - self._began:6.1f} s] {text}", flush=True)

    def bring_up(self) -> None:
        """Starts everything and returns when the sample documents can be searched."""
        settings, given = self._settings, self._settings.given
        require_free(settings.web_port, what="the web server", setting="WEB_PORT", host=settings.web_host)
        self._write_state(ServiceUrls())
        shutil.rmtree(self._paths.metrics, ignore_errors=True)  # counters of processes that are gone
        self._paths.metrics.mkdir()
        ready = None if given.opensearch_url else in_background(self._make_server_ready)
        redis_url, redis_cache_url = self._start_valkeys()
        early = self._programs(ServiceUrls("", redis_url, redis_cache_url))
        steps = [self._steps.begin(early.manage(name)) for name in ("migrate", "prepare_models")]
        node = self._start_node(ready) if ready else None
        for step in steps:
            self._steps.finish(step)
            self.say(f"{step.command.name} done")
        urls = ServiceUrls(node.url if node else given.opensearch_url, redis_url, redis_cache_url)
        programs = self._programs(urls)
        for command in (*programs.workers(settings.workers), programs.scheduler(), programs.web(settings)):
            self._supervisor.start(command)
        self._write_state(urls)
        self._wait_for_servers(node)
        if not self._demo_is_loaded():
            self._load_demo(programs)
        self._seconds_to_ready = time.monotonic() - self._began

    def watch(self) -> None:
        """Keeps the children running, for ever."""
        self._steps.wait_until(lambda: False)

    def report(self, json_file: Path | None) -> None:
        """Shows the addresses at once and, when the system has come to rest, what it costs."""
        url = self._settings.web_url
        print(f"\nReady in {self._seconds_to_ready:.1f} s\n\nSearch page  {url}/\nAdmin        {url}/admin/")
        print(f"API          {url}/api/docs/\nLogs         {self._paths.logs}")
        print("\nCtrl-C or `make down` stops everything.\n", flush=True)
        self._steps.pause(3.0)
        figures = measure(
            paths=self._paths,
            pids=self._supervisor.pids(),
            seconds_to_ready=self._seconds_to_ready,
            downloaded_bytes=self._downloaded_bytes,
        )
        print(*figures.lines(), sep="\n", flush=True)
        if json_file is not None:
            json_file.write_text(json.dumps(asdict(figures), indent=1) + "\n")

    def stop(self) -> None:
        """Ends everything within about 15 s: first what takes work, then the servers."""
        self._steps.stop()
        programs = [name for name in self._supervisor.names() if name not in _SERVERS]
        self._supervisor.stop([(programs, 7.0), (_SERVERS, 6.0)])
        self._paths.state_file.unlink(missing_ok=True)

    def _start_valkeys(self) -> tuple[str, str]:
        given, paths = self._settings.given, self._paths
        queue = given.redis_url or self._start_valkey(Valkey(data_dir=paths.valkey_queue, role="queue"))
        cache = given.redis_cache_url or self._start_valkey(Valkey(data_dir=paths.valkey_cache, role="cache"))
        return queue, cache

    def _start_valkey(self, valkey: Valkey) -> str:
        valkey.wait_until_ready(self._supervisor.start(valkey.command()))
        return valkey.url

    def _make_server_ready(self) -> _ReadyServer:
        java = find_java(os.environ, download_into=self._paths.cache / "jdk")
        self.say(f"Java {java.version} in {java.home}")
        return _ReadyServer(java.home, assemble(self._paths.cache, java_home=java.home, progress=self.say))

    def _start_node(self, ready: Future[_ReadyServer]) -> Node:
        self._steps.wait_until(ready.done)
        server = ready.result()
        self._downloaded_bytes = server.assembled.downloaded_bytes
        node = Node(
            home=server.assembled.home,
            data_dir=self._paths.opensearch,
            port=self._settings.opensearch_port,
            heap=self._settings.opensearch_heap,
            java_home=server.java_home,
        )
        self._supervisor.start(node.command())
        self.say("OpenSearch is starting (20 to 50 s)")
        return node

    def _wait_for_servers(self, node: Node | None) -> None:
        if node is not None:
            node.wait_until_ready(self._supervisor.process("opensearch"), between=self._supervisor.tick)
            self.say(f"OpenSearch serves at {node.url}")
        try:
            self._steps.wait_until(self._web_is_ready, timeout_s=READY_TIMEOUT_S)
        except TimeoutError:
            log = self._paths.logs / "web.log"
            raise StartFailed(
                f"{self._settings.web_url}/readyz was not ready within {READY_TIMEOUT_S:.0f} s. "
                f"The last lines of {log}:\n{tail(log)}"
            ) from None
        self.say("the web server is ready")

    def _web_is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"{self._settings.web_url}/readyz", timeout=5) as answer:  # noqa: S310
                return bool(answer.status == 200)
        except OSError:
            return False

    @property
    def _demo_mark(self) -> Path:
        """Says that the demo is loaded; named by the database, since DATABASE_URL may name another."""
        database = hashlib.sha256(os.environ.get("DATABASE_URL", "").encode()).hexdigest()[:8]
        return self._paths.data / f"demo-{'sample' if self._sample else 'empty'}-{database}"

    def _demo_is_loaded(self) -> bool:
        return self._demo_mark.exists()

    def _load_demo(self, programs: Programs) -> None:
        options = () if self._sample else ("--no-sample",)
        self._steps.finish(self._steps.begin(programs.manage("bootstrap_demo", *options, to_console=True)))
        if self._sample:
            self._wait_for_sample(programs)
        self._demo_mark.touch()

    def _wait_for_sample(self, programs: Programs) -> None:
        deadline = time.monotonic() + SAMPLE_TIMEOUT_S
        shown = 0
        while waiting := self._open_work(programs):
            if time.monotonic() > deadline:
                raise StartFailed(
                    f"{waiting} documents and syncs were not done in {SAMPLE_TIMEOUT_S / 60:.0f} minutes. "
                    f"See {self._paths.logs / 'worker-1.log'}, and the tasks in the admin."
                )
            if waiting != shown:
                self.say(f"{waiting} documents and syncs still to do")
                shown = waiting
            self._steps.pause(QUEUE_POLL_S)

    def _open_work(self, programs: Programs) -> int:
        with tempfile.TemporaryDirectory() as folder:
            answer = Path(folder) / "queue.json"
            self._steps.finish(self._steps.begin(programs.manage("queue", "--json", str(answer))))
            figures = json.loads(answer.read_text())
        open_tasks = sum(int(figures["tasks"].get(state, 0)) for state in ("pending", "running"))
        return open_tasks + len(figures["syncs"])

    def _programs(self, urls: ServiceUrls) -> Programs:
        return Programs(CHECKOUT, self._paths, child_environment(os.environ, paths=self._paths, urls=urls))

    def _write_state(self, urls: ServiceUrls) -> None:
        state = RunningState(self._owner, urls, self._settings.web_url, self._supervisor.pids())
        state.write(self._paths.state_file)


def run(*, paths: Paths, settings: UpSettings, sample: bool, json_file: Path | None) -> None:
    """Until KeyboardInterrupt, which is also what SIGTERM becomes. Raises EmbeddedError."""
    up = Up(paths=paths, settings=settings, sample=sample)
    try:
        up.bring_up()
        up.report(json_file)
        up.watch()
    finally:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        up.say("stopping")
        up.stop()
        up.say("everything is stopped; the data is kept")


def main(argv: Sequence[str] | None = None) -> int:
    options = _parse(argv)
    environ.Env.read_env(CHECKOUT / ".env")
    os.umask(0o077)
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    paths = checkout_paths(CHECKOUT)
    try:
        if running := RunningState.read(paths.state_file):
            raise DataInUse(
                f"`make up` already runs, at {running.web_url} (process {running.owner.pid}). "
                "`make down` ends it."
            )
        with hold_data(paths):
            run(
                paths=paths, settings=read_settings(os.environ), sample=options.sample, json_file=options.json
            )
    except EmbeddedError as error:
        print(f"\n{error}", file=sys.stderr)
        return EXIT_MENDABLE
    except KeyboardInterrupt:
        return 0
    return 0


def _parse(argv: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m embedded.up", description=__doc__)
    parser.add_argument("--no-sample", dest="sample", action="store_false", help="load no sample documents")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures of the start there")
    return parser.parse_args(argv)


if __name__ == "__main__":
    sys.exit(main())
