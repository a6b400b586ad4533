"""Pure: what a person typed → words, quoted phrases, excluded words, conditions on the tenant's fields, codes.

Nothing is refused: what is no operator, or does not fit the tenant's fields, is plain text. No operator is left in
`text`.
"""

import re
from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any

from search import filters
from search.exceptions import InvalidFilter
from search.types import FieldSchema, FieldSpec, FieldType, ParsedQuery

MAX_OPERATORS = 8  # with every language's field asked, these still fit the engine's limit of clauses
MAX_CODES = 8
_QUOTES = str.maketrans(dict.fromkeys("“”„‟«»", '"'))  # as telephones and word processors type them
# An operator begins a word. What is in quotes ends with the word.
_PART = re.compile(
    r"""(?<![^\s(])
    (?P<minus>-?)
    (?:(?P<field>[^\W\d][\w.-]*):(?P<op>[<>]=?)?)?
    (?:"(?P<quoted>[^"]*\w[^"]*)"(?![^\s.,;:!?)]) | (?P<word>[^\s"(]\S*))""",
    re.VERBOSE,
)
# What people paste or write out, rather than type: its quotes and dashes are punctuation.
MAX_TYPED_WORDS = 32
_SENTENCE_END = re.compile(r"[^\W\d_]{3}[.?!]\s+[A-ZÀ-ÞА-Я]")
_IN_QUOTES = re.compile(r'"[^"]*"')
# "Personen und -organisationen": the dash stands for the part that both words share.
_CONJUNCTION = re.compile(r"(?:^|\s)(?:and|or|und|oder|sowie|bzw\.|et|ou|en|of)\s+$", re.IGNORECASE)
_OPS = {None: "eq", "": "eq", ">": "gt", ">=": "gte", "<": "lt", "<=": "lte"}
_NUMBER = re.compile(r"[+-]?\d{1,15}(?:\.\d{1,15})?")
_PERIOD = re.compile(r"(\d{4})(?:-(\d{2}))?")  # a year or a month, for a field of dates
_BOOLEANS = {"true": True, "yes": True, "false": False, "no": False}
_TRAILING = ".,;:!?)"

# A code has a digit, and a letter or an inner "-" or "/": E-21, AB-1234/5, v2.3.1, 0x8007. Letters as in the index.
_LETTERS = "A-Za-zÀ-ӿ"
_CODE = re.compile(rf"(?<![{_LETTERS}0-9])[{_LETTERS}0-9](?:[{_LETTERS}0-9._/-]{{0,62}}[{_LETTERS}0-9])?")
_HAS_DIGIT = re.compile(r"\d")
_HAS_CODE_SIGN = re.compile(rf"[{_LETTERS}/-]")
_SPACED_CODE = re.compile(
    r"(?<!\w)([A-Z]{1,4}) (\d[\d./-]*)(?!\w)"
)  # "ISO 9001" is written ISO-9001 or ISO9001 too

Condition = Mapping[str, Any]


def parse(typed: str, schema: FieldSchema) -> ParsedQuery:
    """Reads a query. `schema` says which `name:value` are conditions; they come out as the API's filters."""
    plain: list[str] = []
    phrases: list[str] = []
    excluded: list[str] = []
    conditions: list[Condition] = []
    at = operators = 0
    typed = typed.replace("\x00", " ")
    read = typed.translate(_QUOTES)
    limit = 0 if _is_prose(read) else MAX_OPERATORS
    for part in _PART.finditer(read):
        if operators == limit:
            break
        if condition := _condition(part, schema):
            conditions.append(condition)
            kept = ""
        elif part["minus"] and not part["field"] and (out := _excluded(part)):
            excluded.append(out)
            kept = ""
        elif part["quoted"] and not part["minus"] and not part["field"]:
            phrases.append(part["quoted"].strip())
            kept = f" {part['quoted']} "
        else:
            continue
        operators += 1
        plain += [typed[at : part.start()], kept or " " * len(part[0])]
        at = part.end()
    masked = "".join([*plain, typed[at:]])
    text = " ".join(masked.split())
    return ParsedQuery(
        typed=typed,
        plain=masked,
        text=text,
        phrases=tuple(phrases),
        excluded=tuple(excluded),
        filters=tuple(conditions),
        codes=codes(text),
    )


def _is_prose(text: str) -> bool:
    unquoted = _IN_QUOTES.sub("", text)
    return len(unquoted.split()) > MAX_TYPED_WORDS or _SENTENCE_END.search(unquoted) is not None


def _excluded(part: re.Match[str]) -> str:
    """What `-` leaves out; "" for what is no exclusion: a lone minus, --all, a negative number, half a word."""
    if _CONJUNCTION.search(part.string, 0, part.start()):
        return ""
    if part["quoted"]:
        return str(part["quoted"].strip())
    word = part["word"].rstrip(_TRAILING)
    return word if word[:1].isalpha() else ""


def _condition(part: re.Match[str], schema: FieldSchema) -> Condition | None:
    name = part["field"]
    if not name or not (name in schema or (name := name.lower()) in schema):
        return None
    value = part["quoted"] or part["word"].rstrip(_TRAILING)
    condition = _typed_condition(name, schema[name], op=_OPS[part["op"]], value=value)
    if condition is None:
        return None
    try:
        filters.parse(condition, schema)
    except InvalidFilter:
        return None
    return {"not": condition} if part["minus"] else condition


def _typed_condition(name: str, spec: FieldSpec, *, op: str, value: str) -> Condition | None:
    """`name op value` as a filter by the field's type; None where the value can't be one."""
    match spec.type:
        case FieldType.NUMBER if _NUMBER.fullmatch(value):
            return _comparison(name, op, float(value) if "." in value else int(value))
        case FieldType.BOOLEAN if value.lower() in _BOOLEANS:
            return _comparison(name, op, _BOOLEANS[value.lower()])
        case FieldType.DATE:
            return _in_period(name, op, value) if _PERIOD.fullmatch(value) else _comparison(name, op, value)
        case FieldType.KEYWORD if value:
            return _comparison(name, op, value)
    return None


def _comparison(name: str, op: str, value: Any) -> Condition:
    return {"field": name, "op": op, "value": value}


def _in_period(name: str, op: str, period: str) -> Condition | None:
    """A year or a month stands for all its days: after it, from its first day on, within it."""
    try:
        first, following = _bounds(period)
    except ValueError:
        return None
    match op:
        case "eq":
            return {"and": [_comparison(name, "gte", first), _comparison(name, "lt", following)]}
        case "gt":
            return _comparison(name, "gte", following)
        case "lte":
            return _comparison(name, "lt", following)
    return _comparison(name, op, first)


def _bounds(period: str) -> tuple[str, str]:
    """First day of a year or month, and the day after its last. Raises ValueError where there is no such."""
    year, month = int(period[:4]), period[5:]
    first = date(year, int(month or 1), 1)
    following = date(year + 1, 1, 1) if month in ("", "12") else date(year, int(month) + 1, 1)
    return first.isoformat(), following.isoformat()


def codes(text: str) -> tuple[str, ...]:
    """Part numbers, versions and the like, each once, in order; "ISO 9001" in capitals also as one."""
    if not _HAS_DIGIT.search(text):
        return ()
    return tuple(dict.fromkeys(_codes(text)))[:MAX_CODES]


def _codes(text: str) -> Iterator[str]:
    for match in _CODE.finditer(text):
        code = match[0]
        if _HAS_DIGIT.search(code) and _HAS_CODE_SIGN.search(code):
            yield code
    for match in _SPACED_CODE.finditer(text):
        yield match[1] + match[2]
