"""Pure: the markers of an answer, checked against the context while it streams.

Text is shown as it comes; only an undecided `[…` or address is held back, and links out lose their target. A marker is
judged when its sentence ends: a good one becomes a Citation then; a bad one was shown already, so `checked` has the
whole answer without it. A sentence without support is named; where it is to be removed, whole sentences are shown.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

from search.context import is_refusal, named, shown_text
from search.links import undecided, without_links
from search.sentences import (
    Vocabulary,
    content_stems,
    exact_tokens,
    sentence_spans,
    vocabulary,
    without_list_prefix,
)
from search.support import Nearness, Reason, Source, unsupported
from search.types import Citation, ContextPassage

SUPPORT_SHARE = 0.5  # of a claim's content words that the passage must hold
GROUP_SHARE = 0.25  # the same for each of several passages cited together
QUOTE_CHARACTERS = 400
_MARKER = re.compile(r"\[\s*(\d{1,3}(?:\s*[,;]\s*\d{1,3})*)\s*\]")
_CANONICAL = re.compile(r"\[(\d+)\]")
_MAY_END = re.compile(r"[.!?…。！？\n]")
_GROUP = re.compile(r"(?:\s*\[\d+\])+")
_LEADING_GROUP = re.compile(r"\s*(?:\[\d+\]\s*)+")


@dataclass(frozen=True, slots=True)
class Shown:
    """What a piece of text lets out: text to show now, and the citations that it completed."""

    text: str
    citations: tuple[Citation, ...]


@dataclass(frozen=True, slots=True)
class UnsupportedSentence:
    """A sentence of an answer that its passages do not say; `reason` is one of search.support."""

    sentence: str
    reason: str
    removed: bool


@dataclass(frozen=True, slots=True)
class CheckedAnswer:
    """A whole answer with only its good markers, each cited once. `removed` counts those that failed."""

    text: str
    citations: tuple[Citation, ...]
    removed: int
    unsupported: tuple[UnsupportedSentence, ...] = ()


class CitationStream:
    """Takes an answer piece by piece. `feed` every piece, then `flush` once; `checked` holds the outcome.

    `removes` leaves unsupported sentences out. `nearness` may wait for a model: feed in a thread what `may_close`.
    """

    def __init__(
        self,
        question: str,
        passages: Sequence[ContextPassage],
        *,
        removes: bool = False,
        nearness: Nearness | None = None,
    ) -> None:
        evidence = {passage.number: _Evidence(passage) for passage in passages}
        self._checker = _Checker(question, evidence, nearness)
        self._known_texts = [
            text for one in passages for text in (shown_text(one), one.hit.document.url) if text
        ]
        self._removes = removes
        self._unsupported: list[UnsupportedSentence] = []
        self._held = ""  # an undecided marker
        self._open = ""  # the sentence that has not ended, as shown
        self._clean: list[str] = []
        self._found: dict[str, Citation] = {}
        self._removed = 0

    def feed(self, piece: str) -> Shown:
        text = self._held + piece
        cut = undecided(text)
        self._held = text[cut:]
        return self._take(text[:cut])

    def may_close(self, piece: str) -> bool:
        """Whether a sentence may be judged when this comes."""
        return bool(_MAY_END.search(self._open) or _MAY_END.search(piece))

    def flush(self) -> Shown:
        """Lets out what was held back and closes the last sentence."""
        shown = self._take(self._held)
        self._held = ""
        last = self._close(self._open)
        self._open = ""
        return Shown(shown.text + (last.text if self._removes else ""), (*shown.citations, *last.citations))

    def whole(self, text: str) -> CheckedAnswer:
        """An answer all at once; the same outcome as piece by piece."""
        self.feed(text)
        self.flush()
        return self.checked()

    def checked(self) -> CheckedAnswer:
        citations, unsupported = tuple(self._found.values()), tuple(self._unsupported)
        return CheckedAnswer("".join(self._clean).strip(), citations, self._removed, unsupported)

    def _take(self, text: str) -> Shown:
        canonical = _MARKER.sub(_one_by_one, without_links(text, self._known_texts))
        self._open += canonical
        closed: list[str] = []
        if _MAY_END.search(self._open):  # most pieces of a stream are words within a sentence
            closed, self._open = _split_closed(self._open)
        shown = [self._close(sentence) for sentence in closed]
        citations = tuple(citation for one in shown for citation in one.citations)
        if self._removes:
            return Shown("".join(one.text for one in shown), citations)
        return Shown(_CANONICAL.sub(self._known, canonical), citations)

    def _known(self, match: re.Match[str]) -> str:
        """A number that no passage has is not even shown."""
        return match[0] if int(match[1]) in self._checker.evidence else ""

    def _close(self, sentence: str) -> Shown:
        """A sentence's text without bad markers, or none where it is removed, with the citations it is the first of."""
        outcome = self._checker.check(sentence)
        reason = self._checker.unsupported(sentence)
        if reason is not None:
            self._unsupported.append(UnsupportedSentence(outcome.text.strip(), reason, self._removes))
            if self._removes:
                return Shown("", ())
        self._clean.append(outcome.text)
        self._removed += outcome.removed
        fresh = tuple(citation for citation in outcome.citations if citation.marker not in self._found)
        self._found |= {citation.marker: citation for citation in fresh}
        return Shown(outcome.text, fresh)


