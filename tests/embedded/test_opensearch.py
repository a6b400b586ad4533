"""What a node's command line and folder look like. The real node is started once, by conftest."""

import json
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

from embedded import opensearch
from embedded.exceptions import DiskShort, PortInUse, StartFailed
from embedded.jvm import own_jvm_options
from embedded.opensearch import Node, cluster_status
from embedded.paths import scratch_folder
from embedded.ports import free_port

JVM_OPTIONS = "# heap\n-Xms1g\n9-:-Xlog:gc*:file=logs/gc.log:utctime\n-XX:HeapDumpPath=data\n"
FAKE_JAVA = """#!/bin/sh
case "$*" in
  *JvmOptionsParser*) echo parsed >> "$0.calls"; echo "-Xms$HEAP -Dparsed=yes" ;;
  *) echo "a port is not a port"; exit 1 ;;
esac
"""


class FakeHomes:
    """An OpenSearch home and a Java home whose java is a shell script."""

    def __init__(self, folder: Path) -> None:
        self.home = folder / "opensearch-0.0"
        self.java_home = folder / "java"
        for made in (self.home / "config", self.home / "lib", self.java_home / "bin"):
            made.mkdir(parents=True)
        (self.home / "config" / "jvm.options").write_text(JVM_OPTIONS)
        (self.home / "config" / "log4j2.properties").write_text("status = error\n")
        java = self.java_home / "bin" / "java"
        java.write_text(FAKE_JAVA)
        java.chmod(0o755)
        self.data_dir = folder / "data"

    def node(self, *, port: int = 0, heap: str = "1g") -> Node:
        return Node(home=self.home, data_dir=self.data_dir, port=port, heap=heap, java_home=self.java_home)

    def times_parsed(self) -> int:
        return len((self.java_home / "bin" / "java.calls").read_text().splitlines())


@pytest.fixture
def homes() -> Iterator[FakeHomes]:
    with scratch_folder() as folder:
        yield FakeHomes(folder)


def test_the_node_listens_on_the_loopback_alone_and_keeps_its_files_in_its_folder(homes: FakeHomes) -> None:
    node = homes.node()
    command = node.command()
    config = (homes.data_dir / "config" / "opensearch.yml").read_text()
    assert "network.host: 127.0.0.1" in config
    assert f"http.port: {node.port}" in config
    assert f"path.data: {homes.data_dir}/data" in config
    assert f"-Dopensearch.path.conf={homes.data_dir}/config" in command.argv
    assert node.url == f"http://127.0.0.1:{node.port}"


def test_no_option_of_the_distribution_writes_into_the_shared_home(homes: FakeHomes) -> None:
    options = own_jvm_options(homes.home / "config" / "jvm.options")
    assert "-Xms1g" in options
    assert "gc.log" not in options
    assert "HeapDumpPath" not in options


def test_the_options_are_worked_out_once_for_the_same_heap(homes: FakeHomes) -> None:
    first = homes.node().command()
    assert "-Dparsed=yes" in first.argv
    homes.node().command()
    assert homes.times_parsed() == 1
    homes.node(heap="2g").command()
    assert homes.times_parsed() == 2


def test_a_damaged_note_of_the_options_is_made_again(homes: FakeHomes) -> None:
    homes.node().command()
    (homes.data_dir / "jvm.json").write_text("{half")
    homes.node().command()
    assert json.loads((homes.data_dir / "jvm.json").read_text())["options"] == ["-Xms", "-Dparsed=yes"]


def test_a_port_in_use_is_named_before_anything_starts(homes: FakeHomes) -> None:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        with pytest.raises(PortInUse, match="OPENSEARCH_PORT="):
            homes.node(port=server.getsockname()[1]).command()


def test_a_short_disk_is_said_before_anything_starts(
    homes: FakeHomes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opensearch, "NEEDED_BYTES", 10**18)
    with pytest.raises(DiskShort, match="stops taking documents"):
        homes.node().command()


def test_a_node_that_ends_while_starting_shows_its_last_words(homes: FakeHomes) -> None:
    with pytest.raises(StartFailed, match="a port is not a port"):
        homes.node().start()


def test_a_server_that_is_not_there_has_no_status() -> None:
    assert cluster_status(f"http://127.0.0.1:{free_port()}") == ""
