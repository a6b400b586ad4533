"""Caches forced to answer whatever they may, while documents, access and questions change: never stale, never foreign.

The semantic cache's threshold is 0 and its guards are off, so that any question under a scope may answer any other.
RAGSITE_CACHE_STEPS says how many random steps are taken: 1,000 are meant, 120 a quick look.
"""

import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import pytest
from django.db.models import F

from bench.doubles import ChatDouble
from ingestion.services import documents
from ingestion.services.documents import DocumentFieldsInput
from search import answers, caches, question_index, redis_cache, responses, semantic_cache, services
from search.caches import CacheScope
from search.client import get_write_client
from search.models import Document, SearchIndex, Tenant
from search.types import AskRequest, Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
STEPS = int(os.environ.get("RAGSITE_CACHE_STEPS", "120"))
SUBJECTS = ("valve", "pump", "gasket", "rotor", "filter", "turbine")
ACCESS: tuple[list[str] | None, ...] = (None, ["ops"], ["board"], ["ops", "board"], [])
GROUPS = ((), ("ops",), ("board",), ("board", "ops"))
QUESTIONS = (
    "What is the code of the {}?",
    "Which code does the {} have?",
    "How heavy is the {}?",
    "Who made the {}?",
)


class Violation(AssertionError):
    """Something stale or foreign was shown."""


@dataclass
class Shelf:
    """A tenant with what is true of its documents: the text that is live, and the access that holds at once."""

    tenant: Tenant
    texts: dict[str, str]
    access: dict[str, list[str] | None]
    is_settled: bool = True


class World:
    """Random changes and questions. What comes from a cache is compared with the truth and with the flow itself."""

    def __init__(self, tenants: list[Tenant], seed: int) -> None:
        self.chance = random.Random(seed)
        self.shelves = [Shelf(tenant, {}, {}) for tenant in tenants]
        self.hits: dict[str, int] = {"none": 0, "response": 0, "semantic": 0}

    def walk(self, steps: int) -> None:
        for _ in range(steps):
            self.step()

    def step(self) -> None:
        shelf = self.chance.choice(self.shelves)
        actions: dict[Callable[[Shelf], None], int] = {
            self.edit: 3,
            self.delete: 1,
            self.open_or_close: 2,
            self.settle: 2,
            self.ask: 10,
            self.search: 3,
        }
        [action] = self.chance.choices(list(actions), weights=list(actions.values()))
        action(shelf)

    def edit(self, shelf: Shelf) -> None:
        self.settle(shelf)
        subject = self.chance.choice(SUBJECTS)
        text = (
            f"The code of the {subject} is {self.chance.randrange(10**6)}. Its maker is {shelf.tenant.slug}."
        )
        access = self.chance.choice(ACCESS)
        accept(shelf.tenant, subject, text, access=access)
        ingest_all(shelf.tenant)
        shelf.texts[subject], shelf.access[subject] = text, access

    def delete(self, shelf: Shelf) -> None:
        if shelf.texts:
            subject = self.chance.choice(sorted(shelf.texts))
            documents.delete(self._row(shelf, subject))
            del shelf.texts[subject], shelf.access[subject]
            shelf.is_settled = False

    def open_or_close(self, shelf: Shelf) -> None:
        if shelf.texts:
            subject, access = self.chance.choice(sorted(shelf.texts)), self.chance.choice(ACCESS)
            documents.change(self._row(shelf, subject), DocumentFieldsInput(access=access))
            shelf.access[subject] = access
            shelf.is_settled = False

    def settle(self, shelf: Shelf) -> None:
        """The index catches up."""
        ingest_all(shelf.tenant)
        shelf.is_settled = True

    def _row(self, shelf: Shelf, subject: str) -> Document:
        return Document.objects.get(tenant=shelf.tenant, public_id=subject)

    def ask(self, shelf: Shelf) -> None:
        question = self.chance.choice(QUESTIONS).format(self.chance.choice(SUBJECTS))
        principal, request = self._principal(shelf), AskRequest(question, top_k=4)
        body = answers.answer(principal, request)
        original = body["cached"]["question"] if "cached" in body else question
        self._check(shelf, principal, body)
        self._compare(shelf, body, lambda: answers.answer(principal, replace(request, question=original)))

    def search(self, shelf: Shelf) -> None:
        principal = self._principal(shelf)
        request = SearchRequest(f"code of the {self.chance.choice(SUBJECTS)}", top_k=4)
        body = services.search(principal, request)
        self._check(shelf, principal, body)
        self._compare(shelf, body, lambda: services.search(principal, request))

    def _principal(self, shelf: Shelf) -> Principal:
        groups = self.chance.choice(GROUPS)
        return Principal(shelf.tenant.pk, shelf.tenant.uuid, groups, frozenset({"ask", "search"}))

    def _check(self, shelf: Shelf, principal: Principal, body: dict[str, Any]) -> None:
        self.hits[body["cache"]] += 1
        for hit in body["hits"]:
            subject = hit["document"]["id"]
            if shelf.texts.get(subject) != hit["chunk"]["text"]:
                raise Violation(f"stale: {hit['chunk']['text']}")
            if not principal.may_see(shelf.access[subject]):
                raise Violation(f"foreign: {subject} for {principal.groups}")

    def _compare(self, shelf: Shelf, body: dict[str, Any], again: Callable[[], dict[str, Any]]) -> None:
        """With the answer as the flow gives it now, once the index has caught up: until then it may hide more."""
        if body["cache"] == "none" or not shelf.is_settled:
            return
        with without_caches():
            now = again()
        if _told(body) != _told(now):
            raise Violation(f"stale: {_told(body)}, now {_told(now)}")


