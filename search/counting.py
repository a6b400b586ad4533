"""Pure: the bodies that count distinct documents, in all and by facet, and what their answers say.

Counted with the lexical leg alone: what a hybrid response calls total is the union of the legs' windows and moves
with k. Up to COUNT_LIMIT documents each is counted once, exactly; above, the total is a bound and facets are estimates.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from typing import Any

from search import filters, query
from search.facets import INTERVALS, RANGES, Facet, Range, range_name
from search.filters import Filter
from search.types import FacetValue, FieldType, Total

Body = dict[str, Any]
COUNT_LIMIT = 10_000
_MATCHED = "matched"  # the group of all documents that match; others are named after their facet
_LARGEST = 1e308
_PERIOD_LENGTHS = {"year": 4, "month": 7, "day": 10}

# The engine's `cardinality` hashes into 2^25 places, so that it is wrong by one or more in 13 of 100 counts of 3,000
# documents, and by a percent above. This sees each document once; all its chunks carry the same fields.
# After each chunk the engine walks through every map and list of the state; an Optional is opaque to it.
_BEGIN = """
List facets = new ArrayList();
for (facet in params.facets) { facets.add(new HashMap()); }
state.seen = Optional.of(new HashSet());
state.facets = Optional.of(facets);
"""
_SEE_ONCE = """
Set seen = (Set) state.seen.get();
Long id = (Long) doc['document_id'].value;
if (seen.size() > params.limit || !seen.add(id)) { return; }
for (int f = 0; f < params.facets.size(); f++) {
  Map facet = params.facets[f];
  if (!doc.containsKey(facet.path)) { continue; }  // declared, but no document has had it yet
  Map found = state.facets.get()[f];
  List ranges = facet.ranges;
  int length = facet.length;
  def last = null;
  for (value in doc[facet.path]) {
    def bucket = length > 0 ? value.toString().substring(0, length) : value;
    if (bucket == last) { continue; }
    last = bucket;
    if (ranges.size() == 0) {
      found.computeIfAbsent(bucket, key -> new ArrayList()).add(id);
      continue;
    }
    double number = facet.is_date ? value.toInstant().toEpochMilli() : value;
    for (int r = 0; r < ranges.size(); r++) {
      if (number < ranges[r][0] || number >= ranges[r][1]) { continue; }
      List ids = found.computeIfAbsent(r, key -> new ArrayList());
      if (ids.size() == 0 || ids[ids.size() - 1] != id) { ids.add(id); }
    }
  }
}
"""
_END = """
List facets = new ArrayList();
for (found in state.facets.get()) {
  facets.add([new ArrayList(found.keySet()), new ArrayList(found.values())]);
}
return ['ids': new ArrayList(state.seen.get()), 'facets': facets];
"""
_JOIN_SHARDS = """
Set documents = new HashSet();
List counts = new ArrayList();
for (facet in params.facets) { counts.add(new HashMap()); }
for (state in states) {
  if (state == null) { continue; }
  documents.addAll(state.ids);
  for (int f = 0; f < counts.size(); f++) {
    for (int i = 0; i < state.facets[f][0].size(); i++) {
      counts[f].computeIfAbsent(state.facets[f][0][i], key -> new HashSet()).addAll(state.facets[f][1][i]);
    }
  }
}
List facets = new ArrayList();
for (int f = 0; f < counts.size(); f++) {
  List entries = new ArrayList();
  for (entry in counts[f].entrySet()) { entries.add([entry.getKey(), entry.getValue().size()]); }
  entries.sort((a, b) -> a[1] == b[1] ? a[0].compareTo(b[0]) : b[1] - a[1]);
  facets.add(entries.subList(0, (int) Math.min(entries.size(), params.facets[f].size)));
}
return ['documents': documents.size(), 'facets': facets];
"""


@dataclass(frozen=True, slots=True)
class Counting:
    """What is counted beside a search: behind which door, by which facets, and which of their values are selected.

    A selection narrows the total and every facet but its own.
    """

    door: Body
    facets: tuple[Facet, ...] = ()
    selected: Mapping[str, Filter] = field(default_factory=dict)

    def groups(self) -> dict[str, tuple[Body, tuple[Facet, ...]]]:
        """(filter, facets) of each set of documents to count."""
        own = tuple(facet for facet in self.facets if facet.name in self.selected)
        matched = tuple(facet for facet in self.facets if facet.name not in self.selected)
        return {_MATCHED: (self._but(None), matched)} | {
            f"facet:{facet.name}": (self._but(facet.name), (facet,)) for facet in own
        }

    def _but(self, name: str | None) -> Body:
        return selected_clause({other: chosen for other, chosen in self.selected.items() if other != name})


def selected_clause(selected: Mapping[str, Filter]) -> Body:
    """All selections as one clause."""
    if not selected:
        return {"match_all": {}}
    return {"bool": {"filter": [filters.to_clause(chosen) for chosen in selected.values()]}}


@dataclass(frozen=True, slots=True)
class Counted:
    """`is_exact` False: a set was larger than COUNT_LIMIT, so that its facets are to be estimated."""

    total: Total
    facets: Mapping[str, tuple[FacetValue, ...]]
    is_exact: bool


def count_body(legs: query.Legs, counting: Counting) -> Body:
    """Distinct documents that match the words under the filters, and the facets over them, exact to COUNT_LIMIT."""
    aggregations = {
        name: {"filter": clause, "aggs": {"counted": _seen_once(facets)}}
        for name, (clause, facets) in counting.groups().items()
    }
    return _body(legs, counting, aggregations)


def estimate_body(legs: query.Legs, counting: Counting) -> Body:
    """The facets by the engine's own estimates, for sets too large to be counted one by one."""
    aggregations = {
        name: {"filter": clause, "aggs": {facet.name: _estimated(facet) for facet in facets}}
        for name, (clause, facets) in counting.groups().items()
        if facets
    }
    return _body(legs, counting, aggregations)


