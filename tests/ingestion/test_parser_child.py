"""The parser's process: its limits, its death and its return. The children here are real processes."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pytest

from ingestion.exceptions import ParserCrashed, ParserLimit, ParserTimeout, UnsupportedType
from ingestion.parsers import ParserChild
from ingestion.parsers.elements import (
    Element,
    ParsedDocument,
    document_from_json,
    document_to_json,
    elements_from_json,
    elements_to_json,
)

ROOT = Path(__file__).resolve().parents[2]
MIB = 1024 * 1024
FAKE_CHILD = """
import sys, time
from ingestion.parsers.elements import Element, ParsedDocument, document_to_json
from ingestion.parsers.frames import Frame, read_frame, write_frame
write_frame(sys.stdout.buffer, Frame(kind="ready"))
while (request := read_frame(sys.stdin.buffer)) is not None:
    {body}
"""


def fake_child(body: str) -> tuple[str, ...]:
    return (sys.executable, "-c", FAKE_CHILD.format(body=body))


class FakeSleepingChild(ParserChild):
    command: ClassVar[tuple[str, ...]] = fake_child("time.sleep(60)")


class FakeEchoChild(ParserChild):
    """Its documents have their own bytes as text; it starts at once."""

    command: ClassVar[tuple[str, ...]] = fake_child(
        "write_frame(sys.stdout.buffer, Frame(kind='document', body=document_to_json("
        "ParsedDocument(None, None, dict(), (Element('text', request.body.decode()),)))))"
    )


class FakeDyingChild(ParserChild):
    command: ClassVar[tuple[str, ...]] = fake_child("sys.exit(7)")


class FakeDeafChild(ParserChild):
    """It never reads, so that a large document fills the pipe."""

    command: ClassVar[tuple[str, ...]] = (
        sys.executable,
        "-c",
        FAKE_CHILD.format(body="pass").split("while")[0] + "time.sleep(60)",
    )


class FakeFloodingChild(ParserChild):
    command: ClassVar[tuple[str, ...]] = fake_child(
        "write_frame(sys.stdout.buffer, Frame(kind='document', body=b'x' * 4_000_000))"
    )


class FakeStillbornChild(ParserChild):
    command: ClassVar[tuple[str, ...]] = (sys.executable, "-c", "raise SystemExit(3)")


def child(kind: type[ParserChild] = ParserChild, **limits: float) -> ParserChild:
    return kind(
        memory_bytes=int(limits.get("memory_bytes", 1024 * MIB)),
        timeout_seconds=limits.get("timeout_seconds", 60.0),
        output_bytes=int(limits.get("output_bytes", 16 * MIB)),
    )


@pytest.fixture(scope="module")
def parser() -> Iterator[ParserChild]:
    with child() as started:
        yield started


def test_a_document_comes_back_through_the_pipe(parser: ParserChild) -> None:
    document = parser.parse("# Räder\n\nEin Satz über 車輪.".encode(), "text/markdown")
    assert document.title == "Räder"
    assert document.elements[1] == Element(kind="text", text="Ein Satz über 車輪.")


def test_one_child_serves_one_document_after_another(parser: ParserChild) -> None:
    parser.start()
    before = parser.pid
    for number in range(3):
        assert (
            parser.parse(f"Text {number} is here.".encode(), "text/plain").elements[0].text
            == f"Text {number} is here."
        )
    assert parser.pid == before


def test_a_killed_child_is_replaced_for_the_next_document() -> None:
    with child(FakeEchoChild) as parser:
        parser.start()
        first = parser.pid
        assert first is not None
        os.kill(first, signal.SIGKILL)
        _wait_until_gone(first)
        assert parser.parse(b"Still here.", "text/plain").elements[0].text == "Still here."
        assert parser.pid != first


def test_a_child_that_dies_on_a_document_says_how() -> None:
    with child(FakeDyingChild) as parser:
        with pytest.raises(ParserCrashed, match="exit status 7") as caught:
            parser.parse(b"x", "text/plain")
        assert not caught.value.permanent
        assert parser.pid is None


def test_a_child_that_cannot_start_is_an_error_not_a_wait() -> None:
    with child(FakeStillbornChild) as parser, pytest.raises(ParserCrashed, match="did not start"):
        parser.start()


def test_a_document_that_takes_too_long_is_stopped_and_its_child_ended() -> None:
    with child(FakeSleepingChild, timeout_seconds=0.3) as parser:
        parser.start()
        sleeping = parser.pid
        assert sleeping is not None
        started = time.monotonic()
        with pytest.raises(ParserTimeout) as caught:
            parser.parse(b"x", "text/plain")
        assert time.monotonic() - started < 5
        assert not caught.value.permanent
        assert _is_gone(sleeping)


def test_a_child_that_does_not_read_cannot_block_its_parent() -> None:
    with child(FakeDeafChild, timeout_seconds=0.3) as parser, pytest.raises(ParserTimeout):
        parser.parse(b"x" * (4 * MIB), "text/plain")


def test_more_output_than_allowed_is_refused_by_the_child() -> None:
    with child(output_bytes=20_000) as parser:
        with pytest.raises(ParserLimit, match="output") as caught:
            parser.parse(b"One more sentence. " * 5000, "text/plain")
        assert caught.value.permanent
        assert parser.parse(b"Short.", "text/plain").elements[0].text == "Short."


def test_more_output_than_allowed_is_refused_by_the_parent_too() -> None:
    with child(FakeFloodingChild, output_bytes=1000) as parser, pytest.raises(ParserLimit):
        parser.parse(b"x", "text/plain")


def test_memory_is_limited_and_the_next_document_is_parsed() -> None:
    with child(memory_bytes=420 * MIB) as parser:
        # Each of half a million elements takes many times its three bytes.
        with pytest.raises((ParserLimit, ParserCrashed)):
            parser.parse(b"<p>ab" * 3_000_000, "text/html")
        assert parser.parse(b"Short.", "text/plain").elements[0].text == "Short."


def test_a_media_type_that_no_parser_knows_is_unsupported(parser: ParserChild) -> None:
    with pytest.raises(UnsupportedType):
        parser.parse(b"x", "image/png")


def test_an_idle_child_ends_when_its_parent_is_killed() -> None:
    _wait_until_gone(_orphan_of(timeout_seconds=60, work=""))


def test_a_child_busy_with_a_long_document_ends_soon_after_its_parent_is_killed() -> None:
    """It stops itself a few seconds after the document's time; nobody is left to do it."""
    work = """
data = b"<p>Some words are here" * 400_000
threading.Thread(target=parser.parse, args=(data, "text/html"), daemon=True).start()
time.sleep(1)
"""
    orphan = _orphan_of(timeout_seconds=2, work=work)
    assert not _is_gone(orphan)
    _wait_until_gone(orphan, seconds=12)


