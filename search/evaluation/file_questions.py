"""Pure: questions over files, with the document, the page or section and the sentence that answer each.

Pages of papers are labelled from written answers: the page that holds most of an answer's telling words, of the paper
that the question names. Sections of Markdown are labelled by their headings.
"""

import math
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import PurePath

from search.sentences import content_stems, sentence_spans

Page = tuple[str, int]  # a file and one of its pages
# Below this share of an answer's words, no page can be said to hold it.
LEAST_COVERED = 0.6
# Pages that hold nearly as much of the answer are right as well.
_AS_GOOD = 0.95
_LEAST_WORDS = 6
# What is longer is no sentence: the text of a table or a figure.
_MOST_WORDS = 60
_FRONT_MATTER = re.compile(r"\A---\n(.*?)\n---\n", re.DOTALL)
_FIELD = re.compile(r"^(title|description): *[\"']?(.+?)[\"']? *$", re.MULTILINE)
_HEADING = re.compile(r"^(#{2,3}) +(.+?)(?: *\{:.*)? *$", re.MULTILINE)
_FENCED = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
_NOT_PROSE = re.compile(r"^\s*(?:[|#<>{*\-!`]|\d+\.|\{%)|[{}]", re.MULTILINE)
_LINK = re.compile(r"!?\[([^\]]*)\]\([^)]*\)")
_WORD_RUN = re.compile(r"[\W_]+")


@dataclass(frozen=True, slots=True)
class FileQuestion:
    """`pages` or `section` say where in the document; `evidence` is the sentence that a context has to hold."""

    text: str
    document: str
    evidence: str
    pages: frozenset[int] = frozenset()
    section: str = ""


def plain(text: str) -> str:
    """Words alone, apart by blanks: what two ways of reading a file have in common."""
    return f" {_WORD_RUN.sub(' ', text).strip().casefold()} "


def labelled(
    asked: Iterable[tuple[str, str]], pages: Mapping[Page, str]
) -> tuple[tuple[FileQuestion, ...], int]:
    """(question, written answer) pairs with the page that holds the answer, and how many no page holds."""
    stems = {page: frozenset(content_stems(text)) for page, text in pages.items()}
    seen = Counter(stem for found in stems.values() for stem in found)
    weights = {stem: math.log(1 + len(pages) / count) for stem, count in seen.items()}
    found = [_labelled(question, answer, pages, stems, weights) for question, answer in asked]
    return tuple(question for question in found if question), found.count(None)


def _labelled(
    question: str,
    answer: str,
    pages: Mapping[Page, str],
    stems: Mapping[Page, frozenset[str]],
    weights: Mapping[str, float],
) -> FileQuestion | None:
    """The question's own words count a little as well: of two pages that hold the answer, one is on its subject."""
    wanted = {stem: weights[stem] for stem in content_stems(answer) if stem in weights}
    said = {stem: weights[stem] / 4 for stem in content_stems(question) if stem in weights} | wanted
    if not wanted:
        return None
    covered = {page: _covered(said, stems[page]) for page in _named(question, pages)}
    best = max(covered, key=lambda page: covered[page])
    sentences = [text for text in _sentences(pages[best]) if len(text.split()) <= _MOST_WORDS]
    if not sentences or _covered(wanted, stems[best]) < LEAST_COVERED:
        return None
    as_good = {
        number
        for (name, number), share in covered.items()
        if name == best[0] and share >= _AS_GOOD * covered[best]
    }
    evidence = max(sentences, key=lambda text: _covered(wanted, frozenset(content_stems(text))))
    return FileQuestion(question, best[0], evidence, pages=frozenset(as_good))


def _named(question: str, pages: Iterable[Page]) -> list[Page]:
    """Pages of the files that a question names, `bert.pdf` by the word BERT; all of them where it names none."""
    every = list(pages)
    words = set(plain(question).split())
    return [page for page in every if PurePath(page[0]).stem.casefold() in words] or every


def _covered(wanted: Mapping[str, float], held: frozenset[str]) -> float:
    return sum(weight for stem, weight in wanted.items() if stem in held) / sum(wanted.values())


def _sentences(text: str) -> Sequence[str]:
    return [text[start:end] for start, end in sentence_spans(text)] or [text]


def of_markdown(document: str, text: str) -> Iterator[FileQuestion]:
    """A page's title with its description, and each of its sections with prose: answered by its first sentence."""
    found = _FRONT_MATTER.match(text)
    fields = dict(_FIELD.findall(found[1])) if found else {}
    title = fields.get("title", "")
    if not found or not title:
        return
    body = _FENCED.sub("", text[found.end() :])
    headings = list(_HEADING.finditer(body))
    opening = body[: headings[0].start()] if headings else body
    if sentence := _first_sentence(opening):
        yield FileQuestion(f"{title} {fields.get('description', '')}".strip(), document, sentence)
    ends = [heading.start() for heading in headings[1:]]
    for heading, end in zip_longest(headings, ends):
        if sentence := _first_sentence(body[heading.end() : end]):
            name = _unlinked(heading[2])
            yield FileQuestion(f"{title}: {name}", document, sentence, section=name)


def _first_sentence(text: str) -> str:
    """The first sentence of the first paragraph of prose that is long enough to tell; "" where there is none."""
    for paragraph in text.split("\n\n"):
        if _NOT_PROSE.search(paragraph):
            continue
        sentence = _sentences(_unlinked(" ".join(paragraph.split())))[0]
        if len(sentence.split()) >= _LEAST_WORDS:
            return sentence
    return ""


def _unlinked(text: str) -> str:
    return _LINK.sub(r"\1", text).replace("`", "").replace("**", "")