def _told(body: dict[str, Any]) -> dict[str, Any]:
    shown = sorted(hit["document"]["id"] for hit in body["hits"])
    return {name: body[name] for name in ("answer", "refused", "total") if name in body} | {"hits": shown}


class without_caches:  # noqa: N801  reads as a statement
    def __init__(self) -> None:
        self._patch = pytest.MonkeyPatch()

    def __enter__(self) -> None:
        self._patch.setattr(caches, "read_response", lambda scope, counts_misses: None)
        self._patch.setattr(caches, "write_response", lambda scope, response, until: None)
        self._patch.setattr(answers, "near_response", lambda *args: None)
        self._patch.setattr(answers, "keep_near_response", lambda *args, since: None)

    def __exit__(self, *_: object) -> None:
        self._patch.undo()


@pytest.fixture(autouse=True)
def _forced(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.SEARCH_SEMANTIC_CACHE = True
    settings.SEARCH_SEMANTIC_CACHE_COSINE = 0.0
    monkeypatch.setattr(semantic_cache, "asks_the_same", lambda question, stored, embedder: True)
    keep = semantic_cache.keep_near_response

    def keep_and_refresh(*args: Any, since: Any) -> None:
        keep(*args, since=since)
        get_write_client().indices.refresh(index="*-questions-*", params={"ignore_unavailable": "true"})

    monkeypatch.setattr(answers, "keep_near_response", keep_and_refresh)


@pytest.fixture
def world(db: None) -> World:
    tenants = [Tenant.objects.create(slug=f"t{number}", name=f"T{number}") for number in range(4)]
    world = World(tenants, seed=11)
    for shelf in world.shelves:
        for _ in range(4):
            world.edit(shelf)
    return world


@pytest.mark.timeout(1800)
def test_nothing_stale_or_foreign_is_ever_shown(world: World) -> None:
    world.walk(STEPS)
    assert world.hits["semantic"] >= STEPS / 20
    assert world.hits["response"] >= STEPS / 200


def _blanked(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A mutant: a scope whose field says nothing, wherever it becomes a key."""
    blanks: dict[str, Any] = {
        "content_version": 0,
        "filters": None,
        "models": (),
        "request": {"question": ""},
    }
    key, without_question = CacheScope.key, CacheScope.without_question

    def blank(scope: CacheScope) -> CacheScope:
        return replace(scope, **{name: blanks.get(name, "")})

    monkeypatch.setattr(CacheScope, "key", lambda scope: key(blank(scope)))
    monkeypatch.setattr(CacheScope, "without_question", lambda scope: without_question(blank(scope)))


@pytest.mark.parametrize("name", ["content_version", "access"])
def test_the_walk_finds_what_a_scope_without_a_field_shows(
    name: str, world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    _blanked(monkeypatch, name)
    with pytest.raises(Violation):
        world.walk(1000)


QUESTION = "What is the code of the valve?"
OTHER_WORDS = "Which code does the valve have?"
Asked = tuple[Principal, AskRequest]


def _bump(name: str) -> Callable[[Principal, Any], None]:
    def bump(principal: Principal, settings: Any) -> None:
        Tenant.objects.filter(pk=principal.tenant_id).update(**{name: F(name) + 1})

    return bump


def _with_groups(principal: Principal, request: AskRequest) -> Asked:
    return replace(principal, groups=("ops",)), request


def _requesting(**changes: Any) -> Callable[[Principal, AskRequest], Asked]:
    return lambda principal, request: (principal, replace(request, **changes))


def _setting(name: str, value: Any) -> Callable[[Principal, Any], None]:
    return lambda principal, settings: setattr(settings, name, value)


def _served_by_another_name(principal: Principal, settings: Any) -> None:
    """As after a rebuild: the tenant's next index, with the same documents in it."""
    index = SearchIndex.objects.get(tenant_id=principal.tenant_id)
    get_write_client().indices.put_alias(index=index.name, name=f"{index.name}-next")
    SearchIndex.objects.filter(pk=index.pk).update(name=f"{index.name}-next")


_NOT_ELSEWHERE: Any = {"field": "source", "op": "ne", "value": "elsewhere"}
# What changes between two questions so that they differ in this field alone: the world, or the second request.
CHANGES: dict[str, Any] = {
    "content_version": _bump("content_version"),
    "curation": _bump("curation_version"),
    "index": _served_by_another_name,
    "fusion": _setting("SEARCH_VECTOR_WEIGHT", 0.3),
    "models": lambda principal, settings: settings.SEARCH_GENERATOR["OPTIONS"].update(model="another"),
    "prompt_version": lambda principal, settings: None,
}
REQUESTS: dict[str, Any] = {
    "access": _with_groups,
    "request": _requesting(top_k=3),
    "filters": _requesting(filters=_NOT_ELSEWHERE),
    "profile": _requesting(settings={"k": 50}),
}


def _cache_of_second(name: str, question: str, principal: Principal, settings: Any) -> str:
    """From which cache the second of two questions is answered, which differ in that field of the scope."""
    request = AskRequest(QUESTION)
    answers.answer(principal, request)
    CHANGES.get(name, lambda principal, settings: None)(principal, settings)
    same: Any = _requesting()
    changed = REQUESTS.get(name, same)(principal, replace(request, question=question))
    with pytest.MonkeyPatch.context() as patch:
        if name == "prompt_version":
            patch.setattr(answers, "PROMPT_VERSION", "another")
        return str(answers.answer(*changed)["cache"])


@pytest.fixture
def double(settings: Any) -> Iterator[ChatDouble]:
    with ChatDouble(reply=lambda body: "It is 4711 [1].") as running:
        options = {"model": "double", "base_url": running.base_url, "max_retries": 0}
        settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": options}
        yield running


@pytest.mark.parametrize("question", [QUESTION, OTHER_WORDS], ids=["response", "semantic"])
@pytest.mark.parametrize("is_mutant", [False, True], ids=["intact", "mutant"])
@pytest.mark.parametrize("name", sorted({*CHANGES, *REQUESTS}))
def test_each_field_keeps_apart_what_it_stands_for_and_a_mutant_without_it_does_not(
    name: str,
    is_mutant: bool,
    question: str,
    shelf: Principal,
    settings: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if is_mutant:
        _blanked(monkeypatch, name)
    hit = "response" if question == QUESTION or name == "request" else "semantic"
    assert _cache_of_second(name, question, shelf, settings) == (hit if is_mutant else "none")


@pytest.mark.parametrize("question", [QUESTION, OTHER_WORDS], ids=["response", "semantic"])
@pytest.mark.parametrize("is_mutant", [False, True], ids=["intact", "mutant"])
def test_a_tenant_is_held_apart_thrice_and_a_mutant_without_all_three_is_foreign(
    is_mutant: bool, question: str, shelf: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the scope, by where its entries lie, and by the recheck of what they show."""
    if is_mutant:
        for name in ("tenant", "index", "content_version"):
            _blanked(monkeypatch, name)
        monkeypatch.setattr(redis_cache, "_key", lambda name, tenant, digest: f"{name}:{digest}")
        monkeypatch.setattr(question_index, "_of_tenant", lambda tenant: [])
        for module in (responses, semantic_cache):
            monkeypatch.setattr(module, "are_visible", lambda body, principal, target: True)
    answers.answer(shelf, AskRequest(QUESTION))
    other = Tenant.objects.create(slug="other", name="Other")
    accept(other, "valve", "The code of the valve is 42.")
    ingest_all(other)
    stranger = replace(shelf, tenant_id=other.pk, tenant_uuid=other.uuid)
    hit = "response" if question == QUESTION else "semantic"
    assert answers.answer(stranger, AskRequest(question))["cache"] == (hit if is_mutant else "none")


@pytest.fixture
def shelf(tenant: Tenant, principal: Principal, double: ChatDouble) -> Principal:
    """Who asks a tenant of one document."""
    accept(tenant, "valve", "The code of the valve is 4711.")
    ingest_all(tenant)
    return principal
