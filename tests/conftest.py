"""Fixtures of all tests: one real OpenSearch node and two real Valkeys a session, and what the main job needs.

Sockets are closed but to loopback and unix ones.
"""

import ipaddress
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from embedded.assembly import assemble
from embedded.java import find_java
from embedded.opensearch import Node
from embedded.paths import scratch_folder
from embedded.valkey import Valkey
from search.models import Tenant
from search.types import Principal

_real_connect = socket.socket.connect


def _loopback_only(self: socket.socket, address: Any) -> None:
    if self.family in (socket.AF_INET, socket.AF_INET6):
        host = address[0]
        if host != "localhost" and not ipaddress.ip_address(host).is_loopback:
            raise AssertionError(f"A test connects to {host}.")
    _real_connect(self, address)


@pytest.fixture(autouse=True, scope="session")
def _closed_sockets() -> Iterator[None]:
    socket.socket.connect = _loopback_only  # type: ignore[method-assign,assignment]
    yield
    socket.socket.connect = _real_connect  # type: ignore[method-assign]


@pytest.fixture(autouse=True, scope="session")
def _ended_children() -> Iterator[None]:
    """The parser child of this process, if a test started it, ends with the session."""
    yield
    from ingestion import jobs

    jobs.close_parser()


@pytest.fixture(scope="session")
def opensearch_node() -> Iterator[str]:
    """A node's URL: that of TEST_OPENSEARCH_URL, or one of this session's own."""
    if given := os.environ.get("TEST_OPENSEARCH_URL"):
        yield given
        return
    java = find_java(os.environ, download_into=settings.PATHS.cache / "jdk")
    home = assemble(settings.PATHS.cache, java_home=java.home, progress=print).home
    with (
        scratch_folder("ragsite-test-") as folder,
        Node(home=home, data_dir=folder / "node", java_home=java.home) as node,
    ):
        yield node.url


@pytest.fixture
def opensearch(opensearch_node: str, settings: Any) -> Iterator[str]:
    """A node that this test fills under its own prefix; what it made is removed."""
    from ingestion import indexes
    from search.client import get_write_client

    settings.OPENSEARCH_URL = opensearch_node
    yield opensearch_node
    settings.OPENSEARCH_URL = opensearch_node
    names = get_write_client().indices.get(index=f"{settings.OPENSEARCH_INDEX_PREFIX}-*", ignore=404)
    for name in names:
        get_write_client().indices.delete(index=name)
    indexes.forget_mapped()


@pytest.fixture(scope="session")
def valkeys(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, str]]:
    """URLs of a queue's and a cache's Valkey."""
    folder: Path = tmp_path_factory.mktemp("valkey")
    with (
        Valkey(data_dir=folder / "q", role="queue") as queue,
        Valkey(data_dir=folder / "c", role="cache") as caches,
    ):
        yield queue.url, caches.url


@pytest.fixture
def redis(valkeys: tuple[str, str], settings: Any) -> None:
    """An empty queue and an empty cache."""
    import redis as client

    settings.REDIS_URL, settings.REDIS_CACHE_URL = valkeys
    settings.RQ_QUEUES["default"]["URL"] = valkeys[0]
    for url in valkeys:
        client.Redis.from_url(url).flushall()


@pytest.fixture
def tenant(db: None) -> Tenant:
    return Tenant.objects.create(slug="acme", name="Acme")


@pytest.fixture
def principal(tenant: Tenant) -> Principal:
    """A key's principal without groups."""
    return Principal(tenant.pk, tenant.uuid, (), frozenset({"search", "ask", "documents", "sources"}))


@pytest.fixture
def main_job(opensearch: str, redis: None, transactional_db: None) -> None:
    """All parts that the main job needs: the node, both Valkeys, and a database with real commits."""


@pytest.fixture
def server(db: None) -> Iterator[str]:
    """A real ASGI server of this process, on a free port."""
    import uvicorn

    from ragsite.asgi import application

    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        running = uvicorn.Server(uvicorn.Config(application, lifespan="off", log_level="error"))
        thread = threading.Thread(target=running.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not running.started:
            time.sleep(0.02)
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        running.should_exit = True
        thread.join()
