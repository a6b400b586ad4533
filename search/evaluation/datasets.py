"""Judged sets in BEIR form: corpus.jsonl or documents/, queries.jsonl, qrels/test.tsv.

A wrong line is an error that names its file and number: a set that is read in part gives wrong figures.
"""

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import zstandard

from search.evaluation.measures import Judgements, relevant
from search.exceptions import SearchError


class DatasetError(SearchError):
    """A judged set that can't be read; the message names the file and the line."""

    code = "dataset_error"


@dataclass(frozen=True, slots=True)
class Passage:
    """One line of corpus.jsonl."""

    id: str
    title: str
    text: str
    metadata: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Query:
    """One line of queries.jsonl; `fields` is the whole line."""

    id: str
    text: str
    fields: Mapping[str, Any] = field(default_factory=dict)

    def value(self, name: str) -> Any:
        """A field of the line, or of its `metadata`; None when it has none."""
        metadata = self.fields.get("metadata")
        inner = metadata.get(name) if isinstance(metadata, Mapping) else None
        return self.fields.get(name, inner)


@dataclass(frozen=True, slots=True)
class JudgedSet:
    """A set on disk. `queries` are those with a relevant document; only they are measured."""

    folder: Path
    queries: tuple[Query, ...]
    qrels: Mapping[str, Judgements]

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def documents(self) -> Path | None:
        """The folder of files that stands in place of corpus.jsonl, if there is one."""
        return _documents(self.folder)

    @property
    def sidecar(self) -> Path | None:
        """metadata.json beside documents/: what is said of each file, by its relative path."""
        path = self.folder / "metadata.json"
        return path if path.is_file() else None

    def passages(self) -> Iterator[Passage]:
        """The corpus, read as it is asked for. Raises DatasetError."""
        return read_passages(self.folder / "corpus.jsonl")


def read_passages(path: Path) -> Iterator[Passage]:
    """The passages of JSON Lines, plain or compressed (.zst). Raises DatasetError."""
    return (_passage(line, where) for line, where in _lines(path))


def read_set(folder: Path) -> JudgedSet:
    """A set's queries and judgements. Raises DatasetError."""
    folder = _with_corpus(folder)
    qrels = _read_qrels(folder / "qrels" / "test.tsv")
    queries = {query.id: query for query in _read_queries(folder / "queries.jsonl")}
    judged = [query_id for query_id, judgements in qrels.items() if relevant(judgements)]
    if missing := [query_id for query_id in judged if query_id not in queries]:
        raise DatasetError(f"{folder}: queries.jsonl lacks {len(missing)} judged queries, as {missing[0]!r}.")
    if not judged:
        raise DatasetError(f"{folder}: no query has a relevant document.")
    return JudgedSet(folder, tuple(queries[query_id] for query_id in judged), qrels)


def read_questions(folder: Path) -> JudgedSet:
    """A set of questions with and without an answer here; the judgements are empty where it has none.

    A question's line holds `answerable` and, where that is true, `answers`: ways to put it. Raises DatasetError.
    """
    folder = _with_corpus(folder)
    path, qrels = folder / "queries.jsonl", folder / "qrels" / "test.tsv"
    queries = tuple(_read_queries(path))
    for query in queries:
        answers, answerable = query.fields.get("answers"), query.fields.get("answerable")
        if not isinstance(answerable, bool) or not isinstance(answers, list) or (answerable and not answers):
            raise DatasetError(
                f"{path}: {query.id!r} does not say whether it is answerable, and by which answers."
            )
    return JudgedSet(folder, queries, _read_qrels(qrels) if qrels.is_file() else {})


def _with_corpus(folder: Path) -> Path:
    folder = folder.resolve()
    if not (folder / "corpus.jsonl").is_file() and _documents(folder) is None:
        raise DatasetError(f"{folder} holds neither corpus.jsonl nor documents/.")
    return folder


def _documents(folder: Path) -> Path | None:
    """`documents/`, or `pdfs/` as ARAGOG calls it."""
    folders = (folder / name for name in ("documents", "pdfs"))
    return next((one for one in folders if one.is_dir()), None)


def _read_queries(path: Path) -> Iterator[Query]:
    for line, where in _lines(path):
        yield Query(_text(line, "_id", where), _text(line, "text", where), line)


def _read_qrels(path: Path) -> dict[str, dict[str, int]]:
    qrels: dict[str, dict[str, int]] = {}
    with _opened(path) as file:
        rows = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        for number, row in enumerate(rows, start=1):
            if not row or (number == 1 and not _is_number(row[-1])):
                continue
            if len(row) != 3 or not _is_number(row[2]):
                raise DatasetError(f"{path}:{number}: expected query-id, corpus-id and score, apart by tabs.")
            qrels.setdefault(row[0], {})[row[1]] = int(row[2])
    return qrels


def _is_number(text: str) -> bool:
    return text.strip().removeprefix("-").isdigit()


def _passage(line: Mapping[str, Any], where: str) -> Passage:
    metadata = line.get("metadata") or {}
    if not isinstance(metadata, Mapping):
        raise DatasetError(f"{where}: metadata is not an object.")
    return Passage(
        _text(line, "_id", where), str(line.get("title") or ""), str(line.get("text") or ""), metadata
    )


def _text(line: Mapping[str, Any], key: str, where: str) -> str:
    value = line.get(key)
    if not isinstance(value, str | int) or value == "":
        raise DatasetError(f"{where}: {key} is missing.")
    return str(value)


def _lines(path: Path) -> Iterator[tuple[Mapping[str, Any], str]]:
    """(object, "file:number") of each line that is not blank."""
    with _opened(path) as file:
        for number, text in enumerate(file, start=1):
            if text.strip():
                yield _object(text, f"{path}:{number}"), f"{path}:{number}"


def _object(text: str, where: str) -> Mapping[str, Any]:
    try:
        line = json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{where}: not JSON: {error}") from error
    if not isinstance(line, dict):
        raise DatasetError(f"{where}: not an object.")
    return line


def _opened(path: Path) -> Any:
    try:
        if path.suffix == ".zst":
            return zstandard.open(path, "rt", encoding="utf-8")
        return path.open(encoding="utf-8", newline="")
    except OSError as error:
        raise DatasetError(f"{path} can't be read: {error.strerror}.") from error
