"""Pure: numbers, units, dates and weekdays of a text in one normal form, so that they can be compared exactly.

3,500 is 3500, twenty-one is 21, 2021-03-12 is 12 March 2021, min is minute. An ordinal is as good as its number.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from search.sentences import THOUSANDS, words

_UNIT_TEXT = """
    second seconds sec s sekunde sekunden / minute minutes min mins minuten / hour hours h hr hrs stunde stunden
    / day days tag tage tagen / week weeks woche wochen / month months monat monate monaten
    / year years jahr jahre jahren / kilometre kilometres kilometer kilometers km
    / metre metres meter meters m / centimetre centimetres centimeter
    centimeters cm / millimetre millimetres millimeter millimeters mm / mile miles / foot feet ft / inch inches
    / kilogram kilograms kilo kilos kg / gram grams g / milligram milligrams mg / tonne tonnes ton tons t
    / litre litres liter liters l / millilitre millilitres milliliter milliliters ml
    / millisecond milliseconds ms / euro euros eur € / dollar dollars usd $ / pound pounds gbp £
    / percent % prozent / °c celsius / °f fahrenheit / kilowatt kilowatts kw / megawatt megawatts mw
    / watt watts w / volt volts v / byte bytes / kilobyte kilobytes kb / megabyte megabytes mb
    / gigabyte gigabytes gb / terabyte terabytes tb
"""
_UNITS = {form: group.split()[0] for group in _UNIT_TEXT.split("/") for form in group.split()}
_MONTH_TEXT = """
    january januar jan / february februar feb / march märz mar / april apr / may mai / june juni jun
    / july juli jul / august aug / september sept sep / october oktober oct okt / november nov
    / december dezember dec dez
"""
_MONTHS = {form: number for number, group in enumerate(_MONTH_TEXT.split("/"), 1) for form in group.split()}
_WEEKDAY_TEXT = """
    monday mondays montag montags / tuesday tuesdays dienstag dienstags / wednesday wednesdays mittwoch mittwochs
    / thursday thursdays donnerstag donnerstags / friday fridays freitag freitags
    / saturday saturdays samstag samstags / sunday sundays sonntag sonntags
"""
_WEEKDAYS = {
    form: number for number, group in enumerate(_WEEKDAY_TEXT.split("/"), 1) for form in group.split()
}
_SMALL = """
    zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen seventeen
    eighteen nineteen
"""
_ORDINALS = "second third fourth fifth sixth seventh eighth ninth tenth eleventh twelfth"
_TENS = "twenty thirty forty fifty sixty seventy eighty ninety"
_NUMBER_WORDS: dict[str, float] = {word: float(value) for value, word in enumerate(_SMALL.split())}
_NUMBER_WORDS |= {word: float(10 * value) for value, word in enumerate(_TENS.split(), 2)}
_NUMBER_WORDS |= {word: float(value) for value, word in enumerate(_ORDINALS.split(), 2)}
_FACTORS = {"hundred": 100.0, "thousand": 1e3, "million": 1e6, "billion": 1e9}
_VAGUE = frozenset({"zero", "one"})  # "one of them" counts nothing
_ISO_DATE = re.compile(r"\b(\d{4})-(\d{2})-(\d{2})\b")
_DOTTED_DATE = re.compile(r"\b(\d{1,2})\.\s?(\d{1,2})\.\s?(\d{4})\b")
_SYMBOL = re.compile(r"([€$£%]|°[CF]\b)")
_PLAIN = re.compile(r"^\d[\d,.'’]*$")
_WITH_UNIT = re.compile(r"^(\d[\d,.]*)([^\W\d_]{1,3})$")
_ORDINAL = re.compile(r"^(\d+)(?:st|nd|rd|th)$")
_YEARS = range(1000, 2200)
_SIGNS = frozenset("€$£")  # before their number
_UNIT_REACH = 2  # "ten working days"


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number with the unit that stands beside it, if that is known."""

    value: float
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Quantities:
    """What a text counts and dates. `days` are (day, month), `spans` (month, year) that stand together."""

    numbers: frozenset[Quantity]
    months: frozenset[int]
    weekdays: frozenset[int]
    days: frozenset[tuple[int, int]]
    spans: frozenset[tuple[int, int]]

    @property
    def values(self) -> frozenset[float]:
        return frozenset(number.value for number in self.numbers)

    def units_of(self, value: float) -> frozenset[str]:
        return frozenset(number.unit for number in self.numbers if number.value == value and number.unit)


