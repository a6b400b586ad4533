"""Bytes to elements. `ParserChild` runs the parsers in a child process with limits; no Django here."""

from ingestion.parsers.elements import Element, ParsedDocument
from ingestion.parsers.media_types import SUPPORTED_MEDIA_TYPES, media_type_of
from ingestion.parsers.process import ParserChild

__all__ = ["SUPPORTED_MEDIA_TYPES", "Element", "ParsedDocument", "ParserChild", "media_type_of"]
