"""Keeps named child processes running: one that dies is started again, all end in order.

One thread: call `tick()` some times a second, from the main thread (a child ends with its starter's thread).
"""

import signal
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from embedded.processes import Command, spawn, wait_then_kill

FIRST_BACKOFF_S = 1.0
LONGEST_BACKOFF_S = 30.0
STEADY_AFTER_S = 60.0


@dataclass
class _Child:
    command: Command
    process: subprocess.Popen[bytes]
    started_at: float
    backoff_s: float = FIRST_BACKOFF_S
    restart_at: float | None = None


@dataclass
class Supervisor:
    """`say` is told of every death and restart."""

    say: Callable[[str], None]
    clock: Callable[[], float] = time.monotonic
    _children: dict[str, _Child] = field(default_factory=dict)

    def start(self, command: Command) -> subprocess.Popen[bytes]:
        """Starts a child; names are unique. It is watched from now on."""
        if command.name in self._children:
            raise ValueError(f"There is a child named {command.name} already")
        process = spawn(command)
        self._children[command.name] = _Child(command, process, self.clock())
        return process

    def pids(self) -> dict[str, int]:
        """The children that run now."""
        return {name: child.process.pid for name, child in self._children.items() if child.restart_at is None}

    def names(self) -> list[str]:
        return list(self._children)

    def process(self, name: str) -> subprocess.Popen[bytes]:
        """The latest process of a child."""
        return self._children[name].process

    def tick(self) -> None:
        """Notices deaths and starts again what is due."""
        for child in self._children.values():
            self._look_after(child)

    def stop(self, stages: Sequence[tuple[Sequence[str], float]]) -> None:
        """Ends the named children stage by stage, each with its grace in seconds; then those in no stage.

        Within a stage all are asked at once. What is left after the grace is killed with its whole group.
        """
        named = {name for names, _ in stages for name in names}
        rest = [name for name in self._children if name not in named]
        for names, grace_s in [(rest, 3.0), *stages]:
            self._stop_together(
                [self._children.pop(name) for name in names if name in self._children], grace_s
            )

    def _stop_together(self, children: Sequence[_Child], grace_s: float) -> None:
        for child in children:
            if child.process.poll() is None:
                child.process.send_signal(signal.SIGTERM)
        deadline = self.clock() + grace_s
        for child in children:
            wait_then_kill(child.process, grace_s=deadline - self.clock())

    def _look_after(self, child: _Child) -> None:
        now = self.clock()
        if child.restart_at is None:
            self._notice_death(child, now)
        elif now >= child.restart_at:
            child.process = spawn(child.command)
            child.started_at, child.restart_at = now, None
            self.say(f"{child.command.name} started again (process {child.process.pid})")

    def _notice_death(self, child: _Child, now: float) -> None:
        code = child.process.poll()
        if code is None:
            return
        wait_then_kill(child.process, grace_s=0)  # what it left in its group
        if now - child.started_at >= STEADY_AFTER_S:
            child.backoff_s = FIRST_BACKOFF_S
        child.restart_at = now + child.backoff_s
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        log = f"; its log: {child.command.log}" if child.command.log else ""
        self.say(f"{child.command.name} ended ({how}); starting it again in {child.backoff_s:.0f} s{log}")
        child.backoff_s = min(child.backoff_s * 2, LONGEST_BACKOFF_S)
