"""Reads passages of a corpus file, plain or compressed JSON Lines in BEIR form."""

import io
import json
from itertools import islice
from pathlib import Path

import zstandard

from bench.peers.peer import Passage


def read_passages(path: Path, first: int, last: int) -> list[Passage]:
    """Lines `first` to `last` (not included)."""
    with path.open("rb") as raw:
        stream = zstandard.ZstdDecompressor().stream_reader(raw) if path.suffix == ".zst" else raw
        lines = islice(io.TextIOWrapper(stream, encoding="utf-8"), first, last)
        return [_passage(json.loads(line)) for line in lines]


def _passage(line: dict[str, str]) -> Passage:
    return Passage(line["_id"], line.get("title", ""), line["text"] or line.get("title", ""))
