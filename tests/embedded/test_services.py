"""Which servers a command gets. Started ones are real Valkeys; OpenSearch is always given here."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded import services
from embedded.exceptions import DataInUse
from embedded.paths import Paths
from embedded.processes import ProcessMark, spawn, stop
from embedded.services import RunningState, ServiceUrls, ensure_services, hold_data, running_services
from embedded.valkey import answers
from tests.embedded.programs import SLEEP, python

URLS = ServiceUrls("http://127.0.0.1:1", "unix:///queue", "unix:///cache")


@pytest.fixture
def paths(tmp_path: Path) -> Paths:
    paths = Paths(cache=tmp_path / "cache", data=tmp_path / "data")
    paths.create()
    return paths


@pytest.fixture
def owner() -> Iterator[subprocess.Popen[bytes]]:
    process = spawn(python("make up", SLEEP))
    yield process
    stop(process, grace_s=2)


def write_state(paths: Paths, owner: subprocess.Popen[bytes]) -> None:
    RunningState(ProcessMark.of(owner.pid), URLS, "http://127.0.0.1:8000", {"web": 1}).write(paths.state_file)


def test_nothing_runs_where_nothing_was_started(paths: Paths) -> None:
    assert running_services(paths) is None


def test_the_servers_of_a_running_make_up_are_used(paths: Paths, owner: subprocess.Popen[bytes]) -> None:
    write_state(paths, owner)
    assert running_services(paths) == URLS
    with ensure_services(paths, environ={}) as urls:
        assert urls == URLS


def test_what_a_killed_make_up_wrote_is_not_believed(paths: Paths, owner: subprocess.Popen[bytes]) -> None:
    write_state(paths, owner)
    owner.kill()
    owner.wait()
    assert running_services(paths) is None


def test_a_half_written_state_is_not_believed(paths: Paths) -> None:
    paths.state_file.write_text('{"owner": {"pid": 1')
    assert running_services(paths) is None


def test_the_state_is_for_its_owner_alone(paths: Paths, owner: subprocess.Popen[bytes]) -> None:
    write_state(paths, owner)
    assert paths.state_file.stat().st_mode & 0o777 == 0o600


def test_the_environment_goes_before_a_running_make_up(paths: Paths, owner: subprocess.Popen[bytes]) -> None:
    write_state(paths, owner)
    with ensure_services(paths, environ={"REDIS_URL": "redis://mine"}) as urls:
        assert urls == ServiceUrls(URLS.opensearch_url, "redis://mine", URLS.redis_cache_url)


def test_a_command_starts_what_is_missing_and_stops_it_after(paths: Paths) -> None:
    environ = {"OPENSEARCH_URL": "http://mine", "PATH": os.environ["PATH"]}
    with ensure_services(paths, environ=environ) as urls:
        assert urls.opensearch_url == "http://mine"
        sockets = [
            Path(url.removeprefix("unix://").removesuffix("?db=0"))
            for url in (urls.redis_url, urls.redis_cache_url)
        ]
        assert all(answers(socket) for socket in sockets)
        assert sockets[0] != sockets[1]
    assert not any(answers(socket) for socket in sockets)


def test_what_is_not_asked_for_is_not_started(paths: Paths) -> None:
    with ensure_services(paths, opensearch=False, redis=False, environ={}) as urls:
        assert urls == ServiceUrls()


def test_two_commands_never_run_servers_on_the_same_data(
    paths: Paths, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(services, "LOCK_WAIT_S", 0.2)
    command = ensure_services(paths, opensearch=False, environ={})
    with hold_data(paths), pytest.raises(DataInUse, match=f"works on {paths.data}.*RAGSITE_DATA_DIR"):
        command.__enter__()
    with hold_data(paths):
        assert paths.lock_file.exists()
