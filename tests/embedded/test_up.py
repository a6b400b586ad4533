"""`make up` and `make down` as commands, as far as they go without a node."""

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from embedded.down import bring_down
from embedded.exceptions import EmbeddedError
from embedded.paths import Paths
from embedded.processes import ProcessMark, spawn, stop
from embedded.programs import Programs, child_environment, read_settings
from embedded.services import RunningState, ServiceUrls
from tests.embedded.programs import SLEEP, python

URLS = ServiceUrls("http://127.0.0.1:1", "unix:///queue", "unix:///cache")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(cache=tmp_path / "cache", data=tmp_path / "data")
    paths.create()
    return paths


def run_up(data: Path, **environ: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "embedded.up"],
        env={**os.environ, "RAGSITE_DATA_DIR": str(data), **environ},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def test_a_web_port_in_use_ends_it_with_code_2_and_the_way_out(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        done = run_up(tmp_path / "data", WEB_PORT=str(port))
    assert done.returncode == 2
    assert f"Port {port}" in done.stderr
    assert "WEB_PORT=" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_setting_that_is_no_number_is_named(tmp_path: Path) -> None:
    done = run_up(tmp_path / "data", WORKERS="many")
    assert done.returncode == 2
    assert "WORKERS is 'many'" in done.stderr


def test_a_second_make_up_says_where_the_first_runs(paths: Paths) -> None:
    first = spawn(python("make up", SLEEP))
    RunningState(ProcessMark.of(first.pid), URLS, "http://127.0.0.1:8123").write(paths.state_file)
    done = run_up(paths.data)
    stop(first, grace_s=2)
    assert done.returncode == 2
    assert "already runs, at http://127.0.0.1:8123" in done.stderr


def test_down_ends_the_owner(paths: Paths) -> None:
    owner = spawn(python("make up", SLEEP))
    mark = ProcessMark.of(owner.pid)
    RunningState(mark, URLS).write(paths.state_file)
    assert bring_down(paths) == "Stopped; the data is kept."
    assert mark.process() is None
    owner.wait(5)


def test_down_has_nothing_to_do_where_nothing_runs(paths: Paths) -> None:
    assert bring_down(paths) == "Nothing runs."


def test_children_get_the_servers_by_name(paths: Paths) -> None:
    env = child_environment({"PATH": "/bin", "REDIS_URL": "redis://other"}, paths=paths, urls=URLS)
    assert env["REDIS_URL"] == "unix:///queue"
    assert env["OPENSEARCH_URL"] == "http://127.0.0.1:1"
    assert env["RAGSITE_DATA_DIR"] == str(paths.data)
    assert env["PATH"] == "/bin"


def test_each_worker_has_a_name_and_a_log_of_its_own(paths: Paths) -> None:
    workers = Programs(Path("/checkout"), paths, {}).workers(2)
    assert [worker.name for worker in workers] == ["worker-1", "worker-2"]
    assert {worker.log for worker in workers} == {paths.logs / "worker-1.log", paths.logs / "worker-2.log"}


def test_what_is_for_the_reader_alone_goes_into_no_log(paths: Paths) -> None:
    programs = Programs(Path("/checkout"), paths, {})
    assert programs.manage("bootstrap_demo", to_console=True).log is None
    assert programs.manage("migrate").log == paths.logs / "migrate.log"


def test_the_web_server_is_asked_at_an_address_that_answers(paths: Paths) -> None:
    settings = read_settings({"WEB_HOST": "0.0.0.0", "WEB_PORT": "9000"})
    assert settings.web_url == "http://127.0.0.1:9000"
    assert Programs(Path("/checkout"), paths, {}).web(settings).argv[4:6] == ("--host", "0.0.0.0")


def test_the_web_server_has_so_many_processes_as_are_named(paths: Paths) -> None:
    web = Programs(Path("/checkout"), paths, {}).web(read_settings({"WEB_PROCESSES": "3"}))
    assert web.argv[web.argv.index("--workers") + 1] == "3"


def test_settings_name_the_number_that_is_none() -> None:
    with pytest.raises(EmbeddedError, match="WEB_PORT is 'http'"):
        read_settings({"WEB_PORT": "http"})
