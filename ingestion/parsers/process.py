"""The parent's side of the parser's process: one document at a time, within limits; a dead child is replaced.

Not for several threads at once.
"""

import contextlib
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import TracebackType
from typing import ClassVar, Final, Self

from ingestion.exceptions import (
    CorruptFile,
    EncryptedFile,
    ParseError,
    ParserCrashed,
    ParserLimit,
    ParserTimeout,
    UnsupportedType,
)
from ingestion.parsers.elements import ParsedDocument, document_from_json
from ingestion.parsers.frames import HEADER, MIB, Frame, packed

_ROOT: Final = Path(__file__).resolve().parents[2]
_ERRORS: Final[dict[str, type[ParseError]]] = {
    error.code: error for error in (CorruptFile, EncryptedFile, UnsupportedType, ParserLimit, ParserCrashed)
}
# Loading takes 3 to 5 s; a machine under load, or with a cold disk, needs several times that.
_START_SECONDS: Final = 120.0
_BLOCK_BYTES: Final = MIB


class ParserChild:
    """Parses documents in a child process that it starts when needed and keeps.

    `memory_bytes` bounds the child's address space (it loads into about 320 MB), `timeout_seconds` the time
    of one document, `output_bytes` the JSON of what it gives.
    """

    command: ClassVar[tuple[str, ...]] = (sys.executable, "-m", "ingestion.parsers.child")

    def __init__(self, *, memory_bytes: int, timeout_seconds: float, output_bytes: int) -> None:
        self._memory_bytes = memory_bytes
        self._timeout_seconds = timeout_seconds
        self._output_bytes = output_bytes
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """The running child's process id, None where there is none."""
        return self._process.pid if self._process is not None else None

    def start(self) -> None:
        """Start the child and wait until it has loaded its parsers. Raises ParserCrashed."""
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        limits = (str(self._memory_bytes), str(self._output_bytes), str(self._timeout_seconds))
        # Its own session: a Ctrl-C in a terminal is for the parent, which closes the pipe.
        self._process = subprocess.Popen(  # noqa: S603 - our own module and numbers
            [*self.command, *limits],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            cwd=_ROOT,
            bufsize=0,
            start_new_session=True,
        )
        try:
            self._read_frame(time.monotonic() + _START_SECONDS)
        except (ParserTimeout, EOFError) as error:
            raise ParserCrashed(f"The parser did not start ({self._ended()}).") from error

    def parse(self, data: bytes, media_type: str) -> ParsedDocument:
        """Parse one document. Raises a ParseError; after a crash or time-out the next call starts a child."""
        self.start()
        deadline = time.monotonic() + self._timeout_seconds
        try:
            self._write(packed(Frame(kind=media_type, body=data)), deadline)
            answer = self._read_frame(deadline)
        except ParserTimeout:
            self.close()
            raise
        except (EOFError, BrokenPipeError) as error:
            raise ParserCrashed(f"The parser's process died ({self._ended()}).") from error
        if answer.kind == "document":
            return document_from_json(answer.body)
        if answer.kind == ParserLimit.code:
            # The child ends by itself after this; waiting for it keeps the next document from a dying one.
            self.close()
        raise _ERRORS[answer.kind](answer.body.decode("utf-8", "replace"))

    def close(self) -> None:
        """End the child, if there is one. The object can be used again."""
        process, self._process = self._process, None
        if process is None:
            return
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()
        process.kill()
        process.wait()

    def _ended(self) -> str:
        """How the child ended, for people; it is gone afterwards."""
        process = self._process
        if process is None:
            return "it is gone"
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(timeout=1)
        code = process.poll()
        self.close()
        if code is None:
            return "it stopped answering"
        return f"signal {signal.Signals(-code).name}" if code < 0 else f"exit status {code}"

    def _write(self, data: bytes, deadline: float) -> None:
        descriptor = self._descriptor(reading=False)
        view = memoryview(data)
        while view:
            self._wait(descriptor, deadline, reading=False)
            view = view[os.write(descriptor, view[: select.PIPE_BUF]) :]

    def _read_frame(self, deadline: float) -> Frame:
        kind_length, body_length = HEADER.unpack(self._read(HEADER.size, deadline))
        if body_length > self._output_bytes + _BLOCK_BYTES:
            self.close()
            raise ParserLimit("The document's text exceeds the parser's limit of output.")
        kind = self._read(kind_length, deadline).decode("ascii")
        return Frame(kind=kind, body=self._read(body_length, deadline))

    def _read(self, length: int, deadline: float) -> bytes:
        descriptor = self._descriptor(reading=True)
        blocks = bytearray()
        while len(blocks) < length:
            self._wait(descriptor, deadline, reading=True)
            block = os.read(descriptor, min(_BLOCK_BYTES, length - len(blocks)))
            if not block:
                raise EOFError
            blocks += block
        return bytes(blocks)

    def _wait(self, descriptor: int, deadline: float, *, reading: bool) -> None:
        """Wait until the pipe is ready. Only PIPE_BUF bytes may be written without blocking after that."""
        poller = select.poll()
        poller.register(descriptor, select.POLLIN if reading else select.POLLOUT)
        remaining = deadline - time.monotonic()
        if remaining <= 0 or not poller.poll(remaining * 1000):
            raise ParserTimeout(f"The document took the parser more than {self._timeout_seconds:g} s.")

    def _descriptor(self, *, reading: bool) -> int:
        process = self._process
        stream = None if process is None else process.stdout if reading else process.stdin
        if stream is None:
            raise EOFError
        return stream.fileno()
