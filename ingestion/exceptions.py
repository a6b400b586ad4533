"""Errors of the write side. One root; a permanent one is failed at once, any other is tried again."""


class IngestionError(Exception):
    """Root of every error that the write side raises on purpose."""

    code: str = "ingestion_error"
    status: int = 500


class ParseError(IngestionError):
    """A document could not be parsed. Permanent: the same bytes will fail again."""

    code = "parse_error"
    status = 422
    permanent: bool = True


class CorruptFile(ParseError):
    """The bytes are broken, or are not what the file's name says."""

    code = "corrupt"


class EncryptedFile(ParseError):
    code = "encrypted"


class UnsupportedType(ParseError):
    code = "unsupported_type"
    status = 415


class ParserLimit(ParseError):
    """The document needs more memory, output or nesting than one document may take."""

    code = "parser_limit"


class ParserTimeout(ParseError):
    code = "parser_timeout"
    status = 504
    permanent = False


class ParserCrashed(ParseError):
    """The parser's process died, or failed in a way that it doesn't know."""

    code = "parser_crashed"
    status = 500
    permanent = False


class DocumentRefused(IngestionError):
    """A document that can't be accepted as it was sent."""

    code = "document_refused"
    status = 422

    def __init__(self, detail: str, *, fields: dict[str, list[str]] | None = None) -> None:
        super().__init__(detail)
        self.fields = fields


class SyncedDocument(IngestionError):
    """A document that a source keeps can't be written through the API: the next sync would undo it."""

    code = "synced_document"
    status = 409


class IdempotencyConflict(IngestionError):
    """An Idempotency-Key that came before with another body."""

    code = "idempotency_conflict"
    status = 409


class DocumentTooLarge(IngestionError):
    code = "too_large"
    status = 413


class SourceError(IngestionError):
    """A source can't be read: its config is wrong, or it is not there."""

    code = "source_error"
    status = 422


class SourceItemError(IngestionError):
    """One item of a source can't be read; the others can."""

    code = "source_item_error"
    status = 422


class LeaseLost(IngestionError):
    """Another worker has taken this work over; stop without a trace."""

    code = "lease_lost"


class WorkerStopping(IngestionError):
    """The worker was asked to stop: what it holds is given back, and no attempt is counted."""

    code = "worker_stopped"
