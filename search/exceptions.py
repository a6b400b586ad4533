"""Errors of the read side. One root; each child says what is unavailable or invalid, with its code and HTTP status.

One handler (search.errors) turns them into `{"code", "detail", "fields"?}`.
"""

from collections.abc import Mapping


class SearchError(Exception):
    """Root of every error that the read side raises on purpose."""

    code = "search_error"
    status = 500
    retry_after_seconds: int | None = None

    def __init__(self, detail: str, *, fields: Mapping[str, list[str]] | None = None) -> None:
        super().__init__(detail)
        self.detail = detail
        self.fields = dict(fields) if fields else None


class InvalidRequest(SearchError):
    code = "invalid_request"
    status = 400


class InvalidFilter(InvalidRequest):
    code = "invalid_filter"


class InvalidSynonyms(InvalidRequest):
    """Lines of synonyms that say nothing; each problem names its line."""

    code = "invalid_synonyms"

    def __init__(self, problems: list[str]) -> None:
        super().__init__(problems[0], fields={"rules": problems})
        self.problems = problems


class CurationRefused(SearchError):
    """A curation rule that says nothing, or the opposite of another one."""

    code = "curation_refused"
    status = 409


class PassageRefused(SearchError):
    """A passage that can't be switched off now; the message says why."""

    code = "passage_refused"
    status = 409


class CursorStale(SearchError):
    """What a cursor went through has changed since; a new one begins again."""

    code = "cursor_stale"
    status = 410


class NotFound(SearchError):
    code = "not_found"
    status = 404


class OriginRefused(SearchError):
    """A page of another site calls what it may not."""

    code = "origin_refused"
    status = 403


class ModelNotFound(NotFound):
    """A chat names a model, which here is a profile, that the tenant does not have."""

    code = "model_not_found"

    def __init__(self, detail: str) -> None:
        super().__init__(detail, fields={"model": [detail]})


class Unavailable(SearchError):
    """Something that the request needs is down for now; asking again later may work."""

    code = "unavailable"
    status = 503
    retry_after_seconds: int | None = 2


class OpenSearchUnavailable(Unavailable):
    code = "opensearch_unavailable"


class EmbeddingUnavailable(Unavailable):
    code = "embedding_unavailable"


class RerankUnavailable(Unavailable):
    code = "rerank_unavailable"


class RerankDeadline(RerankUnavailable):
    """The deadline came first. What was scored by then is of no use: it can't be compared with the rest."""

    code = "rerank_deadline"


class GenerationUnavailable(Unavailable):
    code = "generation_unavailable"


class GenerationWithheld(GenerationUnavailable):
    """The provider's filter kept an answer back, which is its decision: no other provider is asked."""


class BudgetExhausted(GenerationUnavailable):
    """A tenant or a key has spent what it may this month, or would with this call."""

    code = "budget_exhausted"
    status = 429
    retry_after_seconds = None


class BudgetUnavailable(GenerationUnavailable):
    """What may be spent can't be told or counted: then nothing is."""

    code = "budget_unavailable"


class CacheUnavailable(Unavailable):
    code = "cache_unavailable"


class QueueUnavailable(Unavailable):
    code = "queue_unavailable"


class Overloaded(Unavailable):
    """The pool that serves this kind of request is full; shed at once rather than queued."""

    code = "overloaded"


class InputTooLong(SearchError):
    """A passage is longer than the embedder's window. Passages are never cut: the chunker is at fault."""

    code = "input_too_long"


class IndexMismatch(SearchError):
    """The index was filled by another embedder variant than the one that would ask it."""

    code = "index_mismatch"
    status = 503


class MetadataRefused(SearchError):
    """Document metadata that the tenant's field schema does not take."""

    code = "metadata_refused"
    status = 422


class BulkRefused(SearchError):
    """The engine refused writes as a whole (a flood-stage block, say): pause, spend no attempts."""

    code = "index_blocked"
    status = 503
