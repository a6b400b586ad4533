"""What chunks are packed from: sentences, list items, lines of code and tables, with token counts. Pure.

A text that fits a chunk is never cut; a longer one is cut at words, and a longer word at characters.
"""

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ingestion.parsers.elements import Element

# A space, and then no lower-case letter, must follow a Latin or Arabic stop; a Chinese one stands alone.
_SENTENCE_END: Final = re.compile(
    r"[.!?…؟۔।]+[\"'”’»)\]]*\s+(?![a-z])|[。！？｡]+[\"'”’」』）]*\s*|\n+",
)
# A tokenizer may take a word of any length for one unknown token; this bounds the text of a chunk too.
_LONGEST_WORD: Final = 1000
_WORD: Final = re.compile(rf"\S{{1,{_LONGEST_WORD}}}\s*")


@dataclass(frozen=True)
class Unit:
    """A piece of text that is kept whole where it fits. `gap` stands before it unless it starts a chunk."""

    text: str
    gap: str
    tokens: int
    page: int | None
    repeatable: bool


def join_units(units: Sequence[Unit]) -> str:
    parts = [part for unit in units for part in (unit.gap, unit.text)]
    return "".join(parts[1:]).strip("\n").rstrip()


class Pieces:
    """Cuts elements into units and counts tokens, each text once. Counts are without the special tokens."""

    def __init__(self, count_tokens: Callable[[Sequence[str]], list[int]]) -> None:
        self._count_tokens = count_tokens
        self._known: dict[str, int] = {"": 0}
        self.special = count_tokens([""])[0]

    def count(self, texts: Iterable[str]) -> None:
        """Count these now, in one call, so that `tokens` knows them."""
        new = [text for text in dict.fromkeys(texts) if text not in self._known]
        if new:
            counts = self._count_tokens(new)
            self._known.update(zip(new, (count - self.special for count in counts), strict=True))

    def tokens(self, text: str) -> int:
        if text not in self._known:
            self.count([text])
        return self._known[text]

    def exact(self, texts: Sequence[str]) -> list[int]:
        """Counts with the special tokens, as the embedder will see the texts."""
        return self._count_tokens(texts) if texts else []

    def units(self, sections: Sequence[Sequence[Element]]) -> list[list[Unit]]:
        """The units of each section, all counted in one call."""
        cut = [uncounted_units(section) for section in sections]
        self.count(unit.text for section in cut for unit in section)
        return [[replace(unit, tokens=self._known[unit.text]) for unit in section] for section in cut]

    def heading_unit(self, text: str, *, page: int | None) -> Unit:
        return Unit(text=text, gap="\n\n", tokens=self.tokens(text), page=page, repeatable=False)

    def split_to(self, units: Iterable[Unit], room: int) -> Iterator[Unit]:
        """The units, those of more than `room` tokens cut into ones that fit."""
        for unit in units:
            if unit.tokens <= room and len(unit.text) <= _LONGEST_WORD * 16:
                yield unit
                continue
            gap = unit.gap
            for text, following in self._cut_words(unit.text, room):
                yield Unit(text=text, gap=gap, tokens=self.tokens(text), page=unit.page, repeatable=False)
                gap = following

    def _cut_words(self, text: str, room: int) -> Iterator[tuple[str, str]]:
        """Runs of words of at most `room` tokens, each with the space that was behind it."""
        words = [match.group() for match in _WORD.finditer(text)]
        self.count(word.rstrip() for word in words)
        run, size = "", 0
        for whole in words:
            word, tokens = whole, self.tokens(whole.rstrip())
            if run and size + tokens > room:
                yield _with_gap(run)
                run, size = "", 0
            if tokens > room:
                parts = self._cut_characters(word, room)
                yield from ((part, "") for part in parts[:-1])
                word, tokens = parts[-1], self.tokens(parts[-1].rstrip())
            run += word
            size += tokens
        if run:
            yield _with_gap(run)

    def _cut_characters(self, word: str, room: int) -> list[str]:
        """Parts of at most `room` tokens each: halved until they fit, then joined again while they do."""
        parts = [word]
        while any(self.tokens(part.rstrip()) > room and len(part) > 1 for part in parts):
            parts = [half for part in parts for half in self._halved(part, room)]
            self.count(part.rstrip() for part in parts)
        return parts

    def _halved(self, part: str, room: int) -> list[str]:
        if self.tokens(part.rstrip()) <= room or len(part) < 2:
            return [part]
        return [part[: len(part) // 2], part[len(part) // 2 :]]

    def shortened(self, text: str, room: int) -> str:
        """The longest beginning of `text`, in whole words or else characters, of at most `room` tokens."""
        if self.tokens(text) <= room:
            return text
        words = text.split()
        kept = self._longest([" ".join(words[:count]) for count in range(1, len(words))], room)
        return kept or self._longest(
            [words[0][:count] for count in range(1, len(words[0][:_LONGEST_WORD]))], room
        )

    def _longest(self, candidates: Sequence[str], room: int) -> str:
        """Binary search: counts grow with the text."""
        low, high = 0, len(candidates)
        while low < high:
            middle = (low + high) // 2
            if self.tokens(candidates[middle]) <= room:
                low = middle + 1
            else:
                high = middle
        return candidates[low - 1] if low else ""

    def halves(self, text: str) -> list[str]:
        """Two parts of about one length, cut at a space where there is one in the middle half."""
        middle = len(text) // 2
        space = text.find(" ", middle, middle + len(text) // 4)
        at = middle if space < 0 else space
        return [half for half in (text[:at].rstrip(), text[at:].lstrip()) if half]


def _with_gap(run: str) -> tuple[str, str]:
    text = run.rstrip()
    return text, run[len(text) :]


def uncounted_units(elements: Iterable[Element]) -> list[Unit]:
    """The units of some elements, before their tokens are counted."""
    return [
        Unit(text=text, gap=gap, tokens=0, page=page, repeatable=repeatable)
        for element in elements
        for text, gap, page, repeatable in _cut(element)
    ]


def _cut(element: Element) -> Iterator[tuple[str, str, int | None, bool]]:
    """(text, gap before it, page, may be repeated) of each unit of an element."""
    if element.kind in ("code", "table"):
        gap = "\n\n"
        for line in element.text.split("\n"):
            yield line.rstrip(), gap, element.page, False
            gap = "\n"
        return
    text, gap = element.text.strip(), "\n\n"
    if element.kind == "list_item":
        text, gap = f"- {text}", "\n"
    for sentence, following in _sentences(text):
        yield sentence, gap, element.page, True
        gap = following


def _sentences(text: str) -> Iterator[tuple[str, str]]:
    """The sentences of a text, each with the space behind it."""
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if text[start : match.end()].strip():
            yield _with_gap(text[start : match.end()])
            start = match.end()
    if text[start:].strip():
        yield _with_gap(text[start:])
