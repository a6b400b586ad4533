"""Restart and stop of small real processes, under a clock that the test moves."""

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded.supervisor import LONGEST_BACKOFF_S, STEADY_AFTER_S, Supervisor
from tests.embedded.programs import DIE, SLEEP, STUBBORN, python
from tests.embedded.test_processes import until


class FakeClock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.fixture
def supervisor(clock: FakeClock, said: list[str]) -> Iterator[Supervisor]:
    supervisor = Supervisor(say=said.append, clock=clock)
    yield supervisor
    supervisor.clock = time.monotonic
    supervisor.stop([])


def notice_death(supervisor: Supervisor, name: str) -> None:
    supervisor.process(name).wait(20)
    supervisor.tick()


def test_a_killed_child_is_started_again_after_a_second(
    supervisor: Supervisor, clock: FakeClock, said: list[str]
) -> None:
    first = supervisor.start(python("worker", SLEEP))
    first.kill()
    notice_death(supervisor, "worker")
    assert supervisor.pids() == {}
    clock.now += 0.9
    supervisor.tick()
    assert supervisor.pids() == {}
    clock.now += 0.2
    supervisor.tick()
    assert supervisor.pids()["worker"] != first.pid
    assert said[0] == "worker ended (signal SIGKILL); starting it again in 1 s"
    assert said[1].startswith("worker started again")


def test_a_child_that_keeps_dying_is_started_ever_more_rarely(
    supervisor: Supervisor, clock: FakeClock, said: list[str]
) -> None:
    supervisor.start(python("worker", DIE))
    for _ in range(7):
        notice_death(supervisor, "worker")
        clock.now += LONGEST_BACKOFF_S
        supervisor.tick()
    waits = [int(line.split(" in ")[1].split()[0]) for line in said if "ended" in line]
    assert waits == [1, 2, 4, 8, 16, 30, 30]
    assert "exit code 3" in said[0]


def test_a_child_that_lived_for_long_is_started_again_soon(
    supervisor: Supervisor, clock: FakeClock, said: list[str]
) -> None:
    supervisor.start(python("worker", DIE))
    for _ in range(3):
        notice_death(supervisor, "worker")
        clock.now += LONGEST_BACKOFF_S
        supervisor.tick()
    clock.now += STEADY_AFTER_S
    notice_death(supervisor, "worker")
    assert said[-1].endswith("in 1 s")


def test_a_death_names_the_log(supervisor: Supervisor, said: list[str], tmp_path: Path) -> None:
    supervisor.start(python("worker", DIE, log=tmp_path / "worker.log"))
    notice_death(supervisor, "worker")
    assert said[0].endswith(f"its log: {tmp_path / 'worker.log'}")


def test_stop_ends_stage_by_stage_and_kills_what_stays(tmp_path: Path) -> None:
    supervisor = Supervisor(say=lambda text: None)
    log = tmp_path / "log"
    worker = supervisor.start(python("worker", STUBBORN, log=log))
    server = supervisor.start(python("server", SLEEP))
    until(lambda: "ready" in log.read_text())
    began = time.monotonic()
    supervisor.stop([(["worker"], 0.3), (["server"], 5.0)])
    assert (worker.returncode, server.returncode) == (-signal.SIGKILL, -signal.SIGTERM)
    assert time.monotonic() - began < 5
    assert supervisor.names() == []


def test_stop_ends_a_child_that_is_in_no_stage_and_one_that_is_dead_already() -> None:
    supervisor = Supervisor(say=lambda text: None)
    dead = supervisor.start(python("dead", DIE))
    dead.wait(20)
    alive = supervisor.start(python("alive", SLEEP))
    supervisor.stop([(["dead", "unknown"], 1.0)])
    assert alive.returncode == -signal.SIGTERM
    assert supervisor.names() == []


def test_a_name_is_given_once(supervisor: Supervisor) -> None:
    supervisor.start(python("worker", SLEEP))
    with pytest.raises(ValueError, match="worker already"):
        supervisor.start(python("worker", SLEEP))
