"""Sends fuzzed requests to a running server from several clients, and says what must never be answered: a 5xx, a late
answer, an error that does not have the contract's shape."""

import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import orjson
import urllib3

from bench.clients import summary
from bench.fuzz_cases import JSON, Case
from embedded.measured import listening

MOST_SECONDS = 3.0
_SHOWN = 2000


@dataclass(frozen=True, slots=True)
class Answer:
    """What came back for a case. Status 0: nothing did."""

    case: Case
    status: int
    content_type: str
    body: bytes
    seconds: float


def problem(answer: Answer) -> str | None:
    """What is wrong with an answer; None when nothing is."""
    if answer.status == 0 or answer.status >= 500:
        return f"status {answer.status}: {answer.body[:_SHOWN]!r}"
    if answer.seconds > MOST_SECONDS:
        return f"{answer.seconds:.1f} s"
    if answer.status >= 400 and not _has_error_shape(answer):
        return f"status {answer.status} without the error's shape: {answer.body[:_SHOWN]!r}"
    return None


def _has_error_shape(answer: Answer) -> bool:
    """`{"code", "detail", "fields"?}`, `fields` being lists of messages by field."""
    try:
        said = orjson.loads(answer.body)
    except orjson.JSONDecodeError:
        return False
    if not answer.content_type.startswith(JSON) or not isinstance(said, dict):
        return False
    fields = said.get("fields", {})
    texts = [said.get("code"), said.get("detail"), *(text for told in fields.values() for text in told)]
    return set(said) <= {"code", "detail", "fields"} and all(isinstance(text, str) and text for text in texts)


def shown(case: Case) -> str:
    """A case as a person can read it."""
    body = case.body.decode("utf-8", "backslashreplace")
    return f"case {case.number}: {case.method} {case.path[:_SHOWN]} {body[:_SHOWN]}"


@dataclass
class Fuzzed:
    """What came of all cases: counts by status, times, and what was wrong by case."""

    statuses: Counter[int] = field(default_factory=Counter)
    codes: Counter[str] = field(default_factory=Counter)
    milliseconds: list[float] = field(default_factory=list)
    problems: list[tuple[Case, str]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def note(self, answer: Answer) -> str | None:
        """Counts an answer; what is wrong with it."""
        found = problem(answer)
        with self._lock:
            self.statuses[answer.status] += 1
            self.milliseconds.append(answer.seconds * 1000)
            if found:
                self.problems.append((answer.case, found))
            elif answer.status >= 400:
                self.codes[orjson.loads(answer.body)["code"]] += 1
        return found

    def figures(self) -> dict[str, Any]:
        return {
            "cases": sum(self.statuses.values()),
            "statuses": {str(status): count for status, count in sorted(self.statuses.items())},
            "error_codes": dict(self.codes.most_common()),
            "ms": summary(self.milliseconds),
            "problems": {str(case.number): told[:200] for case, told in self.problems},
        }


@dataclass(frozen=True)
class Target:
    """The server, and a key for each set of access groups."""

    url: str
    keys: Sequence[str]
    pool: urllib3.PoolManager

    def send(self, case: Case) -> Answer:
        headers = {"authorization": f"Bearer {self.keys[case.key]}", "content-type": case.content_type}
        started = time.perf_counter()
        try:
            got = self.pool.request(
                case.method, f"{self.url}{case.path}", body=case.body or None, headers=headers, retries=False
            )
        except urllib3.exceptions.HTTPError as error:
            return Answer(case, 0, "", repr(error).encode(), time.perf_counter() - started)
        seconds = time.perf_counter() - started
        return Answer(case, got.status, got.headers.get("content-type", ""), got.data, seconds)


def fuzz(
    cases: Iterator[Case], send: Callable[[Case], Answer], *, clients: int, told: Callable[[Case, str], None]
) -> Fuzzed:
    """Sends every case; `told` hears at once of each that is answered wrongly."""
    fuzzed = Fuzzed()
    lock = threading.Lock()

    def client() -> None:
        while (case := _next(cases, lock)) is not None:
            if found := fuzzed.note(send(case)):
                told(case, found)

    with ThreadPoolExecutor(clients) as pool:
        for future in [pool.submit(client) for _ in range(clients)]:
            future.result()
    return fuzzed


def _next(cases: Iterator[Case], lock: threading.Lock) -> Case | None:
    with lock:
        return next(cases, None)


@dataclass(frozen=True, slots=True)
class Engine:
    """Which process of OpenSearch answers, and since when: another one after the run means that it restarted."""

    pid: int | None
    started_ms: int


def engine(url: str, pool: urllib3.PoolManager) -> Engine:
    nodes = orjson.loads(pool.request("GET", f"{url}/_nodes/_local/jvm").data)["nodes"]
    [node] = nodes.values()
    process = listening(urlsplit(url).port)
    return Engine(process.pid if process else None, int(node["jvm"]["start_time_in_millis"]))
