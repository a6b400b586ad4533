"""Answers without a model: sentences of the passages, each with its marker, or the refusal."""

import asyncio
from collections.abc import AsyncGenerator, Iterator

from search.context import REFUSAL, Prompt
from search.extraction import extract
from search.generations import Generation, Piece

EXTRACTIVE = "extractive"


class ExtractiveGenerator:
    """Needs nothing and never fails."""

    name = EXTRACTIVE
    models: tuple[str, ...] = ()
    max_tokens = 0

    def generate(self, prompt: Prompt) -> Generation:
        return Generation("".join(self._pieces(prompt)))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        for text in await asyncio.to_thread(lambda: list(self._pieces(prompt))):
            yield Piece(text)

    def _pieces(self, prompt: Prompt) -> Iterator[str]:
        sentences = extract(prompt.question, prompt.passages, cosines=prompt.cosines)
        if not sentences:
            yield REFUSAL
        for position, sentence in enumerate(sentences):
            # Brackets of the text's own (footnotes, indexes) must not pass for markers
            text = " ".join(sentence.text.split()).replace("[", "(").replace("]", ")")
            yield f"{' ' if position else ''}{text} [{sentence.number}]"
