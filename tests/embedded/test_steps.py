import time
from pathlib import Path

import pytest

from embedded.exceptions import StartFailed
from embedded.steps import Steps, in_background
from embedded.supervisor import Supervisor
from tests.embedded.programs import SLEEP, python


@pytest.fixture
def steps() -> Steps:
    return Steps(Supervisor(say=lambda text: None))


def test_a_failed_step_shows_the_end_of_its_log(steps: Steps, tmp_path: Path) -> None:
    step = steps.begin(python("migrate", "raise SystemExit('no such table')", log=tmp_path / "log"))
    with pytest.raises(StartFailed, match=r"`manage.py migrate` failed \(1\).*\nno such table"):
        steps.finish(step)


def test_children_are_looked_after_while_a_step_runs(steps: Steps) -> None:
    child = steps.supervisor.start(python("worker", SLEEP))
    child.kill()
    steps.finish(steps.begin(python("migrate", "import time; time.sleep(0.6)")))
    assert steps.supervisor.pids() == {}
    steps.supervisor.stop([])


def test_stop_ends_the_steps_that_still_run(steps: Steps) -> None:
    step = steps.begin(python("migrate", SLEEP))
    steps.stop()
    assert step.process.returncode is not None


def test_waiting_has_an_end(steps: Steps) -> None:
    with pytest.raises(TimeoutError):
        steps.wait_until(lambda: False, timeout_s=0.1)


def test_background_work_hands_over_its_result_or_its_error() -> None:
    def fail() -> None:
        raise StartFailed("no Java")

    assert in_background(lambda: 42).result(5) == 42
    with pytest.raises(StartFailed, match="no Java"):
        in_background(fail).result(5)


def test_background_work_does_not_keep_the_caller_waiting() -> None:
    began = time.monotonic()
    assert not in_background(lambda: time.sleep(1)).done()
    assert time.monotonic() - began < 0.5