def quantities(text: str) -> Quantities:
    """Digits within codes, as in K-200, are no numbers."""
    tokens = _tokens(text)
    numbers = dict(_numbers(tokens))
    months = {at: _MONTHS[token] for at, token in enumerate(tokens) if _is_month(tokens, at, numbers)}
    days = {
        (int(numbers[at].value), month) for place, month in months.items() for at in _days(place, numbers)
    }
    spans = {
        (month, int(numbers[at].value)) for place, month in months.items() for at in _years(place, numbers)
    }
    return Quantities(
        numbers=frozenset(numbers.values()),
        months=frozenset(months.values()),
        weekdays=frozenset(_WEEKDAYS[token] for token in tokens if token in _WEEKDAYS),
        days=frozenset(days),
        spans=frozenset(spans),
    )


def is_year(value: float) -> bool:
    return value in _YEARS


def is_unit(word: str) -> bool:
    return word in _UNITS


def is_date(word: str) -> bool:
    """A month, a weekday, or a date in digits."""
    return (
        word in _MONTHS
        or word in _WEEKDAYS
        or bool(_ISO_DATE.fullmatch(word) or _DOTTED_DATE.fullmatch(word))
    )


def number_of(word: str) -> float | None:
    """What a casefolded word counts; None for other words and for `one`, which often counts nothing."""
    return None if word in _VAGUE else _value(word)


def _tokens(text: str) -> list[str]:
    text = _ISO_DATE.sub(lambda date: f"{date[3]} {_month_name(date[2])} {date[1]}", text)
    text = _DOTTED_DATE.sub(lambda date: f"{date[1]} {_month_name(date[2])} {date[3]}", text)
    folded = [part for piece in _SYMBOL.split(text) for part in _pieces(piece)]
    return [token for one in folded for token in _unit_apart(one)]


def _pieces(piece: str) -> list[str]:
    return [piece.casefold()] if _SYMBOL.fullmatch(piece) else [word.casefold() for word in words(piece)]


def _unit_apart(token: str) -> list[str]:
    """10mm as 10 and mm."""
    match = _WITH_UNIT.match(token)
    return [match[1], match[2]] if match and match[2] in _UNITS else [token]


def _month_name(number: str) -> str:
    return next((name for name, month in _MONTHS.items() if month == int(number)), number)


def _numbers(tokens: list[str]) -> Iterator[tuple[int, Quantity]]:
    """Each number by its place, "1.2 million" as one."""
    for at, token in enumerate(tokens):
        value = number_of(token)
        if value is None or (token in _FACTORS and at and _value(tokens[at - 1]) is not None):
            continue
        after = at + 1
        while after < len(tokens) and tokens[after] in _FACTORS:
            value *= _FACTORS[tokens[after]]
            after += 1
        before = tokens[at - 1] if at else ""
        near = [before] if before in _SIGNS else tokens[after : after + 1]
        near += [word for word in tokens[after + 1 : after + _UNIT_REACH] if word not in _SIGNS]
        yield at, Quantity(value, next((_UNITS[word] for word in near if word in _UNITS), ""))


def _value(token: str) -> float | None:
    if token in _NUMBER_WORDS:
        return _NUMBER_WORDS[token]
    if token in _FACTORS:
        return _FACTORS[token]
    if match := _ORDINAL.match(token):
        return float(match[1])
    tens, hyphen, ones = token.partition("-")
    if hyphen and tens in _NUMBER_WORDS and ones in _NUMBER_WORDS:
        return _NUMBER_WORDS[tens] + _NUMBER_WORDS[ones]
    return _digits(token) if _PLAIN.match(token) else None


def _digits(token: str) -> float | None:
    plain = re.sub(r"[,'’]", "", token) if THOUSANDS.match(token) else token.replace(",", ".")
    try:
        return float(plain)
    except ValueError:  # a version or an address: 1.2.3
        return None


def _is_month(tokens: list[str], at: int, numbers: dict[int, Quantity]) -> bool:
    """`may` and the other short forms only beside a number."""
    token = tokens[at]
    if token not in _MONTHS:
        return False
    beside = at - 1 in numbers or at + 1 in numbers
    return beside or len(token) > 3


def _days(place: int, numbers: dict[int, Quantity]) -> Iterator[int]:
    for at in (place - 1, place + 1):
        if at in numbers and numbers[at].value in range(1, 32):
            yield at


def _years(place: int, numbers: dict[int, Quantity]) -> Iterator[int]:
    for at in (place + 1, place + 2):
        if at in numbers and is_year(numbers[at].value):
            yield at
            return