def _body(legs: query.Legs, counting: Counting, aggregations: Body) -> Body:
    matching = {"bool": {"must": [query.lexical_query(legs)], "filter": [counting.door]}}
    return {"size": 0, "track_total_hits": False, "query": matching, "aggs": aggregations}


def _seen_once(facets: Sequence[Facet]) -> Body:
    """The scripts never change, so that the engine compiles each once; what is counted are its parameters."""
    return {
        "scripted_metric": {
            "init_script": _BEGIN,
            "map_script": _SEE_ONCE,
            "combine_script": _END,
            "reduce_script": _JOIN_SHARDS,
            "params": {"limit": COUNT_LIMIT, "facets": [_parameters(facet) for facet in facets]},
        }
    }


def _parameters(facet: Facet) -> Body:
    return {
        "path": facet.spec.path,
        "is_date": facet.spec.type is FieldType.DATE,
        "length": _PERIOD_LENGTHS.get(facet.kind, 0),
        "ranges": [_numbers(bounds) for bounds in facet.ranges],
        "size": facet.size,
    }


def _numbers(bounds: Range) -> tuple[float, float]:
    """The ends as the engine compares them; it takes no null and no infinity as a parameter."""
    start, end = bounds
    return -_LARGEST if start is None else _number(start), _LARGEST if end is None else _number(end)


def _number(bound: float | date) -> float:
    if not isinstance(bound, date):
        return float(bound)  # a script takes no integer of more than 63 bits
    return int(datetime(bound.year, bound.month, bound.day, tzinfo=UTC).timestamp() * 1000)


def _estimated(facet: Facet) -> Body:
    path, size = facet.spec.path, facet.size
    distinct: Body = {"documents": {"cardinality": {"field": "document_id"}}}
    if facet.kind == RANGES:
        ranges = [_engine_range(bounds) for bounds in facet.ranges]
        return {"range": {"field": path, "ranges": ranges}, "aggs": distinct}
    if facet.kind in INTERVALS:
        form = "yyyy-MM-dd"[: _PERIOD_LENGTHS[facet.kind]]
        histogram = {"field": path, "calendar_interval": facet.kind, "format": form, "min_doc_count": 1}
        return {"date_histogram": histogram, "aggs": distinct}
    return {"terms": {"field": path, "size": size}, "aggs": distinct}


def _engine_range(bounds: Range) -> Body:
    ends = {name: _number(end) for name, end in zip(("from", "to"), bounds, strict=True) if end is not None}
    return {"key": range_name(bounds), **ends}


def decode_counts(answer: Mapping[str, Any], counting: Counting) -> Counted:
    """What the answer to `count_body` says."""
    facets: dict[str, tuple[FacetValue, ...]] = {}
    is_exact = True
    for name, (_, counted) in counting.groups().items():
        value = answer["aggregations"][name]["counted"]["value"]
        is_exact = is_exact and (value["documents"] <= COUNT_LIMIT or not counted)
        for facet, entries in zip(counted, value["facets"], strict=True):
            facets[facet.name] = _facet_values(facet, entries)
    documents = int(answer["aggregations"][_MATCHED]["counted"]["value"]["documents"])
    total = Total(documents, "eq") if documents <= COUNT_LIMIT else Total(COUNT_LIMIT, "gte")
    return Counted(total, _in_order(counting, facets), is_exact)


def decode_estimates(answer: Mapping[str, Any], counting: Counting) -> Mapping[str, tuple[FacetValue, ...]]:
    """The facets of the answer to `estimate_body`."""
    facets: dict[str, tuple[FacetValue, ...]] = {}
    for name, (_, estimated) in counting.groups().items():
        for facet in estimated:
            buckets = answer["aggregations"][name][facet.name]["buckets"]
            counted = [(_bucket(facet, bucket), int(bucket["documents"]["value"])) for bucket in buckets]
            counted.sort(key=lambda entry: -entry[1])
            facets[facet.name] = _facet_values(facet, counted[: facet.size])
    return _in_order(counting, facets)


def _bucket(facet: Facet, bucket: Mapping[str, Any]) -> Any:
    """What the engine's bucket stands for, as the scripts name it."""
    if facet.kind == RANGES:
        return [range_name(bounds) for bounds in facet.ranges].index(bucket["key"])
    if facet.kind in INTERVALS:
        return bucket["key_as_string"]
    return bool(bucket["key"]) if facet.spec.type is FieldType.BOOLEAN else bucket["key"]


def _facet_values(facet: Facet, counted: Sequence[Sequence[Any]]) -> tuple[FacetValue, ...]:
    """Ranges as they were given, periods from the newest, other values from the most frequent."""
    if facet.kind == RANGES:
        counts = {int(at): int(count) for at, count in counted}
        return tuple(
            FacetValue(range_name(bounds), counts.get(at, 0)) for at, bounds in enumerate(facet.ranges)
        )
    values = [FacetValue(value, int(count)) for value, count in counted]
    if facet.kind in INTERVALS:
        values.sort(key=lambda value: str(value.value), reverse=True)
    return tuple(values)


def _in_order(
    counting: Counting, facets: Mapping[str, tuple[FacetValue, ...]]
) -> dict[str, tuple[FacetValue, ...]]:
    return {facet.name: facets[facet.name] for facet in counting.facets}
