"""Requests that nobody would send on purpose: query texts, filters, facets, settings and bodies drawn by chance.

Case N of a seed is always the same, so that one that fails can be sent again by its number alone.
"""

import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date
from urllib.parse import urlencode

from bench.fuzz_values import FIELDS, LONGEST, WORDS, Json, filters, junk, kind_of, mostly, text, value

JSON = "application/json"
GROUPS: tuple[tuple[str, ...], ...] = ((), ("hr",), ("hr", "it"))  # of the keys that the cases are sent with
_SHARES = (0, 0.3, 1)
_SETTINGS: dict[str, tuple[Json, ...]] = {
    "fusion": ("rrf", "z_score", "min_max"),
    "vector_weight": _SHARES,
    "language": ("de", "en", ""),
    "rank_constant": (1, 60, 1000),
    "k": (10, 50, 500),
    "rerank_window": (1, 20, 50),
    "rerank_blend": _SHARES,
    "diversity": _SHARES,
    "recency_weight": (0, 0.5),
    "recency_half_life_days": (1, 36_500),
    "popularity_weight": (0, 0.5),
    "neighbours": (0, 1, 5),
    "threshold": (-1, 0, 0.4, 1),
}
_NO_SETTINGS = ("rerank_model", "popularity_field", "nope", "")


@dataclass(frozen=True, slots=True)
class Case:
    """One request. `key` counts the access groups' keys."""

    number: int
    method: str
    path: str
    body: bytes
    content_type: str
    key: int


def case(seed: int, number: int) -> Case:
    """The case of a seed with this number."""
    rng = random.Random(f"{seed}:{number}")  # noqa: S311
    key = rng.randrange(len(GROUPS))
    kind = rng.choices(("search", "suggest", "explain", "ask", "raw"), (80, 7, 5, 5, 3))[0]
    if kind == "suggest":
        return Case(number, "GET", f"/api/v1/suggest?{_suggestion(rng)}", b"", JSON, key)
    if kind == "raw":
        return Case(number, "POST", "/api/v1/search", *_raw(rng), key)
    fields = {"search": _search, "explain": _explained, "ask": _asked}[kind](rng)
    return Case(number, "POST", f"/api/v1/{kind}", _encoded(_spoilt(rng, fields)), JSON, key)


def metadata(rng: random.Random) -> dict[str, Json]:
    """Of a document that the cases' filters and facets may find, beside those of the sample."""
    said: dict[str, Json] = {
        "department": rng.choice(("hr", "it", "ops")),
        "tags": rng.sample(("red", "green", "blue"), k=rng.randint(1, 3)),
        "year": rng.randint(1990, 2026),
        "weight": rng.choice((0.5, -3, 1e12)),
        "draft": rng.random() < 0.5,
        "due": date(rng.randint(2020, 2026), rng.randint(1, 12), rng.randint(1, 28)).isoformat(),
    }
    return {name: value for name, value in said.items() if rng.random() < 0.8}


def _encoded(fields: Json) -> bytes:
    """JSON as any client may write it, big integers too."""
    return json.dumps(fields, ensure_ascii=False).encode("utf-8", "surrogatepass")


def _search(rng: random.Random) -> dict[str, Json]:
    fields: dict[str, Json] = {"query": _question(rng)}
    options: dict[str, tuple[float, Callable[[], Json]]] = {
        "filters": (0.6, lambda: filters(rng)),
        "facets": (0.4, lambda: _facets(rng)),
        "facet_filters": (0.3, lambda: _selected(rng)),
        "mode": (0.4, lambda: rng.choice(("hybrid", "lexical", "vector"))),
        "sort": (0.2, lambda: _sort(rng)),
        "cursor": (0.1, lambda: mostly(rng, ("*",), (text(rng)[:2000],))),
        "top_k": (0.5, lambda: mostly(rng, (1, 5, 10, 100), (101, 0, 1.5))),
        "page": (0.2, lambda: mostly(rng, (1, 2, 10, 1000), (0, 1001))),
        "settings": (0.2, lambda: dict(_setting(rng) for _ in range(rng.randint(0, 5)))),
        "group_by": (0.2, lambda: rng.choice(("document", "chunk"))),
        "passages": (0.2, lambda: mostly(rng, (1, 2, 5), (0, 6))),
        "neighbours": (0.2, lambda: mostly(rng, (0, 1, 5, None), (-1, 6))),
        "rerank": (0.2, lambda: rng.choice((True, False, None))),
        "profile": (0.05, lambda: mostly(rng, ("default", None), (text(rng)[:61],))),
        "highlight": (0.2, lambda: rng.random() < 0.5),
        "explain": (0.1, lambda: True),
    }
    return fields | {name: draw() for name, (share, draw) in options.items() if rng.random() < share}


def _question(rng: random.Random) -> str:
    """Mostly no longer than is taken."""
    drawn = text(rng)
    return drawn if rng.random() < 1 / 30 else drawn[:LONGEST]


def _explained(rng: random.Random) -> dict[str, Json]:
    document = rng.choice(("fuzz-1", "fuzz-2", "sample/hr/leave.md", text(rng)))
    fields = _search(rng) | {"document": document}
    optional = {
        "passage": mostly(rng, (0, 1, 10**9, None), (-1,)),
        "groups": list(rng.choice(GROUPS)),
        "ask": rng.random() < 0.3,
    }
    return fields | {name: said for name, said in optional.items() if rng.random() < 0.4}


