import json
import os
import socket
import subprocess
import sys
from pathlib import Path

from embedded.doctor import Finding, examine
from embedded.paths import Paths
from embedded.ports import free_port


def examined(tmp_path: Path, **environ: str) -> dict[str, Finding]:
    paths = Paths(cache=tmp_path / "cache", data=tmp_path / "data")
    return {finding.name: finding for finding in examine({"PATH": os.environ["PATH"], **environ}, paths)}


def test_everything_that_make_up_needs_is_looked_at(tmp_path: Path) -> None:
    names = set(examined(tmp_path, WEB_PORT=str(free_port())))
    assert names == {"Python", "Java", "Memory", "Disk", "Web port", "OpenSearch", "Valkey", "Chromium"}


def test_a_java_that_is_too_old_is_missing_with_advice(tmp_path: Path) -> None:
    finding = examined(tmp_path, OPENSEARCH_JAVA_HOME=str(tmp_path))["Java"]
    assert finding.state == "missing"
    assert "Install a JDK 21" in finding.advice


def test_a_web_port_in_use_is_missing_with_another_one(tmp_path: Path) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        port = server.getsockname()[1]
        finding = examined(tmp_path, WEB_PORT=str(port))["Web port"]
    assert finding.state == "missing"
    assert f"WEB_PORT={port + 1000}" in finding.advice


def test_servers_of_ones_own_make_java_needless(tmp_path: Path) -> None:
    found = examined(tmp_path, OPENSEARCH_URL=f"http://127.0.0.1:{free_port()}", REDIS_URL="redis://mine")
    assert found["Java"].state == "ok"
    assert found["OpenSearch"].state == "advice"
    assert found["Valkey"].found == "yours: REDIS_URL is set"


def test_a_missing_part_gives_exit_code_1_and_the_findings_as_json(tmp_path: Path) -> None:
    file = tmp_path / "findings.json"
    done = subprocess.run(
        [sys.executable, "-m", "embedded.doctor", "--json", file],
        env={**os.environ, "RAGSITE_DATA_DIR": str(tmp_path), "OPENSEARCH_JAVA_HOME": "/nowhere"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    states = {finding["name"]: finding["state"] for finding in json.loads(file.read_text())}
    assert states["Java"] == "missing"
    assert "Install a JDK 21" in done.stdout
