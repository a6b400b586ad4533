"""Reading what a server answers in chunks."""

from ingestion.management.commands.bench_caches import unchunked


def test_chunks_are_joined() -> None:
    assert unchunked(b'9\r\n{"cache":\r\n0A\r\n "none"}\r\n\r\n0\r\n\r\n') == b'{"cache": "none"}\r\n'
    assert unchunked(b"0\r\n\r\n") == b""
