"""The parser's process: `python -m ingestion.parsers.child MEMORY_BYTES OUTPUT_BYTES TIMEOUT_SECONDS`.

It reads requests and writes answers as frames over its pipes and ends with its input. No Django, no torch.
"""

import importlib
import logging
import os
import resource
import signal
import sys
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO

from ingestion.exceptions import ParseError, ParserCrashed, ParserLimit, UnsupportedType
from ingestion.parsers import language
from ingestion.parsers.elements import ParsedDocument, document_to_json
from ingestion.parsers.frames import Frame, read_frame, write_frame
from ingestion.parsers.media_types import PARSER_MODULES, check_content

# An orphan in the middle of a document has no parent to stop it.
_ORPHAN_GRACE_SECONDS = 5


def main(arguments: list[str]) -> int:
    memory_bytes, output_bytes, timeout_seconds = int(arguments[0]), int(arguments[1]), float(arguments[2])
    requests, answers = _private_pipes()
    logging.disable(logging.CRITICAL)
    for module in PARSER_MODULES.values():
        importlib.import_module(module)
    language.load()
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_AS, (memory_bytes, memory_bytes))
    write_frame(answers, Frame(kind="ready"))
    while (request := read_frame(requests)) is not None:
        signal.setitimer(signal.ITIMER_REAL, timeout_seconds + _ORPHAN_GRACE_SECONDS)
        answer = _answer(request, output_bytes)
        signal.setitimer(signal.ITIMER_REAL, 0)
        write_frame(answers, answer)
        if answer.kind == ParserLimit.code:
            return 0  # What a failed allocation left behind goes with the process.
    return 0


def _private_pipes() -> tuple[BinaryIO, BinaryIO]:
    """The two ends of the protocol; what a library prints goes to standard error instead."""
    requests, answers = os.fdopen(os.dup(0), "rb"), os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    with Path(os.devnull).open("rb") as nothing:
        os.dup2(nothing.fileno(), 0)
    return requests, answers


def _answer(request: Frame, output_bytes: int) -> Frame:
    try:
        body = document_to_json(_parsed(request.body, request.kind))
    except (MemoryError, RecursionError) as error:
        name = "memory" if isinstance(error, MemoryError) else "nesting"
        return Frame(
            kind=ParserLimit.code, body=f"The document exceeds the parser's limit of {name}.".encode()
        )
    except ParseError as error:
        return Frame(kind=error.code, body=str(error).encode())
    except (
        Exception
    ) as error:  # The boundary of a job: whatever a library raises must reach the parent as an answer.
        return Frame(
            kind=ParserCrashed.code, body=f"{type(error).__name__}: {error}"[:1000].encode("utf-8", "replace")
        )
    if len(body) > output_bytes:
        return Frame(kind=ParserLimit.code, body=b"The document's text exceeds the parser's limit of output.")
    return Frame(kind="document", body=body)


def _parsed(data: bytes, media_type: str) -> ParsedDocument:
    name = PARSER_MODULES.get(media_type)
    if name is None:
        raise UnsupportedType(f"Documents of type {media_type} are not supported.")
    check_content(media_type, data[:4096])
    document: ParsedDocument = importlib.import_module(name).parse(data)
    if document.language is not None:
        return document
    return replace(document, language=language.detected_language(document.elements))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
