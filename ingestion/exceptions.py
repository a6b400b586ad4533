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
