"""One peer behind HTTP, one process, as one would deploy it: `python -m bench.peers.serve NAME --port N --folder F …`.

It runs in the peers' own virtual environment. /load and /finish are the measurement's, /search is what an app calls.
"""

import argparse
import importlib
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import asdict
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
import uvicorn
from fastapi import FastAPI
from fastapi.responses import ORJSONResponse
from pydantic import BaseModel

from bench.peers.passages import read_passages
from bench.peers.peer import Peer, Place

PEERS = {
    "haystack": "bench.peers.haystack_opensearch.HaystackOpenSearch",
    "llamaindex": "bench.peers.llamaindex_opensearch.LlamaIndexOpenSearch",
    "in-process": "bench.peers.in_process.InProcess",
    "postgres": "bench.peers.postgres.Postgres",
}


class Load(BaseModel):
    """Passages `first` to `last` of a corpus file, with their rows of a .npy file, or without vectors."""

    passages: str
    first: int
    last: int
    vectors: str | None = None


class Search(BaseModel):
    """`cached`: take the vector that /embed kept, as a cache of embeddings would give it."""

    query: str
    top_k: int = 10
    cached: bool = False


class Queries(BaseModel):
    queries: list[str]


def make_peer(name: str, place: Place) -> Peer:
    module, _, kind = PEERS[name].rpartition(".")
    peer: Peer = getattr(importlib.import_module(module), kind)(place)
    return peer


def application(peer: Peer) -> FastAPI:
    kept: dict[str, Any] = {}

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        peer.close()

    app = FastAPI(lifespan=lifespan, default_response_class=ORJSONResponse)

    @app.get("/livez")
    def live() -> dict[str, str]:
        return {"state": "live"}

    @app.post("/load")
    def load(asked: Load) -> dict[str, float]:
        passages = read_passages(Path(asked.passages), asked.first, asked.last)
        rows = None
        if asked.vectors is not None:
            rows = np.load(asked.vectors, mmap_mode="r")[asked.first : asked.last]
        began = perf_counter()
        peer.load(passages, rows)
        return {"seconds": perf_counter() - began}

    @app.post("/finish")
    def finish() -> dict[str, float]:
        began = perf_counter()
        peer.finish()
        return {"seconds": perf_counter() - began}

    @app.post("/embed")
    def embed(asked: Queries) -> dict[str, int]:
        kept.update({query: peer.embed(query) for query in asked.queries})
        return {"kept": len(kept)}

    @app.post("/search")
    def search(asked: Search) -> dict[str, Any]:
        vector = kept[asked.query] if asked.cached else None
        return {"hits": [asdict(hit) for hit in peer.search(asked.query, vector, top_k=asked.top_k)]}

    return app


def main() -> None:
    parser = argparse.ArgumentParser(description="Serve one peer.")
    parser.add_argument("name", choices=sorted(PEERS))
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--opensearch", default="")
    parser.add_argument("--index", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="peer-") as folder:
        peer = make_peer(options.name, Place(options.opensearch, options.index, Path(folder)))
        uvicorn.run(application(peer), host="127.0.0.1", port=options.port, log_level="warning")


if __name__ == "__main__":
    main()
