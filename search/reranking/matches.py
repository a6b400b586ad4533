"""Pure: how a query's terms stand in one passage: covered, in the title, in phrases, near each other."""

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Self

from search.reranking.terms import Terms

NAMES = (
    "coverage", "words found", "coverage by title", "title asked for", "coverage by headings",
    "longest phrase", "ordered pairs", "ordered pairs in title",
    "tightest span", "coverage nearby", "first match", "density", "words again",
)  # fmt: skip
NEARBY = 25  # terms
_RAREST = 4  # of the matched terms, whose tightest span is looked for
_SATURATION, _LENGTH_SHARE = 1.2, 0.75  # BM25's k1 and b


@dataclass(frozen=True, slots=True)
class Passage:
    """A hit's texts as terms; `counts` are those of all three."""

    body: Terms
    title: Terms
    headings: Terms
    counts: Mapping[str, int]

    @classmethod
    def of(cls, body: Terms, title: Terms, headings: Terms) -> Self:
        return cls(body, title, headings, Counter((*body, *title, *headings)))


@dataclass(frozen=True, slots=True)
class Asked:
    """A query's terms with their rarity: `known` are those that any hit holds."""

    terms: frozenset[str]
    known: Mapping[str, float]
    pairs: Mapping[tuple[str, str], float]
    total: float
    known_total: float


def asked(query: Terms, rarity: Mapping[str, float]) -> Asked:
    """A term that no hit holds weighs as much as the rarest that one does."""
    rarest = max(rarity.values(), default=1.0)
    weights = {term: rarity.get(term, rarest) for term in dict.fromkeys(query)}
    known = {term: weight for term, weight in weights.items() if term in rarity}
    pairs = {pair: weights[pair[0]] + weights[pair[1]] for pair in pairwise(query)}
    return Asked(
        terms=frozenset(weights),
        known=known,
        pairs=pairs,
        total=sum(weights.values()) or 1.0,
        known_total=sum(known.values()) or 1.0,
    )


def matched(query: Asked, passage: Passage, *, typical: float) -> list[float]:
    """A value for each of NAMES; `typical` is the mean length of the passages' bodies, in terms."""
    places = _places(query, passage.body)
    found = [term for term in query.known if term in passage.counts]
    title, headings = frozenset(passage.title), frozenset(passage.headings)
    size = max(len(passage.body), 1)
    along = sorted((place, term) for term, at in places.items() for place in at)
    return [
        sum(query.known[term] for term in found) / query.known_total,
        len(found) / max(len(query.terms), 1),
        _weight(query, title) / query.known_total,
        len(title & query.terms) / max(len(title), 1),
        _weight(query, headings) / query.known_total,
        _longest_phrase(query, passage.body, along),
        _pairs(query, ((passage.body[place - 1], term) for place, term in along if place)),
        _pairs(query, pairwise(passage.title)),
        _tightest(query, places),
        _nearby(query, along),
        along[0][0] / size if along else 1.0,
        sum(query.known[term] for _, term in along) / size,
        _bm25(query, places, length=size / typical),
    ]


def _places(query: Asked, body: Terms) -> dict[str, list[int]]:
    """Where each of the query's terms stands; those that do not are left out."""
    places: dict[str, list[int]] = {}
    for place, term in enumerate(body):
        if term in query.known:
            places.setdefault(term, []).append(place)
    return places


def _weight(query: Asked, held: frozenset[str]) -> float:
    return sum(weight for term, weight in query.known.items() if term in held)


def _pairs(query: Asked, neighbours: Iterable[tuple[str, str]]) -> float:
    """The share of the query's neighbouring terms that are neighbours here, by weight."""
    found = query.pairs.keys() & set(neighbours)
    return sum(query.pairs[pair] for pair in found) / (2 * query.total)


def _longest_phrase(query: Asked, body: Terms, along: Sequence[tuple[int, str]]) -> float:
    """The weight of the heaviest run of neighbouring terms that follow each other in the query too."""
    best = run = 0.0
    for place, term in along:
        follows = place > 0 and (body[place - 1], term) in query.pairs
        run = (run if follows else 0.0) + query.known[term]
        best = max(best, run)
    return best / query.total


def _tightest(query: Asked, places: Mapping[str, Sequence[int]]) -> float:
    """Terms / length of the shortest span that holds the rarest of those matched; 1 when they are neighbours."""
    rarest = sorted(places, key=lambda term: -query.known[term])[:_RAREST]
    if len(rarest) < 2:
        return 0.0
    along = sorted((place, term) for term in rarest for place in places[term])
    last: dict[str, int] = {}
    shortest = along[-1][0] - along[0][0] + 1
    for place, term in along:
        last[term] = place
        if len(last) == len(rarest):
            shortest = min(shortest, place - min(last.values()) + 1)
    return len(rarest) / shortest


def _nearby(query: Asked, along: Sequence[tuple[int, str]]) -> float:
    """The best coverage by any stretch of NEARBY terms."""
    best = weight = 0.0
    first = 0
    inside: dict[str, int] = {}
    for place, term in along:
        inside[term] = inside.get(term, 0) + 1
        if inside[term] == 1:
            weight += query.known[term]
        while along[first][0] <= place - NEARBY:
            gone = along[first][1]
            inside[gone] -= 1
            if not inside[gone]:
                weight -= query.known[gone]
            first += 1
        best = max(best, weight)
    return best / query.known_total


def _bm25(query: Asked, places: Mapping[str, Sequence[int]], *, length: float) -> float:
    """BM25 with the rarity of these hits: the words again, for the text alone."""
    norm = _SATURATION * (1 - _LENGTH_SHARE + _LENGTH_SHARE * length)
    return sum(
        query.known[term] * len(at) * (1 + _SATURATION) / (len(at) + norm) for term, at in places.items()
    )
