"""Waiting in one thread: for commands that end by themselves, for a condition, for work in the background.

While it waits, the supervisor's children are looked after.
"""

import subprocess
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import TypeVar

from embedded.exceptions import StartFailed
from embedded.processes import Command, spawn, stop, tail
from embedded.supervisor import Supervisor

TICK_S = 0.2
Result = TypeVar("Result")


@dataclass(frozen=True)
class Step:
    command: Command
    process: subprocess.Popen[bytes]


@dataclass
class Steps:
    supervisor: Supervisor
    _running: list[Step] = field(default_factory=list)

    def begin(self, command: Command) -> Step:
        step = Step(command, spawn(command))
        self._running.append(step)
        return step

    def finish(self, step: Step) -> None:
        """Waits for the step. Raises StartFailed with the end of its log when it failed."""
        self.wait_until(lambda: step.process.poll() is not None)
        self._running.remove(step)
        if step.process.returncode != 0:
            log = step.command.log
            end = f" The last lines of {log}:\n{tail(log)}" if log else ""
            raise StartFailed(f"`manage.py {step.command.name}` failed ({step.process.returncode}).{end}")

    def wait_until(self, condition: Callable[[], bool], *, timeout_s: float | None = None) -> None:
        """Raises TimeoutError when the condition does not come true in time; None waits for ever."""
        deadline = None if timeout_s is None else time.monotonic() + timeout_s
        while not condition():
            if deadline is not None and time.monotonic() > deadline:
                raise TimeoutError
            self.supervisor.tick()
            time.sleep(TICK_S)

    def pause(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        self.wait_until(lambda: time.monotonic() >= end)

    def stop(self) -> None:
        """Ends the steps that still run."""
        for step in self._running:
            stop(step.process, grace_s=2.0)
        self._running.clear()


def in_background(work: Callable[[], Result]) -> Future[Result]:
    """Runs the work in a thread that does not keep the program alive. Its children must not outlive it."""
    future: Future[Result] = Future()

    def run() -> None:
        try:
            future.set_result(work())
        except BaseException as error:  # carried to whoever asks for the result
            future.set_exception(error)

    threading.Thread(target=run, daemon=True).start()
    return future
