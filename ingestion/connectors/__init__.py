"""Connectors: one module a kind of source, found by the dotted paths of INGESTION_CONNECTORS.

A connector lists what there is, with version marks, and reads one item's bytes. It never touches the database.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from django.conf import settings
from django.utils.module_loading import import_string

from ingestion.exceptions import SourceError


@dataclass(frozen=True, slots=True)
class Item:
    """One thing found at a source. `fields` is what the source says of it beside its content."""

    external_id: str
    mtime_ns: int
    size: int
    fields: Mapping[str, Any] = field(default_factory=dict)
    refusal: str = ""


@dataclass(frozen=True, slots=True)
class ConfigField:
    """One setting of a kind of source, as a form asks for it."""

    name: str
    label: str
    help: str
    kind: Literal["text", "lines", "flag"] = "text"
    required: bool = False


class Connector(Protocol):
    """One source, open for a sync or a fetch. Raises SourceError when the source can't be read at all."""

    def items(self) -> Iterator[Item]:
        """Everything that is there, once each, in no set order. An unreadable item carries its `refusal`."""
        ...

    def read(self, external_id: str) -> bytes:
        """An item's bytes. Raises SourceItemError when it is gone or can't be read."""
        ...

    def url(self, external_id: str) -> str:
        """Where a reader finds it; "" when there is no such place."""
        ...


def open_connector(kind: str, config: Mapping[str, Any]) -> Connector:
    """The connector of a source's kind with its config checked. Raises SourceError, naming what is wrong."""
    if kind not in settings.INGESTION_CONNECTORS:
        known = ", ".join(sorted(settings.INGESTION_CONNECTORS))
        raise SourceError(f"There is no source kind {kind!r}; there are {known}.")
    connector: Connector = import_string(settings.INGESTION_CONNECTORS[kind]).from_config(config)
    return connector


def config_fields(kind: str) -> tuple[ConfigField, ...]:
    """What a kind of source is configured by."""
    fields: tuple[ConfigField, ...] = import_string(settings.INGESTION_CONNECTORS[kind]).config_fields
    return fields
