"""Embeds by an OpenAI-compatible `/embeddings` endpoint, by the openai client (imported at the first build).

Tokens are counted exactly where a tokenizer is named, else as UTF-8 bytes, of which a token is at least one.
"""

import time
from base64 import b64decode
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import orjson
from tokenizers import Tokenizer

from search.embeddings.batching import (
    Vector,
    Vectors,
    embed_in_batches,
    length_sorted_batches,
    refuse_too_long,
    unit_rows,
)
from search.exceptions import EmbeddingUnavailable

if TYPE_CHECKING:
    from openai import OpenAI

# OpenAI's own limit on the sum over all inputs of a request.
REQUEST_TOKENS = 300_000
# Only this family takes the `dimensions` parameter; other servers refuse it.
SHORTENABLE_PREFIX = "text-embedding-3"


@dataclass(kw_only=True)
class OpenAIEmbedder:
    """429 and 5xx are retried by the client with back-off; a query is not retried, since its reader waits.

    `dimension` is what the model must give; text-embedding-3 models shorten to it. `tokenizer` is
    a tokenizer.json of the served model: with it counts are exact, without it some four times too high.
    """

    api_key: str = field(repr=False)
    model: str = "text-embedding-3-small"
    base_url: str = "https://api.openai.com/v1"
    dimension: int = 1536
    batch_size: int = 100
    max_tokens: int = 8191
    timeout_seconds: float = 30.0
    query_timeout_seconds: float = 3.0
    max_retries: int = 4
    tokenizer: Path | str | None = None

    def __post_init__(self) -> None:
        self.variant = f"{self.model}-{self.dimension}d-openai"
        self._tokenizer = _load_tokenizer(self.tokenizer) if self.tokenizer else None
        self._client = self._connect()

    def _connect(self) -> "OpenAI":
        from openai import OpenAI

        return OpenAI(
            api_key=self.api_key,
            base_url=self.base_url,
            timeout=self.timeout_seconds,
            max_retries=self.max_retries,
        )

    def count_tokens(self, texts: Sequence[str]) -> list[int]:
        if self._tokenizer is None:
            return [len(text.encode()) for text in texts]
        return [len(encoding.ids) for encoding in self._tokenizer.encode_batch(list(texts))]

    def embed_passages(self, texts: Sequence[str]) -> Vectors:
        counts = self.count_tokens(texts)
        refuse_too_long(counts, self.max_tokens)
        batches = length_sorted_batches(counts, size=self.batch_size, budget=REQUEST_TOKENS)
        return embed_in_batches(
            batches,
            lambda positions: self._request(self._client, [texts[p] for p in positions]),
            dimension=self.dimension,
        )

    def embed_query(self, text: str) -> Vector:
        client = self._client.with_options(timeout=self.query_timeout_seconds, max_retries=0)
        vector: Vector = unit_rows(self._request(client, [self._cut(text)]), dimension=self.dimension)[0]
        return vector

    def _cut(self, text: str) -> str:
        if self._tokenizer is None:
            return text.encode()[: self.max_tokens].decode(errors="ignore")
        room = self.max_tokens - self._tokenizer.num_special_tokens_to_add(is_pair=False)
        offsets = self._tokenizer.encode(text, add_special_tokens=False).offsets
        return text if len(offsets) <= room else text[: offsets[room - 1][1]]

    def _request(self, client: "OpenAI", texts: list[str]) -> Vectors:
        from httpx2 import HTTPError
        from openai import OpenAIError, omit

        shortened = self.dimension if self.model.startswith(SHORTENABLE_PREFIX) else omit
        asked = client.embeddings.with_streaming_response.create(
            model=self.model, input=texts, dimensions=shortened, encoding_format="base64"
        )
        try:
            with asked as response:
                found = sorted(_read(response, client.timeout)["data"], key=lambda row: row["index"])
                rows = [_vector(row["embedding"]) for row in found]
        except (OpenAIError, HTTPError, ValueError, KeyError, TypeError) as error:
            raise EmbeddingUnavailable(
                f"{self.model} gave no vectors: {type(error).__name__}: {error}"
            ) from error
        if len(rows) != len(texts) or {len(row) for row in rows} != {self.dimension}:
            raise EmbeddingUnavailable(
                f"{self.model} gave {len(rows)} vectors of {sorted({len(row) for row in rows})} dimensions;"
                f" {len(texts)} of {self.dimension} are expected."
            )
        return np.asarray(rows, dtype=np.float32)

    def close(self) -> None:
        self._client.close()


def _read(response: Any, seconds: Any) -> dict[str, Any]:
    """The answer's JSON. One that comes in drops, each of them in time, is late all the same."""
    ends_at, received = time.monotonic() + seconds, bytearray()
    for piece in response.iter_bytes():
        received += piece
        if time.monotonic() > ends_at:
            raise ValueError(f"The answer took more than {seconds:g} s.")
    return dict(orjson.loads(received))


def _vector(sent: str | list[float]) -> Vector:
    """Servers that do not know base64 send numbers."""
    return np.frombuffer(b64decode(sent), dtype="<f4") if isinstance(sent, str) else np.asarray(sent, "<f4")


def _load_tokenizer(path: Path | str) -> Tokenizer:
    if not Path(path).is_file():
        raise EmbeddingUnavailable(f"No tokenizer file {path}.")
    tokenizer = Tokenizer.from_file(str(path))
    tokenizer.no_truncation()
    tokenizer.no_padding()
    return tokenizer