def _one_by_one(match: re.Match[str]) -> str:
    """`[1, 2]` as `[1][2]`."""
    return "".join(f"[{number}]" for number in re.split(r"\s*[,;]\s*", match[1]))


def _split_closed(text: str) -> tuple[list[str], str]:
    """Sentences that have ended, each with the markers and space behind it, and the rest.

    The last sentence is never closed, nor the one before it while nothing but markers follow.
    """
    starts = _statement_starts(text)
    pieces = [text[start:end] for start, end in pairwise(starts)]
    return pieces, text[starts[-1] :]


def _statement_starts(text: str) -> list[int]:
    """Where each statement begins: markers that open a sentence belong to the one before."""
    starts = [0]
    for start, end in sentence_spans(text)[1:]:
        group = _LEADING_GROUP.match(text, start)
        begins = group.end() if group else start
        if begins < end:
            starts.append(begins)
    return starts


@dataclass(frozen=True)
class _Evidence:
    """A passage with what its text contains, worked out when it is first cited."""

    passage: ContextPassage

    @cached_property
    def vocabulary(self) -> Vocabulary:
        return vocabulary(shown_text(self.passage))

    @cached_property
    def source(self) -> Source:
        return Source(self.passage.text, named(self.passage.hit))

    @cached_property
    def sentences(self) -> list[tuple[str, Vocabulary]]:
        text = self.passage.text
        return [(text[start:end], vocabulary(text[start:end])) for start, end in sentence_spans(text)]


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a group of markers, which lies at `span` of its sentence, is there to support."""

    text: str
    numbers: tuple[int, ...]
    span: tuple[int, int]
    opens_sentence: bool = True

    @property
    def stems(self) -> frozenset[str]:
        return frozenset(content_stems(without_list_prefix(self.text)))

    @property
    def exact(self) -> frozenset[str]:
        return exact_tokens(self.text, with_names=False)

    @property
    def exact_and_names(self) -> frozenset[str]:
        return exact_tokens(self.text, with_names=True, from_start=self.opens_sentence)

    @property
    def is_slight(self) -> bool:
        """Too little to be checked by itself, as in "Yes [1]."."""
        return len(self.stems) < 2 and not self.exact


@dataclass(frozen=True, slots=True)
class _Outcome:
    text: str
    citations: tuple[Citation, ...]
    removed: int


@dataclass(frozen=True, slots=True)
class _Checker:
    question: str
    evidence: Mapping[int, _Evidence]
    nearness: Nearness | None = None

    def unsupported(self, sentence: str) -> Reason | None:
        """What of a sentence none of the passages says that it cites; of all, where it cites none.

        Questions, headings and the refusal state nothing; of "That is right." no passage has to say so.
        """
        text = _CANONICAL.sub("", sentence).strip()
        if text.endswith(("?", "？", ":")) or is_refusal(text):
            return None
        numbers = [int(number) for number in _CANONICAL.findall(sentence)]
        cited = [self.evidence[number].source for number in numbers if number in self.evidence]
        several = [Source("\n\n".join(one.text for one in cited), cited[0].context)] if len(cited) > 1 else []
        sources = [*cited, *several] or [one.source for one in self.evidence.values()]
        reasons = [unsupported(text, source, nearness=self.nearness) for source in sources]
        is_slight = _Claim(text, (), (0, 0)).is_slight
        if not reasons or None in reasons or (is_slight and Reason.MISSING in reasons):
            return None
        return reasons[0] if cited else Reason.UNCITED

    def check(self, sentence: str) -> _Outcome:
        """A group of markers answers for the words since the group before, the last one for the rest too."""
        parts: list[str] = []
        citations: list[Citation] = []
        removed = settled = 0
        for claim in _claims(sentence):
            good = self._supporting(self._whole(claim, sentence) if claim.is_slight else claim)
            kept = [number for number in dict.fromkeys(claim.numbers) if number in good]
            citations += [self._citation(number, claim) for number in kept]
            removed += len(set(claim.numbers)) - len(kept)
            start, end = claim.span
            parts += [sentence[settled:start], _markers(sentence[start:end], kept)]
            settled = end
        return _Outcome("".join(parts) + sentence[settled:], tuple(citations), removed)

    def _whole(self, claim: _Claim, sentence: str) -> _Claim:
        """A slight claim is judged with its sentence, and with the question when that is slight as well."""
        whole = replace(claim, text=_CANONICAL.sub("", sentence), opens_sentence=True)
        return replace(whole, text=f"{self.question} {whole.text}") if whole.is_slight else whole

    def _supporting(self, claim: _Claim) -> set[int]:
        least = SUPPORT_SHARE if len(set(claim.numbers)) == 1 else GROUP_SHARE
        known = {
            number: self.evidence[number].vocabulary for number in claim.numbers if number in self.evidence
        }
        good = {number: words for number, words in known.items() if words.share(claim.stems) >= least}
        return set(good) if good and _together(claim, list(good.values())) else set()

    def _citation(self, number: int, claim: _Claim) -> Citation:
        evidence = self.evidence[number]
        hit = evidence.passage.hit
        quote = _best_quote(claim, evidence)
        return Citation(f"[{number}]", hit.document, hit.chunk_id, hit.ordinal, quote, hit.document.url)


def _together(claim: _Claim, vocabularies: Sequence[Vocabulary]) -> bool:
    """Whether the passages hold enough of the claim between them, and every number, code and name of it."""
    held = {stem for words in vocabularies for stem in claim.stems & words.stems}
    if len(held) < SUPPORT_SHARE * len(claim.stems):
        return False
    nouns = any(words.capitalises_nouns for words in vocabularies)
    exact = claim.exact if nouns else claim.exact_and_names
    return all(any(words.has(token) for words in vocabularies) for token in exact)


def _claims(sentence: str) -> Iterator[_Claim]:
    groups = list(_GROUP.finditer(sentence))
    start = 0
    for group in groups:
        text = sentence[start : group.start()]
        if group is groups[-1]:
            text += sentence[group.end() :]
        numbers = tuple(int(number) for number in _CANONICAL.findall(group.group()))
        yield _Claim(text, numbers, group.span(), opens_sentence=start == 0)
        start = group.end()


def _markers(group: str, kept: Sequence[int]) -> str:
    """The group with the kept numbers alone, and the space before it when any is left."""
    space = group[: len(group) - len(group.lstrip())]
    return space + "".join(f"[{number}]" for number in kept) if kept else ""


def _best_quote(claim: _Claim, evidence: _Evidence) -> str:
    """The sentence of the passage that holds most of the claim, verbatim; the shorter of equals."""
    exact = claim.exact_and_names

    def support(sentence: tuple[str, Vocabulary]) -> tuple[float, int]:
        text, words = sentence
        held = len(claim.stems & words.stems) + 2 * sum(words.has(token) for token in exact)
        return held, -len(text)

    text, _ = max(evidence.sentences, key=support)
    if len(text) <= QUOTE_CHARACTERS:
        return text
    return text[:QUOTE_CHARACTERS].rsplit(maxsplit=1)[0]
