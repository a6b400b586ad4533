"""Pure: sentences of a text, and the tokens that evidence is weighed by: content stems and exact tokens.

Spans are offsets into the text given, so that a quote is always verbatim. Only the stop words know languages.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache

Span = tuple[int, int]

_STOP_TEXT = """
    a about after all also am an and any are as at be because been before being but by can could did do
    does doing done each for from had has have having he her here him his how i if in into is it its
    itself just may me might more most must my no not of on or other our out over own shall she should
    so some such than that the their them then there these they this those to under until up very was we
    were what when where which while who whom whose why will with within would yes you your aber als am
    an auch auf aus bei bis das dass dem den der des die dies diese dieser doch durch ein eine einem
    einen einer eines er es für hat haben ich ihr im in ist kann man mit nach nicht noch nur oder sich
    sie sind so über um und uns unter vom von vor war was welche welcher welches wenn wer werden wie
    wird wo zu zum zur au aux avec ce ces cette dans de des du elle en est et il ils la le les leur mais
    ne nous on ou par pas pour quand que quel quelle qui sa se ses son sont sur un une vous con como
    cuando cuándo cuál del el ella en es esta este fue los las más no o para pero por qué que quién se
    ser sin son su sus un una y
"""
STOP_WORDS = frozenset(_STOP_TEXT.split())
_ABBREVIATION_TEXT = """
    e.g i.e etc vs dr mr mrs ms prof st no nr fig figs eq approx ca cf inc ltd co jr sr u.s p pp vol sec
    z.b bzw usw d.h
