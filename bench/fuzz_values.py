"""What fuzzed requests are made of: texts, values, filters, drawn by chance, mostly of the right type."""

import random
from collections.abc import Callable, Sequence
from datetime import date
from typing import Any

Json = Any
NAMES = {
    "keyword": ("department", "tags", "metadata.audience", "source", "language", "media_type", "document"),
    "number": ("year", "metadata.year", "weight"),
    "boolean": ("draft",),
    "date": ("due", "published_at", "metadata.due"),
}
_KINDS = {name: kind for kind, names in NAMES.items() for name in names}
FIELDS = tuple(_KINDS)
WORDS = (
    "calibration",
    "pump",
    "invoice",
    "leave",
    "holiday",
    "sensor",
    "E-21",
    "KX-400",
    "travel",
    "backup",
    "the",
)
LONGEST = 2000  # characters of a query
_MARKUP = (
    "<script>alert(1)</script>",
    "</mark>",
    "<!--",
    "&lt;",
    "]]>",
    "<img src=x onerror=x>",
    "{{7*7}}",
    "${x}",
)
_OPERATORS = (
    '"',
    "-",
    "+",
    "(",
    ")",
    "*",
    "?",
    "~",
    "^",
    "\\",
    "/",
    "AND",
    "OR",
    "NOT",
    ":",
    ">=",
    "<",
    "&&",
    "!",
    "“",
    "«",
)
_SYNTAX = (
    "/(a+)+$/",
    "title:*",
    "_id:1",
    "[1 TO *]",
    "a~9",
    "' OR 1=1 --",
    "*:*",
    '{"match_all":{}}',
    "%00",
    "../../etc",
)
_RANGES = (
    (0x20, 0x7F),
    (0xA0, 0x250),
    (0x370, 0x600),
    (0x900, 0xE80),
    (0x3040, 0x30FF),
    (0x4E00, 0x9FFF),
    (0xAC00, 0xD7A3),
)
_STRANGE = (
    (0x0, 0x20),
    (0x7F, 0xA0),
    (0x200B, 0x2070),
    (0xE000, 0xF8FF),
    (0xFE00, 0xFFFF),
    (0x1F300, 0x1FAFF),
    (0xE0000, 0xE01EF),
)
_DATES = (
    *("2024-02-29", "2023-05-01T10:00:00Z", "0001-01-01", "9999-12-31", "9999-12-31T23:59:59.999999"),
    *("2024-01-01T00:00:00+00:00:30", "2024-W01-1", "20240131", "2024-01-31T10", "2024-01-31 10:00"),
)
_NO_DATES = (
    *("2024", "2024-05", "2023-02-30", "today", "2024-1-1", "-0001-01-01", "10000-01-01"),
    *("9999-12-31T23:59:59-23:59", "0001-01-01T00:00:00+23:59", "2024-06-30T23:59:60Z"),
)
_NUMBERS = (
    0,
    -1,
    1,
    2024,
    2**31,
    2**63 - 1,
    2**63,
    2**64 - 1,
    -(2**63),
    10**30,
    1e299,
    -1e299,
    5e-324,
    0.1,
)
_EQUALITY = ("eq", "ne", "in", "nin", "exists")
_ORDER = ("gt", "gte", "lt", "lte")
_OPS = {
    "keyword": (*_EQUALITY, "prefix"),
    "number": (*_EQUALITY, *_ORDER),
    "boolean": _EQUALITY,
    "date": (*_EQUALITY, *_ORDER),
}
_NO_OPS = ("regexp", "wildcard", "prefix", "gt", "", "EQ")


def mostly(rng: random.Random, taken: Sequence[Json], refused: Sequence[Json]) -> Json:
    """One that the API takes; in one of thirty draws, one that it does not."""
    return rng.choice(refused if rng.random() < 1 / 30 else taken)


def kind_of(name: str) -> str:
    """The type of a field; of one that is none, a keyword's."""
    return _KINDS.get(name, "keyword")


def text(rng: random.Random) -> str:
    """What somebody, or something, types into a search box."""
    kinds: tuple[tuple[int, Callable[[random.Random], str]], ...] = (
        (4, _plain),
        (4, _typed),
        (2, lambda rng: _letters(rng, _RANGES, 60)),
        (2, lambda rng: _letters(rng, _STRANGE, 40)),
        (2, _long),
        (2, lambda rng: " ".join(text(rng) for _ in range(2))),
        (1, lambda rng: rng.choice(_MARKUP) + _plain(rng)),
        (1, lambda rng: rng.choice(_SYNTAX)),
        (
            1,
            lambda rng: rng.choice(
                ('"', "“", "-", '""', '"""', '-"', ":", "", " ", "\t", "\x00", '"pump', "''")
            ),
        ),
    )
    weights = [weight for weight, _ in kinds]
    return rng.choices([draw for _, draw in kinds], weights)[0](rng)


def _plain(rng: random.Random) -> str:
    return " ".join(rng.choices(WORDS, k=rng.randint(1, 6)))


def _typed(rng: random.Random) -> str:
    """Operators of the typed query language, right and wrong."""
    parts = [rng.choice((_operator, _condition, _plain))(rng) for _ in range(rng.randint(1, 14))]
    return rng.choice((" ", " ", "")).join(parts)


