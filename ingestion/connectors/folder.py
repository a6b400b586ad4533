"""A folder on this machine, read recursively. Never leaves its root: links that lead out of it are passed over.

Config: `path`, `include` and `exclude` (glob patterns on the relative path), and `metadata_file`: a JSON object that
gives by relative path {"title"?, "metadata"?, "access"?, "language"?, "published_at"?, …}.
"""

import fnmatch
import json
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from django.conf import settings

from ingestion.connectors import ConfigField, Item
from ingestion.exceptions import SourceError, SourceItemError
from ingestion.parsers.media_types import EXTENSIONS

CONFIG_FIELDS = (
    ConfigField("path", "Folder", "Where it lies on the server, as /srv/handbook.", required=True),
    ConfigField(
        "include", "Include", "Patterns of paths, one a line, as *.pdf. None: every supported file.", "lines"
    ),
    ConfigField(
        "exclude", "Exclude", "Patterns of paths to leave out, one a line, as drafts or *.tmp.md.", "lines"
    ),
    ConfigField("metadata_file", "Metadata file", "JSON by relative path: title, metadata, access, dates."),
    ConfigField(
        "url_prefix", "Address prefix", "Put before the relative path, where readers can open the files."
    ),
    ConfigField(
        "allow_empty",
        "May become empty",
        "Else an empty folder deletes nothing: it may be unmounted.",
        "flag",
    ),
)
_KEYS = {field.name for field in CONFIG_FIELDS}


@dataclass(frozen=True, slots=True)
class FolderConnector:
    root: Path
    include: tuple[str, ...]
    exclude: tuple[str, ...]
    fields: Mapping[str, Mapping[str, Any]]
    url_prefix: str
    config_fields: ClassVar[tuple[ConfigField, ...]] = CONFIG_FIELDS

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> "FolderConnector":
        """Raises SourceError, naming the key that is wrong."""
        if unknown := set(config) - _KEYS:
            raise SourceError(
                f"A folder source has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(_KEYS))}."
            )
        root = _root(config)
        return cls(
            root=root,
            include=_patterns(config, "include") or tuple(f"*{extension}" for extension in EXTENSIONS),
            exclude=_patterns(config, "exclude"),
            fields=_sidecar(config, root),
            url_prefix=str(config.get("url_prefix", "")),
        )

    def items(self) -> Iterator[Item]:
        if not self.root.is_dir():
            raise SourceError(f"path: the folder {self.root} is not there.")
        yield from self._walk(self.root, "")

    def _walk(self, folder: Path, prefix: str) -> Iterator[Item]:
        """Depth first. A folder that can't be listed ends the sync: what is in it must not be taken for deleted."""
        try:
            entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
        except OSError as error:
            raise SourceError(f"path: {folder} can't be listed: {error.strerror}") from error
        for entry in entries:
            path = f"{prefix}{entry.name}"
            if entry.is_dir(follow_symlinks=False):
                if not _matches(f"{path}/", self.exclude):
                    yield from self._walk(Path(entry.path), f"{path}/")
            elif self._wants(path, entry):
                yield self._item(path, entry)

    def _wants(self, path: str, entry: "os.DirEntry[str]") -> bool:
        if not _matches(path, self.include) or _matches(path, self.exclude):
            return False
        return not entry.is_symlink() or Path(entry.path).resolve().is_relative_to(self.root)

    def _item(self, path: str, entry: "os.DirEntry[str]") -> Item:
        try:
            path.encode()
            marks = entry.stat()
        except UnicodeEncodeError:
            readable = path.encode("utf-8", "backslashreplace").decode()
            return Item(readable, 0, 0, refusal="The name is not valid UTF-8.")
        except OSError as error:
            return Item(path, 0, 0, refusal=f"It can't be read: {error.strerror}.")
        too_large = marks.st_size > settings.INGESTION_MAX_DOCUMENT_BYTES
        refusal = (
            f"It has {marks.st_size} bytes; {settings.INGESTION_MAX_DOCUMENT_BYTES} are taken."
            if too_large
            else ""
        )
        return Item(path, marks.st_mtime_ns, marks.st_size, self.fields.get(path, {}), refusal)

    def read(self, external_id: str) -> bytes:
        path = (self.root / external_id).resolve()
        if not path.is_relative_to(self.root):
            raise SourceItemError(f"{external_id} leads out of the folder.")
        try:
            return path.read_bytes()
        except OSError as error:
            raise SourceItemError(f"{external_id} can't be read: {error.strerror}.") from error

    def url(self, external_id: str) -> str:
        return f"{self.url_prefix}{external_id}" if self.url_prefix else ""


def _root(config: Mapping[str, Any]) -> Path:
    if not isinstance(config.get("path"), str) or not config["path"]:
        raise SourceError("path: name the folder.")
    root = Path(config["path"]).expanduser().resolve()
    allowed = [Path(folder).resolve() for folder in settings.INGESTION_FOLDER_ROOTS]
    if allowed and not any(root.is_relative_to(folder) for folder in allowed):
        raise SourceError(f"path: {root} lies outside of INGESTION_FOLDER_ROOTS.")
    return root


def _patterns(config: Mapping[str, Any], key: str) -> tuple[str, ...]:
    patterns = config.get(key, [])
    if not isinstance(patterns, list) or not all(isinstance(pattern, str) for pattern in patterns):
        raise SourceError(f'{key}: give a list of patterns, as ["*.md"].')
    return tuple(patterns)


def _matches(path: str, patterns: tuple[str, ...]) -> bool:
    name = path.rstrip("/").rsplit("/", 1)[-1]
    return any(
        fnmatch.fnmatch(path, pattern)
        or fnmatch.fnmatch(name, pattern)
        or fnmatch.fnmatch(path, f"{pattern.rstrip('/')}/")
        for pattern in patterns
    )


def _sidecar(config: Mapping[str, Any], root: Path) -> Mapping[str, Mapping[str, Any]]:
    if not config.get("metadata_file"):
        return {}
    path = root / str(config["metadata_file"])
    try:
        entries = json.loads(path.read_text())
    except (OSError, ValueError) as error:
        raise SourceError(f"metadata_file: {path} can't be read: {error}") from error
    if not isinstance(entries, dict) or not all(isinstance(entry, dict) for entry in entries.values()):
        raise SourceError(f"metadata_file: {path} is not an object of objects by relative path.")
    return entries