"""
_ABBREVIATIONS = frozenset(_ABBREVIATION_TEXT.split())
_NUMBER_TEXT = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen"
_NUMBER_WORDS = {word: str(value) for value, word in enumerate(_NUMBER_TEXT.split())} | {
    "twenty": "20",
    "thirty": "30",
    "forty": "40",
    "fifty": "50",
    "sixty": "60",
    "ninety": "90",
    "hundred": "100",
}

_BOUNDARY = re.compile(
    r"""(?<=[.!?…])["'”’»)\]*_]*\s+(?=\S)"""
    r"""|(?<=[。！？])[”』」）]*\s*(?=\S)"""
    r"""|\n\s*\n\s*(?=\S)"""
    r"""|\n\s*(?=(?:(?:[-*•>]|#{1,6}|\d{1,3}[.)])\s+\S|\|))""",
)
_CJK = "\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_TOKEN = re.compile(rf"[{_CJK}]+|[^\W_{_CJK}](?:[^\W{_CJK}]|[-./:,'’_](?=[^\W_{_CJK}]))*")
_CJK_RUN = re.compile(rf"[{_CJK}]+")
_LIST_NUMBER = re.compile(r"(?:^|[\n.!?:])\s*\d{1,3}$")  # "1. First step" is one sentence
_LIST_PREFIX = re.compile(r"^\s*(?:[-*•#>]+|\d{1,3}[.)])\s+")
THOUSANDS = re.compile(r"^\d{1,3}(?:[,'’]\d{3})+(?:\.\d+)?$")
_NUMBER = re.compile(r"^\d[\d.,]*$")
_MEASURE = re.compile(r"^(\d[\d.,]*)([^\W\d_]+)$")
_DIGIT = re.compile(r"\d")
_VERSION = re.compile(r"^v(\d.*)$")
_MODEL = re.compile(r"^[^\W\d_]{1,4}[-./]?\d")  # K-200: its number alone says nothing
_SUFFIXES = ("ings", "ing", "edly", "ies", "ied", "ed", "es", "ly", "s")
_STEM_LENGTH = 6
_CACHED_WORDS = 50_000  # texts repeat their words: most are looked up


def sentence_spans(text: str) -> list[Span]:
    """(start, end) of each sentence, list item or paragraph line, without the whitespace around it."""
    spans: list[Span] = []
    start = 0
    for match in _BOUNDARY.finditer(text):
        if _is_boundary(text, match):
            spans.append((start, match.end()))
            start = match.end()
    spans.append((start, len(text)))
    trimmed = (_trimmed(text, first, last) for first, last in spans)
    return [(first, last) for first, last in trimmed if first < last]


def _is_boundary(text: str, match: re.Match[str]) -> bool:
    if "\n\n" in match.group().replace(" ", "") or text[match.start() - 1] != ".":
        return True
    before = text[max(0, match.start() - 12) : match.start() - 1]
    last_word = re.split(r"[\s(\[\"']", before)[-1]
    if last_word.casefold() in _ABBREVIATIONS or (len(last_word) == 1 and last_word.isupper()):
        return False
    if _LIST_NUMBER.search(before):
        return False
    return not text[match.end()].islower()


def _trimmed(text: str, start: int, end: int) -> Span:
    inner = text[start:end]
    return start + len(inner) - len(inner.lstrip()), end - (len(inner) - len(inner.rstrip()))


def without_list_prefix(sentence: str) -> str:
    return _LIST_PREFIX.sub("", sentence)


def stem(word: str) -> str:
    """A casefolded word without its commonest endings, cut to six letters: equal for most forms of a word."""
    for suffix in _SUFFIXES:
        if word.endswith(suffix) and len(word) - len(suffix) >= 3:
            word = word[: -len(suffix)]
            break
    return word.rstrip("eiy")[:_STEM_LENGTH] or word


def words(text: str) -> Iterator[str]:
    """Tokens as they stand; a hyphenated or dotted one is one token. A run of CJK characters is one token."""
    return (match.group() for match in _TOKEN.finditer(text))


def content_stems(text: str) -> list[str]:
    """Stems of the words that carry meaning, in order; CJK runs as overlapping pairs of characters."""
    return [stem for word in words(text) for stem in _word_stems(word)]


@lru_cache(maxsize=_CACHED_WORDS)
def _word_stems(word: str) -> tuple[str, ...]:
    if _CJK_RUN.fullmatch(word):
        return tuple(word[i : i + 2] for i in range(len(word) - 1)) or (word,)
    parts = re.split(r"[-/:_]" if _DIGIT.search(word) else r"[-./:,_]", word)
    folded = [_normal(_bare(part)) for part in parts]
    return tuple(
        stem(part) for part in folded if part not in STOP_WORDS and (len(part) > 1 or part.isdigit())
    )


def _bare(word: str) -> str:
    """Without the s of a genitive."""
    return word.replace("’", "'").removesuffix("'s")


def exact_tokens(sentence: str, *, with_names: bool, from_start: bool = True) -> frozenset[str]:
    """Tokens that must not be paraphrased: numbers, codes, acronyms, and (with_names) capitalised words.

    The word that opens a sentence is capitalised anyway; `from_start` says whether the text begins with one.
    """
    found: set[str] = set()
    for position, word in enumerate(words(without_list_prefix(sentence))):
        bare = _bare(word)
        is_code = any(map(str.isdigit, bare)) or "_" in bare or sum(map(str.isupper, bare)) >= 2
        is_name = with_names and (position > 0 or not from_start) and bare[0].isupper() and len(bare) > 1
        if is_code or (is_name and bare.casefold() not in STOP_WORDS):
            found.add(_normal(bare))
    return frozenset(found)


def is_code(token: str) -> bool:
    """K-200 or LB2414: letters and digits that name one thing; not 10mm, 2nd or a number."""
    return bool(_MODEL.match(token)) and not _VERSION.match(token)


@lru_cache(maxsize=_CACHED_WORDS)
def _normal(token: str) -> str:
    """Casefolded; 1,000 as 1000 and 3,5 as 3.5."""
    folded = token.casefold().replace("’", "'")
    if THOUSANDS.match(folded):
        return re.sub(r"[,']", "", folded)
    return folded.replace(",", ".") if _NUMBER.match(folded) else folded


def rarity(question: str, texts: Iterable[str]) -> dict[str, float]:
    """A weight for each content stem of the question: log(1 + n / (df + .5)) over n texts, as BM25's idf."""
    stems_of_texts = [set(content_stems(text)) for text in texts]
    frequency = Counter(stem for stems in stems_of_texts for stem in stems)
    asked = dict.fromkeys(content_stems(question))
    return {stem: math.log(1 + len(stems_of_texts) / (0.5 + frequency[stem])) for stem in asked}


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """What a text contains: `forms` of its tokens as they may be written elsewhere, and its content stems."""

    forms: frozenset[str]
    stems: frozenset[str]
    capitalises_nouns: bool

    def has(self, token: str) -> bool:
        """Whether an exact token occurs, allowing for hyphens, units and the endings of names."""
        if token in self.forms or _joined(token) in self.forms:
            return True
        if measure := _MEASURE.match(token):
            return measure[1] in self.forms and measure[2] in self.forms
        if token.isalpha():
            return stem(token) in self.stems
        parts = [part for part in re.split(r"[-/:]", token) if part]
        return (
            len(parts) > 1
            and not _MODEL.match(token)
            and all(part in self.forms or stem(part) in self.stems for part in parts)
        )

    def share(self, stems: frozenset[str]) -> float:
        """The share of the stems that occur, 0 to 1; 0 for none asked."""
        return len(stems & self.stems) / len(stems) if stems else 0.0


def vocabulary(text: str) -> Vocabulary:
    forms: set[str] = set()
    before = ""
    for word in words(text):
        token = _normal(_bare(word))
        forms |= _forms(token)
        if token[0].isdigit() and before.isalpha():
            forms.add(before + _joined(token))  # "ISO 27001" for iso27001
        before = token
    return Vocabulary(frozenset(forms), frozenset(content_stems(text)), _capitalises_nouns(text))


@lru_cache(maxsize=_CACHED_WORDS)
def _forms(token: str) -> frozenset[str]:
    forms = {token, _joined(token), _NUMBER_WORDS.get(token, token)}
    if _MODEL.match(token):
        return frozenset(forms | {version[1] for version in [_VERSION.match(token)] if version})
    ranges = [token, *re.split(r"[-/]", token)]
    for part in (piece for span in ranges for piece in (span, *span.split(":"))):
        forms |= {part, _NUMBER_WORDS.get(part, part)}
        if measure := _MEASURE.match(part):
            forms |= {measure[1], measure[2]}
        if version := _VERSION.match(part):
            forms.add(version[1])
    return frozenset(forms - {""})


def _joined(token: str) -> str:
    """K-200 as k200; a plain number stays, since 3.5 is not 35."""
    return token if _NUMBER.match(token) else re.sub(r"[-./:_]", "", token)


def _capitalises_nouns(text: str) -> bool:
    """German prose, say, or a list of names: there a capital says nothing about a word."""
    inner = capitals = 0
    for start, end in sentence_spans(text):
        later = list(words(text[start:end]))[1:]
        inner += len(later)
        capitals += sum(word[0].isupper() and not word.isupper() for word in later)
    return inner >= 8 and capitals > 0.2 * inner