def test_close_may_be_called_twice_and_the_parser_used_again() -> None:
    parser = child(FakeEchoChild)
    parser.close()
    assert parser.parse(b"Text here.", "text/plain").elements
    parser.close()
    parser.close()
    assert parser.pid is None


def test_what_a_child_loads_is_small_and_without_torch_or_django(parser: ParserChild) -> None:
    parser.start()
    maps = Path(f"/proc/{parser.pid}/maps").read_text()
    status = Path(f"/proc/{parser.pid}/status").read_text()
    assert "libtorch" not in maps
    resident_kib = int(status.split("VmRSS:")[1].split()[0])
    assert resident_kib < 400 * 1024


def test_a_child_opens_no_socket_when_it_parses_every_kind_of_text(parser: ParserChild) -> None:
    """Unstructured would download a spaCy model here, and report home."""
    for data, media_type in (
        (b"<p>Some narrative text that has a verb in it.</p>", "text/html"),
        (b"Some narrative text that has a verb in it.", "text/plain"),
        (b"Some narrative text that has a verb in it.", "text/markdown"),
    ):
        assert parser.parse(data, media_type).elements
    opened = [str(link.readlink()) for link in Path(f"/proc/{parser.pid}/fd").iterdir()]
    assert not [name for name in opened if name.startswith("socket:")]


def test_every_parser_loads_and_works_with_sockets_forbidden() -> None:
    script = """
        import socket
        def refused(*arguments, **options):
            raise SystemExit("a socket was opened")
        socket.socket.connect = refused
        socket.create_connection = refused
        socket.getaddrinfo = refused
        from ingestion.parsers import html, markdown, text
        assert html.parse(b"<h1>Head</h1><p>Some narrative text is here, and more of it.</p>").elements
        assert markdown.parse(b"Some narrative text is here.").elements
        assert text.parse(b"Some narrative text is here.").elements
    """
    command = [sys.executable, "-c", textwrap.dedent(script)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stderr


def test_documents_and_elements_survive_json() -> None:
    elements = (
        Element(kind="title", text="A", level=2, page=3),
        Element(kind="code", text="x = 1\n\n  y\t“ü”"),
        Element(kind="table", text="a | b", page=1),
    )
    document = ParsedDocument(title=None, language="en", metadata={"tags": ["a", 1]}, elements=elements)
    assert document_from_json(document_to_json(document)) == document
    assert elements_from_json(elements_to_json(elements)) == elements


def _orphan_of(*, timeout_seconds: float, work: str) -> int:
    """The id of a child whose parent has done `work` and then been killed."""
    script = f"""
import threading, time
from ingestion.parsers import ParserChild
parser = ParserChild(memory_bytes=8 << 30, timeout_seconds={timeout_seconds}, output_bytes=1 << 20)
parser.start()
{work}
print(parser.pid, flush=True)
time.sleep(60)
"""
    parent = subprocess.Popen([sys.executable, "-c", script], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    orphan = int(parent.stdout.readline())
    parent.kill()
    parent.wait()
    parent.stdout.close()
    return orphan


def _wait_until_gone(pid: int, seconds: float = 5.0) -> None:
    end = time.monotonic() + seconds
    while not _is_gone(pid):
        assert time.monotonic() < end, f"process {pid} is still there"
        time.sleep(0.05)


def _is_gone(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0]
    except FileNotFoundError:
        return True
    return state == "Z"
