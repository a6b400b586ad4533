"""Pure: judged queries from files in the field's formats: BEIR, TREC, CSV.

A wrong line is an error that names its file and number: a set that is read in part gives wrong figures.
"""

import csv
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from search.evaluation.datasets import DatasetError

HIGHEST_GRADE = 4
_TOPIC = re.compile(r"<top>(.*?)</top>", re.DOTALL | re.IGNORECASE)
_NUMBER = re.compile(r"<num>\s*(?:Number:)?\s*([^\s<]+)", re.IGNORECASE)
_TITLE = re.compile(r"<title>\s*(?:Topic:)?\s*([^<]+)", re.IGNORECASE)
_COLUMNS = ("query_id", "query", "document", "grade", "language", "filters", "unanswerable")
_TRUE = ("1", "true", "yes")


@dataclass(frozen=True, slots=True)
class TextFile:
    """A file's name, for messages, and its text."""

    name: str
    text: str

    def lines(self) -> Iterator[tuple[str, str]]:
        """(line, "file:number") of each line that is not blank."""
        for number, line in enumerate(self.text.splitlines(), start=1):
            if line.strip():
                yield line, f"{self.name}:{number}"


@dataclass(slots=True)
class ImportedQuery:
    """A query with its grades by document."""

    id: str
    text: str
    filters: Mapping[str, Any] | None = None
    language: str = ""
    is_unanswerable: bool = False
    grades: dict[str, int] = field(default_factory=dict)


Imported = list[ImportedQuery]


def read_beir(queries: TextFile, qrels: TextFile) -> Imported:
    """queries.jsonl (`_id`, `text`, and optionally `filters`, `language`, `answerable`) and qrels by tabs.

    Raises DatasetError.
    """
    found: dict[str, ImportedQuery] = {}
    for line, where in queries.lines():
        _add(found, _json_query(line, where), where)
    for line, where in qrels.lines():
        cells = line.split("\t")
        if where.endswith(":1") and cells[-1].strip() == "score":
            continue
        _need(len(cells) == 3, where, "expected query-id, corpus-id and score, apart by tabs")
        _judge(found, cells[0], cells[1], cells[2], where=where)
    return list(found.values())


def read_trec(topics: TextFile, qrels: TextFile) -> Imported:
    """Topics as `<top>` blocks or as lines of id and text by a tab; qrels as `topic 0 document grade`.

    Negative grades (spam) count as 0. Raises DatasetError.
    """
    found: dict[str, ImportedQuery] = {}
    for query, where in _topics(topics):
        _add(found, query, where)
    for line, where in qrels.lines():
        cells = line.split()
        _need(len(cells) == 4, where, "expected topic, iteration, document and grade, apart by spaces")
        _judge(found, cells[0], cells[2], cells[3], where=where)
    return list(found.values())


def read_csv(file: TextFile) -> Imported:
    """A table with a header: query, document and grade, and optionally query_id, language, filters, unanswerable.

    Equal texts are one query. A query that nothing answers has no document. Raises DatasetError.
    """
    rows = csv.reader(file.text.splitlines(), strict=True)
    header = [name.strip().lower() for name in _next_row(rows, f"{file.name}:1")]
    unknown = [name for name in header if name not in _COLUMNS]
    _need(
        not unknown,
        f"{file.name}:1",
        f"there is no column {unknown[0] if unknown else ''!r}; there are {', '.join(_COLUMNS)}",
    )
    missing = [name for name in ("query", "document", "grade") if name not in header]
    _need(not missing, f"{file.name}:1", f"the column {missing[0] if missing else ''!r} is missing")
    found: dict[str, ImportedQuery] = {}
    while cells := _next_row(rows, f"{file.name}:{rows.line_num + 1}"):
        where = f"{file.name}:{rows.line_num}"
        _need(len(cells) == len(header), where, f"expected {len(header)} cells and found {len(cells)}")
        _csv_row(found, dict(zip(header, (cell.strip() for cell in cells), strict=True)), where)
    return list(found.values())


