"""A real Valkey on a Unix socket."""

import os
from pathlib import Path

import pytest
import redis

from embedded.exceptions import StartFailed
from embedded.valkey import Valkey, answers, find_server
from tests.embedded.test_processes import until


def test_a_queue_keeps_its_data_over_a_restart_and_never_evicts(tmp_path: Path) -> None:
    with Valkey(data_dir=tmp_path / "queue", role="queue") as valkey:
        client = redis.Redis.from_url(valkey.url)
        client.set("job", "1")
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "noeviction"
        client.close()
    assert not answers(valkey.socket)
    with Valkey(data_dir=tmp_path / "queue", role="queue") as valkey:
        client = redis.Redis.from_url(valkey.url)
        assert client.get("job") == b"1"
        client.close()


def test_a_cache_has_a_bound_and_keeps_nothing(tmp_path: Path) -> None:
    with Valkey(data_dir=tmp_path / "cache", role="cache") as valkey:
        client = redis.Redis.from_url(valkey.url)
        client.set("answer", "1")
        assert client.config_get("maxmemory-policy")["maxmemory-policy"] == "allkeys-lru"
        assert client.config_get("maxmemory")["maxmemory"] == str(256 * 1024**2)
        client.close()
    with Valkey(data_dir=tmp_path / "cache", role="cache") as valkey:
        client = redis.Redis.from_url(valkey.url)
        assert client.get("answer") is None
        client.close()


def test_it_listens_on_no_tcp_port_and_only_its_owner_may_connect(tmp_path: Path) -> None:
    with Valkey(data_dir=tmp_path / "queue", role="queue") as valkey:
        client = redis.Redis.from_url(valkey.url)
        assert client.config_get("port")["port"] == "0"
        client.close()
        assert valkey.socket.stat().st_mode & 0o777 == 0o700


def test_a_folder_with_a_long_path_works_too(tmp_path: Path) -> None:
    with Valkey(data_dir=tmp_path / ("long" * 40), role="queue") as valkey:
        assert answers(valkey.socket)


def test_damaged_data_is_an_error_that_shows_the_log(tmp_path: Path) -> None:
    with Valkey(data_dir=tmp_path / "queue", role="queue") as valkey:
        until(lambda: answers(valkey.socket))
    (manifest,) = (tmp_path / "queue" / "appendonlydir").glob("*.manifest")
    manifest.write_text("nonsense\n")
    with pytest.raises(StartFailed, match=r"Valkey \(queue\) does not start(.|\n)*move .* away"):
        Valkey(data_dir=tmp_path / "queue", role="queue").start()


def test_the_machines_own_server_is_preferred_to_the_packaged_one(tmp_path: Path) -> None:
    own = tmp_path / "redis-server"
    own.touch()
    own.chmod(0o755)
    assert find_server({"PATH": str(tmp_path)}) == own


def test_the_packaged_server_serves_where_there_is_none() -> None:
    server = find_server({"PATH": "/nowhere"})
    assert server.name == "valkey-server"
    assert os.access(server, os.X_OK)
