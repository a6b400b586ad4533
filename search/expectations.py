"""Expectations asked: whether what a content manager says must stay true does, and the stage that lost it where not.

They are asked as readers ask, but leave no trace in a readers' log. An outage is never taken for a lost document.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from django.utils import timezone

from search import answers, services, stages
from search.answers import PreparedAnswer
from search.curation import is_contained, normalised
from search.exceptions import SearchError, Unavailable
from search.metrics import StageClock
from search.models import Document, Expectation, Profile
from search.models.profiles import DEFAULT_PROFILE
from search.stages import Stage
from search.types import AskRequest, Principal, SearchRequest
from search.whereabouts import Sought, whereabouts

Kind = Expectation.Kind
State = Expectation.State
_OUTAGES = frozenset(
    {
        "budget_exhausted",
        "budget_unavailable",
        "embedding_unavailable",
        "generation_unavailable",
        "partial_results",
        "rerank_deadline",
        "rerank_unavailable",
    }
)
_SHOWN_TITLES = 5
_SHOWN_CHARACTERS = 1000


class Lost(StrEnum):
    """Stages behind those of `stages`: the document is there, the answer is not what was expected."""

    NOT_CITED = "not_cited"
    NOT_SAID = "not_said"
    ANSWERED = "answered"
    NOT_ASKABLE = "not_askable"


SENTENCES: Mapping[str, str] = {
    **{str(stage): sentence for stage, sentence in stages.SENTENCES.items()},
    Lost.NOT_CITED: "It is among the passages to answer from, but the answer does not cite it.",
    Lost.NOT_SAID: "The question is answered without these words.",
    Lost.ANSWERED: "It is answered, though it should not be.",
    Lost.NOT_ASKABLE: "It can't be asked like this.",
}


@dataclass(frozen=True, slots=True)
class Verdict:
    """How an expectation was met: an empty `stage` if it holds, else the one that lost it and what was there instead.

    `witnesses` and `prompt` as Expectation keeps them.
    """

    stage: str = ""
    found: str = ""
    witnesses: tuple[int, ...] = ()
    prompt: str = ""

    @property
    def holds(self) -> bool:
        return not self.stage


def missing(kind: str, document: Document | None, text: str) -> dict[str, str]:
    """What an expectation of a kind still has to say, by field."""
    if kind in (Kind.FINDS, Kind.CITES) and document is None:
        return {"document": "Say which document."}
    if kind == Kind.CONTAINS and not normalised(text):
        return {"text": "Say which words."}
    return {}


def check(expectation: Expectation, *, profile: str | None = None) -> Verdict:
    """Ask it, with `profile` in place of its own if given.

    Raises Unavailable, or another SearchError of status 503, while anything is down that readers' results need.
    """
    asker = _Asker(expectation, profile or expectation.profile or None)
    try:
        return asker.by_results() if expectation.kind == Kind.FINDS else asker.by_answer()
    except SearchError as error:
        if error.status >= 500:
            raise
        return Verdict(Lost.NOT_ASKABLE, str(error))


def red_with(profile: Profile) -> list[str]:
    """Of the expectations whose requests would get a version of a profile, those that would not hold with it: the
    question, and why. Raises as `check` does.
    """
    names = [profile.name, ""] if profile.name == DEFAULT_PROFILE else [profile.name]
    asked = Expectation.objects.filter(tenant=profile.tenant_id, is_enabled=True, profile__in=names)
    met = ((one, check(one, profile=str(profile))) for one in asked.select_related("tenant", "document"))
    return [f"“{one}”: {SENTENCES[verdict.stage]}" for one, verdict in met if not verdict.holds]


def keep(expectation: Expectation, verdict: Verdict, *, marks: str) -> None:
    """Record a verdict that was reached in the state of the tenant that `marks` names; none if the expectation was
    changed meanwhile."""
    now = timezone.now()
    values: dict[str, Any] = {"marks": marks, "stage": verdict.stage, "found": verdict.found}
    if verdict.holds:
        values |= {"state": State.GREEN, "green_at": now, "red_since": None, "prompt": verdict.prompt}
    else:
        values |= {"state": State.RED, "red_since": expectation.red_since or now, "prompt": ""}
    if verdict.witnesses:
        values["witnesses"] = list(verdict.witnesses)
    Expectation.objects.filter(pk=expectation.pk, changed_at=expectation.changed_at).update(**values)


def forget_verdict(expectation: Expectation) -> None:
    """What was found out about it no longer counts, since it now says something else. The caller saves it."""
    expectation.state, expectation.stage, expectation.found = State.UNTRIED, "", ""
    expectation.witnesses, expectation.prompt, expectation.marks = [], "", ""
    expectation.green_at = expectation.red_since = None


class _Asker:
    """An expectation on its way, asked with one profile."""

    def __init__(self, expectation: Expectation, profile: str | None) -> None:
        self._expectation, self._profile = expectation, profile
        tenant = expectation.tenant
        self._principal = Principal(tenant.pk, tenant.uuid, tuple(expectation.groups))

    def by_results(self) -> Verdict:
        """Whether the document is among the first results."""
        expectation = self._expectation
        request = SearchRequest(
            expectation.question,
            top_k=expectation.within,
            profile=self._profile,
            highlight=False,
            with_total=False,
        )
        result = services.retrieve(self._principal, request, clock=StageClock())
        _raise_outage(result.degraded)
        if any(hit.document.id == self._document.pk for hit in result.hits):
            return Verdict(witnesses=(self._document.pk,))
        lost = self._lost(request, self._document)
        titles = [hit.document.title for hit in result.hits[:_SHOWN_TITLES]]
        return Verdict(lost, "; ".join(titles))

    def by_answer(self) -> Verdict:
        """Whether the answer is what it has to be. An answer that was green and would be made from the very same is not
        generated again."""
        request = AskRequest(self._expectation.question, profile=self._profile)
        prepared = answers.prepare_answer(answers.open_question(self._principal, request))
        if not isinstance(prepared, PreparedAnswer):
            return self._judged(prepared, request, prompt="")
        _raise_outage(prepared.degraded)
        prompt = _digest(prepared)
        if self._expectation.state == State.GREEN and self._expectation.prompt == prompt:
            return Verdict(prompt=prompt)
        return self._judged(answers.generate_answer(prepared), request, prompt=prompt)

    def _judged(self, body: Mapping[str, Any], request: AskRequest, *, prompt: str) -> Verdict:
        _raise_outage(body["degraded"])
        cited = [citation["document"]["id"] for citation in body["citations"]]
        witnesses = self._keys(cited)
        if stage := self._stage(body, cited, request):
            answers_it = self._expectation.kind == Kind.REFUSED
            return Verdict(stage, body["answer"][:_SHOWN_CHARACTERS], witnesses if answers_it else ())
        return Verdict(witnesses=witnesses, prompt=prompt)

    def _stage(self, body: Mapping[str, Any], cited: list[str], request: AskRequest) -> str:
        """The stage that lost it; "" when it holds."""
        match self._expectation.kind:
            case Kind.REFUSED:
                return "" if body["refused"] else Lost.ANSWERED
            case Kind.CITES:
                if self._document.public_id in cited:
                    return ""
                return self._lost(answers.search_request(request), self._document) or Lost.NOT_CITED
        words = normalised(self._expectation.text)
        if not body["refused"] and is_contained(words, normalised(body["answer"])):
            return ""
        return self._lost_words(request, is_refused=body["refused"])

    def _lost_words(self, request: AskRequest, *, is_refused: bool) -> str:
        """What became of the documents that the words came from."""
        search = answers.search_request(request)
        for document in Document.objects.filter(pk__in=self._expectation.witnesses):
            if lost := self._lost(search, document):
                return lost
        return Stage.BELOW_THRESHOLD if is_refused else Lost.NOT_SAID

    def _lost(self, request: SearchRequest, document: Document) -> str:
        asks = self._expectation.kind != Kind.FINDS
        stage = whereabouts(self._principal, request, Sought(document.public_id, asks=asks)).stage
        return "" if stage is Stage.FOUND else stage

    @property
    def _document(self) -> Document:
        document = self._expectation.document
        assert document is not None  # noqa: S101  the form asks for it, whatever is found or cited
        return document

    def _keys(self, public_ids: Iterable[str]) -> tuple[int, ...]:
        rows = Document.objects.filter(tenant=self._expectation.tenant, public_id__in=list(public_ids))
        return tuple(rows.order_by("pk").values_list("pk", flat=True))


def _raise_outage(degraded: Iterable[str]) -> None:
    if down := sorted(_OUTAGES.intersection(degraded)):
        raise Unavailable(f"Put off: {', '.join(down)}.")


def _digest(prepared: PreparedAnswer) -> str:
    """Of all that an answer is made from."""
    documents = [passage.hit.document.id for passage in prepared.prompt.passages]
    messages = [[message.role, message.content] for message in prepared.prompt.messages]
    made_from = [prepared.question.generator.name, prepared.removes, documents, messages]
    return hashlib.sha256(json.dumps(made_from).encode()).hexdigest()
