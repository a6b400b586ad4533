"""A double of a model that reads its prompt: it quotes the passages, and claims on purpose what they do not say.

Deterministic. What it makes up is kept, so that what the checks find of it can be counted. It is no measure of a model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from search.sentences import content_stems, sentence_spans

QUOTED = 2  # sentences of an answer
TURNS = 4  # of so many questions, one has a false claim and another a marker of no passage
NO_PASSAGE = 97
INVENTED = "The ministry of Ruritania forbade it in 1873"
_PASSAGE = re.compile(r'<passage number="(\d+)"[^>]*>\n(.*?)\n</passage>', re.DOTALL)
_QUESTION = re.compile(r"<question>\n(.*?)\n</question>", re.DOTALL)
_NUMBER = re.compile(r"\d+")
_MARKER = re.compile(r"\[\d[\d, ]*\]")


@dataclass
class ReadingReply:
    """A reply for a ChatDouble. `planted`: the false claim in the answer to a question; `foreign`: questions whose
    answers cite a passage that is not there."""

    planted: dict[str, str] = field(default_factory=dict)
    foreign: set[str] = field(default_factory=set)

    def __call__(self, body: dict[str, Any]) -> str:
        prompt = str(body["messages"][-1]["content"])
        question = " ".join(_QUESTION.findall(prompt))
        quotes = _quotes(question, [(int(number), text) for number, text in _PASSAGE.findall(prompt)])
        turn = sha256(question.encode()).digest()[0] % TURNS
        written = [f"{text} [{number}]." for text, number in quotes]
        if turn == 0 and quotes:
            self.planted[question] = falsified(quotes[0][0])
            written[0] = f"{self.planted[question]} [{quotes[0][1]}]."
        elif turn == 1 and quotes:
            self.foreign.add(question)
            written[0] = f"{quotes[0][0]} [{quotes[0][1]}][{NO_PASSAGE}]."
        return " ".join(written)


def falsified(sentence: str) -> str:
    """With another last number; one without any is given up for an invention."""
    numbers = list(_NUMBER.finditer(sentence))
    if not numbers:
        return INVENTED
    last = numbers[-1]
    return f"{sentence[: last.start()]}{int(last.group()) + 7}{sentence[last.end() :]}"


def _quotes(question: str, passages: Sequence[tuple[int, str]]) -> list[tuple[str, int]]:
    """The sentences with the most words of the question, without their full stops and markers of their own."""
    asked = set(content_stems(question))
    sentences = [
        (_MARKER.sub("", " ".join(text[start:end].split())).rstrip(".!? "), number)
        for number, text in passages
        for start, end in sentence_spans(text)
    ]
    return sorted(sentences, key=lambda one: -len(asked.intersection(content_stems(one[0]))))[:QUOTED]
