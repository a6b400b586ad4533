"""Starting and ending small real processes."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest

from embedded import processes
from embedded.exceptions import DataInUse
from embedded.processes import ProcessMark, end_leftover, spawn, stop, tail
from tests.embedded.programs import SLEEP, STUBBORN, python

PARENT = """
import subprocess, sys, time
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
print(child.pid, flush=True)
time.sleep(60)
"""


def until(condition: Callable[[], object], seconds: float = 10.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it did not come true in time"
        time.sleep(0.02)


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    process = spawn(python("sleeper", SLEEP))
    yield process
    stop(process, grace_s=1)


def test_output_goes_to_the_log(tmp_path: Path) -> None:
    log = tmp_path / "program.log"
    spawn(python("talker", "import sys; print('out'); print('err', file=sys.stderr)", log=log)).wait(20)
    assert sorted(log.read_text().split()) == ["err", "out"]


def test_a_log_that_has_grown_too_long_is_put_aside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log = tmp_path / "program.log"
    log.write_text("old " * 100)
    monkeypatch.setattr(processes, "_LOG_LIMIT_BYTES", 100)
    spawn(python("talker", "print('new')", log=log)).wait(20)
    assert log.read_text() == "new\n"
    assert (tmp_path / "program.log.1").exists()


def test_stop_ends_a_process_and_says_how(sleeper: subprocess.Popen[bytes]) -> None:
    stop(sleeper, grace_s=5)
    assert sleeper.returncode == -signal.SIGTERM


def test_stop_kills_what_does_not_listen(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = spawn(python("stubborn", STUBBORN, log=log))
    until(lambda: "ready" in log.read_text())
    began = time.monotonic()
    stop(process, grace_s=0.3)
    assert process.returncode == -signal.SIGKILL
    assert time.monotonic() - began < 5


def test_stop_takes_the_grandchildren_along(tmp_path: Path) -> None:
    log = tmp_path / "log"
    process = spawn(python("parent", PARENT, log=log))
    until(lambda: log.read_text().strip())
    grandchild = psutil.Process(int(log.read_text()))
    stop(process, grace_s=5)
    until(lambda: not grandchild.is_running() or grandchild.status() == psutil.STATUS_ZOMBIE)


def test_ctrl_c_does_not_reach_a_child(sleeper: subprocess.Popen[bytes]) -> None:
    assert os.getpgid(sleeper.pid) == sleeper.pid != os.getpgid(0)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux tells a child of its parent's death")
def test_no_orphan_stays_when_the_launcher_is_killed(tmp_path: Path) -> None:
    code = (
        "import time; from pathlib import Path; from tests.embedded.programs import SLEEP, python; "
        "from embedded.processes import spawn; "
        f"spawn(python('child', SLEEP, pid_file=Path({str(tmp_path / 'pid')!r}))); time.sleep(60)"
    )
    launcher = subprocess.Popen([sys.executable, "-c", code])
    until(lambda: ProcessMark.read(tmp_path / "pid"))
    mark = ProcessMark.read(tmp_path / "pid")
    assert mark is not None
    assert mark.process()
    launcher.kill()
    launcher.wait()
    until(lambda: mark.process() is None)


def test_a_mark_knows_its_process_from_another_with_the_same_number(sleeper: subprocess.Popen[bytes]) -> None:
    mark = ProcessMark.of(sleeper.pid)
    assert mark.process() is not None
    assert ProcessMark(mark.pid, mark.created_at - 100).process() is None


def test_a_stale_or_broken_pid_file_is_harmless(tmp_path: Path) -> None:
    pid_file = tmp_path / "pid"
    for content in ('{"pid": 999999999, "created_at": 1.0}', "half a fi", "[]"):
        pid_file.write_text(content)
        end_leftover(pid_file, folder=tmp_path, grace_s=1)
    end_leftover(tmp_path / "none", folder=tmp_path, grace_s=1)


def test_a_server_that_outlived_its_launcher_is_ended(
    tmp_path: Path, sleeper: subprocess.Popen[bytes]
) -> None:
    mark = ProcessMark.of(sleeper.pid)
    mark.write(tmp_path / "pid")
    end_leftover(tmp_path / "pid", folder=tmp_path, grace_s=5)
    assert mark.process() is None


def test_a_server_whose_launcher_lives_is_left_alone(tmp_path: Path) -> None:
    log = tmp_path / "log"
    launcher = spawn(python("launcher", PARENT, log=log))
    until(lambda: log.read_text().strip())
    ProcessMark.of(int(log.read_text())).write(tmp_path / "pid")
    with pytest.raises(DataInUse, match=rf"started by process {launcher.pid}.*already works on {tmp_path}"):
        end_leftover(tmp_path / "pid", folder=tmp_path, grace_s=1)
    stop(launcher, grace_s=5)


def test_tail_gives_the_last_lines_of_a_log(tmp_path: Path) -> None:
    (tmp_path / "log").write_text("\n".join(str(number) for number in range(100)))
    assert tail(tmp_path / "log", lines=2) == "98\n99"
    assert tail(tmp_path / "none") == ""