def _asked(rng: random.Random) -> dict[str, Json]:
    fields: dict[str, Json] = {"question": _question(rng), "filters": filters(rng)}
    turn = {"role": mostly(rng, ("user", "assistant"), ("system",)), "content": text(rng)}
    optional = {
        "history": [turn] * rng.choice((1, 9)),
        "stream": True,
        "top_k": mostly(rng, (1, 50), (51,)),
    }
    return fields | {name: said for name, said in optional.items() if rng.random() < 0.3}


def _facets(rng: random.Random) -> list[Json]:
    """Each field once, mostly."""
    names = rng.sample(FIELDS, k=rng.choice((1, 1, 2, 2, 5, len(FIELDS))))
    more = rng.choice(((), (), (), ("nothing",), (names[0],), ("year",) * 20)) if rng.random() < 0.1 else ()
    return [_facet(rng, name) for name in (*names, *more)]


def _facet(rng: random.Random, name: str) -> Json:
    if rng.random() < 0.5:
        return name
    kind = kind_of(name)
    facet: dict[str, Json] = {"field": name}
    if rng.random() < 0.4:
        facet["size"] = mostly(rng, (1, 1000), (0, 1001))
    if rng.random() < (0.6 if kind == "date" else 0.02):
        facet["interval"] = mostly(rng, ("year", "month", "day"), ("week",))
    elif rng.random() < (0.6 if kind in ("number", "date") else 0.02):
        bounds = rng.choice((("from", "to"), ("from", "to"), ("from",), ("to",)))
        count = mostly(rng, (1, 3, 50), (51,))
        facet["ranges"] = [{end: _bound(rng, kind) for end in bounds} for _ in range(count)]
    return facet


def _bound(rng: random.Random, kind: str) -> Json:
    """Of dates, mostly a day: no other is taken."""
    drawn = value(rng, kind)
    return mostly(rng, (drawn[:10],), (drawn,)) if kind == "date" and isinstance(drawn, str) else drawn


def _selected(rng: random.Random) -> Json:
    names = rng.sample(FIELDS, k=rng.choice((1, 1, 2, 5, len(FIELDS))))
    return {name: [_selection(rng, kind_of(name)) for _ in range(rng.choice((1, 2, 30)))] for name in names}


def _selection(rng: random.Random, kind: str) -> Json:
    if kind not in ("number", "date") or rng.random() < 0.5:
        return value(rng, kind)
    start, end = (str(_bound(rng, kind))[:40] for _ in range(2))
    return mostly(rng, (f"{start}..{end}", f"{start}..", f"..{end}"), ("..", f"{start}..{end}..{end}"))


def _sort(rng: random.Random) -> Json:
    name = mostly(rng, (*FIELDS, "relevance"), ("nothing", text(rng)[:90]))
    return f"{mostly(rng, ('', '-'), ('--',))}{name}"


def _setting(rng: random.Random) -> tuple[str, Json]:
    name = mostly(rng, tuple(_SETTINGS), _NO_SETTINGS)
    return name, mostly(rng, _SETTINGS.get(name, (1,)), (junk(rng), 0.5, 500))


def _spoilt(rng: random.Random, fields: dict[str, Json]) -> dict[str, Json]:
    """One field in sixteen cases has any type at all, or a name that is none."""
    if rng.random() < 1 / 16:
        fields[rng.choice((*fields, *fields, text(rng)[:40]))] = junk(rng)
    return fields


def _suggestion(rng: random.Random) -> str:
    many = "".join(f"{rng.choice(WORDS)[:3]} " for _ in range(50))
    drawn = text(rng)
    fields = {"q": rng.choice((mostly(rng, (drawn[:200],), (drawn,)), rng.choice(WORDS)[:3], many))}
    if rng.random() < 0.2:
        fields["size"] = str(mostly(rng, (1, 20), (21, "x", "9" * 5000)))
    return urlencode(fields, errors="replace")


def _nested(depth: int) -> bytes:
    return b'{"query": "pump", "filters": ' + b'{"not": ' * depth + b"null" + b"}" * depth + b"}"


def _raw(rng: random.Random) -> tuple[bytes, str]:
    """A body that is broken before anybody reads its fields, and what it says it is."""
    whole = _encoded({"query": text(rng)})
    bodies = (
        whole[: len(whole) // 2],
        whole + b"}",
        b"",
        b"\xff\xfe" + whole,
        b"[" * 100_000,
        b'{"filters":' * 5_000,
        *(_nested(depth) for depth in (400, 1000, 1020, 1100)),
        b'{"query": "\\ud800"}',
        b'{"query": "pump", "filters": {"field": "year", "op": "eq", "value": 1e999}}',
        b'{"query": "pump", "top_k": NaN}',
        b'{"query": "pump", "query": 1}',
        b"null",
        b'"pump"',
        b"[1]",
        rng.randbytes(200),
    )
    return rng.choice(bodies), rng.choice(
        (
            JSON,
            JSON,
            JSON,
            "text/plain",
            "multipart/form-data; boundary=x",
            "application/json; charset=utf-16",
        )
    )
