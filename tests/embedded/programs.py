"""Small real programs for these tests, as argument lists of a Python."""

import sys
from pathlib import Path

from embedded.processes import Command


def python(name: str, code: str, *, log: Path | None = None, pid_file: Path | None = None) -> Command:
    return Command(name, (sys.executable, "-c", code), log=log, pid_file=pid_file)


SLEEP = "import time; time.sleep(60)"
STUBBORN = """
import signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(60)
"""
DIE = "raise SystemExit(3)"
