"""Asks questions over files as readers do: is the right document there, its page or section, and the answer's sentence
inside the context that a model would be given?"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from search import services
from search.context import assemble, shown_text
from search.embeddings import get_embedder
from search.evaluation.file_questions import FileQuestion, plain
from search.evaluation.measures import mean
from search.metrics import StageClock
from search.tenants import live_target
from search.types import AskRequest, Hit, IndexTarget, Principal, SearchRequest

AT = (1, 5)


@dataclass(frozen=True, slots=True)
class Outcome:
    """Ranks from 1, None for what is not among the first five. `place` is a page or a section of the document."""

    document: int | None
    place: int | None
    in_context: bool


@dataclass(frozen=True, slots=True)
class Finding:
    """Who asks, and how: with how many neighbours of each hit, into a context of how many tokens."""

    principal: Principal
    neighbours: int
    context_tokens: int
    id_prefix: str

    def outcome(self, question: FileQuestion) -> Outcome:
        """Raises OpenSearchUnavailable."""
        target = live_target(self.principal.tenant_id)
        if target is None:
            raise AssertionError("The files are not loaded.")
        document = self.id_prefix + question.document
        readers = SearchRequest(question.text, top_k=AT[-1], highlight=False, with_total=False)
        found = [hit.document.public_id == document for hit in self._hits(readers, target)]
        hits = self._hits(self._evidence(question.text), target)
        is_right = [hit.document.public_id == document and is_place(hit, question) for hit in hits[: AT[-1]]]
        context = assemble(
            hits,
            count_tokens=get_embedder(target.embedder).count_tokens,
            budget=self.context_tokens,
        )
        own = [passage for passage in context if passage.hit.document.public_id == document]
        own.sort(key=lambda passage: passage.hit.ordinal)  # a sentence may run on into the next passage
        shown = plain("\n".join(shown_text(passage) for passage in own))
        return Outcome(_first(found), _first(is_right), plain(question.evidence) in shown)

    def _evidence(self, text: str) -> SearchRequest:
        """As an answer asks for its passages."""
        return SearchRequest(
            text,
            top_k=AskRequest(text).top_k,
            group_by="chunk",
            settings={"neighbours": self.neighbours},
            highlight=False,
            with_total=False,
        )

    def _hits(self, request: SearchRequest, target: IndexTarget) -> tuple[Hit, ...]:
        return services.retrieve(self.principal, request, clock=StageClock(), target=target).hits


def is_place(hit: Hit, question: FileQuestion) -> bool:
    """Whether a passage of the right document begins on the right page, or lies in the right section."""
    if question.pages:
        return hit.page in question.pages
    if not question.section:
        return True
    wanted = plain(question.section)
    return wanted in {plain(heading) for heading in hit.headings} or wanted in plain(hit.text)


def _first(found: Sequence[bool]) -> int | None:
    return found.index(True) + 1 if True in found else None


def figures(outcomes: Iterable[Outcome]) -> dict[str, Any]:
    """Shares of the questions."""
    rows = list(outcomes)
    shares: dict[str, Any] = {"questions": len(rows)}
    for name in ("document", "place"):
        ranks = [getattr(row, name) for row in rows]
        for at in AT:
            shares[f"{name}@{at}"] = round(mean([rank is not None and rank <= at for rank in ranks]), 3)
    return shares | {"in_context": round(mean([row.in_context for row in rows]), 3)}
