"""The connection under the OpenSearch client: bodies, errors, time-outs and a node that goes away and comes back."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from time import monotonic, sleep
from typing import Any

import pytest
from opensearchpy.exceptions import ConnectionError as TransportError
from opensearchpy.exceptions import ConnectionTimeout, NotFoundError, OpenSearchWarning

from search.connection import CurlConnection


class Node(BaseHTTPRequestHandler):
    """Gives back what it was sent; a path says what else it does."""

    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path == "/slow":
            sleep(1.0)
        status = 404 if self.path == "/missing" else 200
        told: dict[str, Any] = {"method": self.command, "path": self.path, "body": body.decode()}
        told |= {"authorization": self.headers.get("authorization"), "port": self.client_address[1]}
        answer = b"" if self.command == "HEAD" else json.dumps(told).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json; charset=UTF-8")
        self.send_header("content-length", str(len(answer)))
        if self.path == "/old":
            self.send_header("warning", '299 OpenSearch-3.6.0 "this is deprecated"')
        self.end_headers()
        self.wfile.write(answer)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST  # noqa: N815  as the library names them

    def log_message(self, *_: Any) -> None:
        return


@contextmanager
def node(port: int = 0) -> Iterator[int]:
    with ThreadingHTTPServer(("127.0.0.1", port), Node) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield int(server.server_address[1])
        server.shutdown()
        thread.join()


@pytest.fixture
def port() -> Iterator[int]:
    with node() as port:
        yield port


def sent(connection: CurlConnection, method: str, path: str, **options: Any) -> dict[str, Any]:
    status, headers, answer = connection.perform_request(method, path, **options)
    assert (status, headers["content-type"]) == (200, "application/json; charset=UTF-8")
    return dict(json.loads(answer))


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_a_request_arrives_as_it_was_made(port: int, method: str) -> None:
    connection = CurlConnection("127.0.0.1", port, http_auth=("reader", "a:b"))
    body = '{"query": "Straße"}'.encode() * 2000
    told = sent(connection, method, "/index/_search", params={"size": "1"}, body=body)
    assert (told["method"], told["path"], told["body"]) == (method, "/index/_search?size=1", body.decode())
    assert told["authorization"] == "Basic cmVhZGVyOmE6Yg=="


def test_a_request_leaves_nothing_to_the_next_one(port: int) -> None:
    connection = CurlConnection("127.0.0.1", port)
    first = sent(connection, "POST", "/a", body=b"{}", headers={"authorization": "once"})
    second = sent(connection, "GET", "/b")
    assert (second["method"], second["body"], second["authorization"]) == ("GET", "", None)
    assert second["port"] == first["port"]  # over the same connection


def test_a_head_has_no_body(port: int) -> None:
    status, _, answer = CurlConnection("127.0.0.1", port).perform_request("HEAD", "/index")
    assert (status, answer) == (200, b"")


def test_a_refusal_is_the_clients_own_error_unless_it_is_expected(port: int) -> None:
    connection = CurlConnection("127.0.0.1", port)
    with pytest.raises(NotFoundError):
        connection.perform_request("GET", "/missing")
    assert connection.perform_request("GET", "/missing", ignore=(404,))[0] == 404


def test_a_slow_node_is_given_up_in_time(port: int) -> None:
    began = monotonic()
    with pytest.raises(ConnectionTimeout):
        CurlConnection("127.0.0.1", port, timeout=0.2).perform_request("GET", "/slow")
    assert monotonic() - began < 0.9


def test_a_node_that_is_not_there_is_an_error_of_the_transport() -> None:
    with node() as free:
        pass
    with pytest.raises(TransportError):
        CurlConnection("127.0.0.1", free).perform_request("GET", "/")


def test_a_node_that_was_started_again_answers_over_a_kept_connection() -> None:
    with node() as port:
        connection = CurlConnection("127.0.0.1", port)
        sent(connection, "GET", "/")
    with node(port):
        assert sent(connection, "GET", "/again")["path"] == "/again"


def test_what_the_engine_says_of_deprecated_use_is_heard(port: int) -> None:
    with pytest.warns(OpenSearchWarning, match="this is deprecated"):
        CurlConnection("127.0.0.1", port).perform_request("GET", "/old")
