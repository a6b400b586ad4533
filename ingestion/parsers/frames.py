"""Frames between the parser's process and its parent: two lengths, a kind, a body. Both sides import this."""

import struct
from dataclasses import dataclass
from typing import BinaryIO, Final

MIB: Final = 1024 * 1024
HEADER: Final = struct.Struct(">IQ")


@dataclass(frozen=True)
class Frame:
    """A request has a media type as kind; an answer `ready`, `document` or the code of an error."""

    kind: str
    body: bytes = b""


def packed(frame: Frame) -> bytes:
    kind = frame.kind.encode("ascii")
    return HEADER.pack(len(kind), len(frame.body)) + kind + frame.body


def write_frame(stream: BinaryIO, frame: Frame) -> None:
    stream.write(packed(frame))
    stream.flush()


def read_frame(stream: BinaryIO) -> Frame | None:
    """The next frame, None at the end of the stream, be it in the middle of a frame."""
    header = stream.read(HEADER.size)
    if len(header) < HEADER.size:
        return None
    kind_length, body_length = HEADER.unpack(header)
    kind, body = stream.read(kind_length), stream.read(body_length)
    if len(kind) < kind_length or len(body) < body_length:
        return None
    return Frame(kind=kind.decode("ascii"), body=body)
