"""Pure: how a query was read → what the page says about it, in words and links."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import zip_longest
from typing import Any

from search.page_facets import field_label, value_label, value_text
from search.page_query import PageQuery

_OP_WORDS = {"eq": "is", "gt": "is over", "gte": "is from", "lt": "is under", "lte": "is up to"}


@dataclass(frozen=True, slots=True)
class ReadingView:
    """How a query was read, where that is more than its words. `did_you_mean` and `as_typed` are (text, address)."""

    operators: tuple[tuple[str, str], ...]
    rewritten: str
    corrected: str
    as_typed: tuple[str, str] | None
    did_you_mean: tuple[str, str] | None


def reading_view(read: Mapping[str, Any], query: PageQuery) -> ReadingView:
    phrases = [("exactly", f"“{phrase}”") for phrase in read["phrases"]]
    excluded = [("without", phrase) for phrase in read["excluded"]]
    conditions = [("where", condition_text(condition)) for condition in read["filters"]]
    corrected, meant = read.get("corrected", ""), read.get("did_you_mean")
    as_typed = _in_quotes(query.text, corrected) if corrected else None
    return ReadingView(
        operators=(*phrases, *excluded, *conditions),
        rewritten=read.get("rewritten", ""),
        corrected=corrected,
        as_typed=(query.text, replace(query, text=as_typed, page=1).url()) if as_typed else None,
        did_you_mean=(meant, replace(query, text=meant, page=1).url()) if meant else None,
    )


def _in_quotes(typed: str, corrected: str) -> str:
    """The query with the words that were corrected in quotes, since what is in quotes is looked up as it stands."""
    pairs = zip_longest(typed.split(), corrected.split())
    return " ".join(f'"{word}"' if word != better else word for word, better in pairs if word)


def condition_text(condition: Mapping[str, Any]) -> str:
    """A condition that was typed, in words: `year is over 2020`."""
    if "not" in condition:
        return f"not: {condition_text(condition['not'])}"
    if "and" in condition:
        return " and ".join(condition_text(member) for member in condition["and"])
    name = condition["field"]
    value = value_label(name, value_text(condition["value"]))
    return f"{field_label(name)} {_OP_WORDS[condition['op']]} {value}"