def _next_row(rows: Any, where: str) -> list[str]:
    """The next row that is not blank; none at the end."""
    try:
        return next((row for row in rows if any(cell.strip() for cell in row)), [])
    except csv.Error as error:
        raise DatasetError(f"{where}: not CSV: {error}.") from error


def _csv_row(found: dict[str, ImportedQuery], row: Mapping[str, str], where: str) -> None:
    text = row["query"]
    _need(bool(text), where, "the query is missing")
    query_id = row.get("query_id") or sha256(text.encode()).hexdigest()[:12]
    query = found.setdefault(
        query_id,
        ImportedQuery(
            query_id,
            text,
            filters=_filters(row.get("filters", ""), where),
            language=row.get("language", ""),
            is_unanswerable=row.get("unanswerable", "").lower() in _TRUE,
        ),
    )
    _need(query.text == text, where, f"the query {query_id!r} has another text before")
    if row["document"]:
        _judge(found, query_id, row["document"], row["grade"], where=where)
    else:
        _need(query.is_unanswerable, where, "the document is missing")


def _filters(text: str, where: str) -> Mapping[str, Any] | None:
    if not text:
        return None
    filters = _json(text, where)
    _need(isinstance(filters, dict), where, "the filters are not a JSON object")
    return dict(filters)


def _json_query(line: str, where: str) -> ImportedQuery:
    fields = _json(line, where)
    _need(isinstance(fields, dict), where, "not an object")
    for key in ("_id", "text"):
        _need(isinstance(fields.get(key), str | int) and fields[key] != "", where, f"{key} is missing")
    filters = fields.get("filters")
    _need(filters is None or isinstance(filters, dict), where, "the filters are not an object")
    return ImportedQuery(
        str(fields["_id"]),
        str(fields["text"]),
        filters=filters,
        language=str(fields.get("language") or ""),
        is_unanswerable=fields.get("answerable") is False,
    )


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise DatasetError(f"{where}: not JSON: {error}.") from error


def _topics(file: TextFile) -> Iterator[tuple[ImportedQuery, str]]:
    if "<top>" not in file.text.lower():
        for line, where in file.lines():
            number, tab, text = line.partition("\t")
            _need(
                bool(tab and number.strip() and text.strip()),
                where,
                "expected a number and a text, apart by a tab",
            )
            yield ImportedQuery(number.strip(), text.strip()), where
        return
    for block in _TOPIC.finditer(file.text):
        where = f"{file.name}:{file.text.count(chr(10), 0, block.start()) + 1}"
        number_found, title = _NUMBER.search(block[1]), _TITLE.search(block[1])
        _need(number_found is not None, where, "the topic has no <num>")
        _need(title is not None and bool(title[1].strip()), where, "the topic has no <title>")
        assert number_found is not None  # noqa: S101  said above
        assert title is not None  # noqa: S101
        yield ImportedQuery(number_found[1], " ".join(title[1].split())), where


def _add(found: dict[str, ImportedQuery], query: ImportedQuery, where: str) -> None:
    _need(query.id not in found, where, f"the query {query.id!r} is there twice")
    found[query.id] = query


def _judge(
    found: Mapping[str, ImportedQuery], query_id: str, document: str, grade: str, *, where: str
) -> None:
    _need(query_id in found, where, f"there is no query {query_id!r}")
    _need(bool(re.fullmatch(r"-?\d+", grade.strip())), where, f"the grade {grade!r} is not a whole number")
    value = max(int(grade), 0)
    _need(value <= HIGHEST_GRADE, where, f"the grade {value} is over {HIGHEST_GRADE}")
    found[query_id].grades[document] = value


def _need(holds: bool, where: str, text: str) -> None:
    if not holds:
        raise DatasetError(f"{where}: {text}.")