def _operator(rng: random.Random) -> str:
    return rng.choice(
        (rng.choice(_OPERATORS), f'"{_plain(rng)}"', f"-{rng.choice(WORDS)}", f'-"{_plain(rng)}"')
    )


def _condition(rng: random.Random) -> str:
    name = rng.choice((*FIELDS, "nothing", "YEAR"))
    value = rng.choice(
        (*map(str, _NUMBERS), *_DATES, *_NO_DATES, "true", "no", "hr", '"red"', '"', "", "a" * 300)
    )
    return f"{rng.choice(('', '-'))}{name}:{rng.choice(('', '>', '<=', '>', ':'))}{value}"


def _letters(rng: random.Random, ranges: tuple[tuple[int, int], ...], most: int) -> str:
    drawn = (rng.choice(ranges) for _ in range(rng.randint(1, most)))
    return "".join(chr(rng.randrange(*bounds)) for bounds in drawn)


def _long(rng: random.Random) -> str:
    """A word of 10 kB, thousands of terms, or as much as is just allowed."""
    letter = rng.choice(("a", "ß", "漢", "\u0301", "😀", "1", "-", '"', "a-1 ", "x ", "é"))
    size = rng.choice((300, 1990, 2000, 2001, 10_000))
    if rng.random() < 0.5:
        return (letter * size)[:size]
    words = (f"{rng.choice(WORDS)[:4]}{rng.choice('aeiou')}" for _ in range(size // 4))
    return rng.choice((" ", "-", '" "', " -")).join(words)[:size]


def value(rng: random.Random, kind: str) -> Json:
    """Mostly of the field's kind."""
    if rng.random() < 0.01:
        return rng.choice((junk(rng), "a" * 40_000, rng.choice(_NO_DATES)))
    match kind:
        case "number":
            return rng.choice((*_NUMBERS, rng.randint(1990, 2026)))
        case "boolean":
            return rng.random() < 0.5
        case "date":
            return rng.choice((*_DATES, f"20{rng.randint(20, 26)}-0{rng.randint(1, 9)}-15"))
    return rng.choice(("hr", "it", "red", "en", "sample", text(rng)))


def junk(rng: random.Random) -> Json:
    """A value of any type."""
    return rng.choice(
        (None, True, -1, 0, 1e308, 2**64, "", "x", [], {}, [[]], {"a": 1}, [None], "\x00", "9" * 400)
    )


def tree(rng: random.Random, depth: int) -> Json:
    """A filter at most so deep; deeper than allowed now and then."""
    if depth <= 1 or rng.random() < 0.35:
        return _leaf(rng)
    op = rng.choice(("and", "or", "not"))
    if op == "not":
        return {"not": tree(rng, depth - 1)}
    return {op: [tree(rng, depth - 1) for _ in range(rng.choice((1, 2, 2, 3)))]}


def _leaf(rng: random.Random) -> Json:
    """One condition; one in thirty names no field or no operator of it."""
    name = "nothing" if rng.random() < 0.01 else rng.choice(FIELDS)
    kind = kind_of(name)
    op = rng.choice(_NO_OPS if rng.random() < 0.02 else _OPS[kind])
    values = (
        [value(rng, kind) for _ in range(rng.choice((1, 3, 3)))] if op in ("in", "nin") else value(rng, kind)
    )
    return {"field": name, "op": op, "value": rng.random() < 0.5 if op == "exists" else values}


def filters(rng: random.Random) -> Json:
    """None, a tree, a wide one, one with very many values, or a very deep one."""
    kind = rng.choices(("none", "tree", "wide", "values", "deep", "junk"), (40, 40, 6, 6, 5, 3))[0]
    match kind:
        case "tree":
            return tree(rng, rng.randint(1, 9))
        case "wide":
            return {rng.choice(("and", "or")): [_leaf(rng) for _ in range(rng.randint(20, 105))]}
        case "values":
            return _many_values(rng)
        case "deep":
            return _deep(rng, rng.choice((8, 9, 100, 200)))
        case "junk":
            return junk(rng)
    return None


def _many_values(rng: random.Random) -> Json:
    """Lists as long as allowed, in several conditions at once."""
    members = []
    for _ in range(rng.randint(1, 4)):
        name = rng.choice(FIELDS)
        size = mostly(rng, (20, 90) if _KINDS[name] == "date" else (300, 1000), (101, 1001))
        members.append({"field": name, "op": rng.choice(("in", "nin")), "value": _values(_KINDS[name], size)})
    return {rng.choice(("and", "or")): members}


def _values(kind: str, size: int) -> list[Json]:
    if kind == "date":
        return [date.fromordinal(737_000 + number).isoformat() for number in range(size)]
    return [
        number if kind == "number" else number % 2 == 0 if kind == "boolean" else f"v{number}"
        for number in range(size)
    ]


def _deep(rng: random.Random, depth: int) -> Json:
    node = _leaf(rng)
    for _ in range(depth):
        node = {"not": node} if rng.random() < 0.5 else {"and": [node]}
    return node
