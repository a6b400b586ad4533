import os
import socket
from collections.abc import Iterator

import pytest

from embedded.exceptions import PortInUse
from embedded.ports import free_port, is_free, require_free


@pytest.fixture
def taken_port() -> Iterator[int]:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        server.listen()
        yield server.getsockname()[1]


def test_a_port_in_use_is_an_error_that_names_the_holder_and_the_setting(taken_port: int) -> None:
    with pytest.raises(PortInUse) as raised:
        require_free(taken_port, what="the web server", setting="WEB_PORT")
    assert f"Port {taken_port} on 127.0.0.1, which the web server needs, is in use" in str(raised.value)
    assert f"process {os.getpid()}" in str(raised.value)
    assert f"WEB_PORT={taken_port + 1000}" in str(raised.value)


def test_a_free_port_can_be_bound() -> None:
    port = free_port()
    require_free(port, what="a test", setting="PORT")
    with socket.socket() as server:
        server.bind(("127.0.0.1", port))


def test_a_port_is_free_again_when_its_holder_is_gone(taken_port: int) -> None:
    assert not is_free(taken_port)
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        other: int = server.getsockname()[1]
    assert is_free(other)
