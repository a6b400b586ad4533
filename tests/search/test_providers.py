"""Several providers in order, each way to fail, against doubles; and what an answer says of it."""

import asyncio
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from bench.doubles import ChatDouble
from search import answers, checks
from search.context import build_prompt
from search.exceptions import GenerationUnavailable
from search.generation import ProvidersGenerator
from search.generations import Piece
from search.models import Tenant
from search.types import AskRequest, Principal
from tests.factories import accept, ingest_all
from tests.search.passages import make_passages

PROMPT = build_prompt("How long is the warranty?", make_passages("The warranty is two years."))
ANSWER = "Parental leave lasts sixteen weeks [1]."


def _down(double: ChatDouble) -> dict[str, Any]:
    return {"base_url": "http://127.0.0.1:9/v1"}


def _hangs(double: ChatDouble) -> dict[str, Any]:
    double.seconds_before = 30
    return {}


def _slow(double: ChatDouble) -> dict[str, Any]:
    """Its first word comes after the deadline for it."""
    double.seconds_before = 1.5
    return {}


def _fails(double: ChatDouble) -> dict[str, Any]:
    double.fail_next(500, times=9)
    return {}


def _limits(double: ChatDouble) -> dict[str, Any]:
    double.fail_next(429, times=9, headers={"Retry-After": "600"})
    return {}


def _no_events(double: ChatDouble) -> dict[str, Any]:
    double.garbage = "<html><body>Sign in to the proxy.</body></html>\n"
    return {}


def _no_json(double: ChatDouble) -> dict[str, Any]:
    double.garbage = "data: {half\n\n"
    return {}


def _another_shape(double: ChatDouble) -> dict[str, Any]:
    double.garbage = 'data: ["no", "chunk"]\n\n'
    return {}


def _error_inside(double: ChatDouble) -> dict[str, Any]:
    double.garbage = 'data: {"error": {"message": "no memory"}}\n\n'
    return {}


def _ends_at_once(double: ChatDouble) -> dict[str, Any]:
    double.break_after_tokens = 0
    return {}


Failure = Callable[[ChatDouble], dict[str, Any]]
FAILURES: list[Failure] = [
    _down, _hangs, _slow, _fails, _limits, _no_events, _no_json, _another_shape, _error_inside, _ends_at_once
]  # fmt: skip


@pytest.fixture
def doubles() -> Iterator[tuple[ChatDouble, ChatDouble]]:
    with ChatDouble(reply=lambda body: ANSWER) as first, ChatDouble(reply=lambda body: ANSWER) as second:
        yield first, second


def config(double: ChatDouble, name: str, **options: Any) -> dict[str, Any]:
    usual = {"kind": "compatible", "model": f"model-{name}", "base_url": double.base_url}
    return {"name": name, "max_retries": 1, "first_token_timeout": 0.5} | usual | options


def pieces(generator: ProvidersGenerator) -> list[Piece]:
    async def collect() -> list[Piece]:
        return [piece async for piece in generator.stream(PROMPT)]

    return asyncio.run(collect())


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__.strip("_"))
def test_a_provider_that_fails_is_followed_by_the_next(
    failure: Failure, doubles: tuple[ChatDouble, ChatDouble]
) -> None:
    first, second = doubles
    generator = ProvidersGenerator(providers=[config(first, "a") | failure(first), config(second, "b")])
    started = time.monotonic()
    total = Piece()
    for piece in pieces(generator):
        total = total.followed_by(piece)
    assert time.monotonic() - started < 3
    assert (total.text, total.model, total.is_fallback) == (ANSWER, "model-b", True)
    assert generator.name == "model-a"


@pytest.mark.parametrize("failure", FAILURES, ids=lambda failure: failure.__name__.strip("_"))
def test_the_last_providers_failure_is_the_answers(
    failure: Failure, doubles: tuple[ChatDouble, ChatDouble]
) -> None:
    both = [config(double, name) | failure(double) for name, double in zip("ab", doubles, strict=True)]
    started = time.monotonic()
    with pytest.raises(GenerationUnavailable):
        pieces(ProvidersGenerator(providers=both))
    assert time.monotonic() - started < 4


def test_the_first_provider_is_no_fallback(doubles: tuple[ChatDouble, ChatDouble]) -> None:
    first, second = doubles
    written = pieces(ProvidersGenerator(providers=[config(first, "a"), config(second, "b")]))
    assert {(piece.model, piece.is_fallback) for piece in written} == {("model-a", False)}
    assert second.requests == []


def test_an_answer_that_has_begun_is_not_begun_by_another(doubles: tuple[ChatDouble, ChatDouble]) -> None:
    first, second = doubles
    first.break_after_tokens = 3
    with pytest.raises(GenerationUnavailable):
        pieces(ProvidersGenerator(providers=[config(first, "a"), config(second, "b")]))
    assert second.requests == []


def test_what_a_model_withheld_is_asked_of_no_other(doubles: tuple[ChatDouble, ChatDouble]) -> None:
    first, second = doubles
    first.finish_reason, first.reply = "content_filter", lambda body: ""
    with pytest.raises(GenerationUnavailable, match="withheld"):
        pieces(ProvidersGenerator(providers=[config(first, "a"), config(second, "b")]))
    assert second.requests == []


def test_all_providers_share_one_deadline(doubles: tuple[ChatDouble, ChatDouble], settings: Any) -> None:
    settings.SEARCH_GENERATION_TIMEOUT_SECONDS = 0.8
    both = [config(double, name, first_token_timeout=5) for name, double in zip("ab", doubles, strict=True)]
    for double in doubles:
        double.seconds_before = 5
    started = time.monotonic()
    with pytest.raises(GenerationUnavailable):
        pieces(ProvidersGenerator(providers=both))
    assert time.monotonic() - started < 1.5


def test_who_finds_the_first_provider_full_is_sent_to_the_next(
    doubles: tuple[ChatDouble, ChatDouble],
) -> None:
    first, second = doubles
    first.seconds_before = 0.4
    generator = ProvidersGenerator(
        providers=[config(first, "a", max_concurrent=1, first_token_timeout=5), config(second, "b")]
    )

    async def both() -> list[list[Piece]]:
        async def collect() -> list[Piece]:
            return [piece async for piece in generator.stream(PROMPT)]

        return list(await asyncio.gather(collect(), collect()))

    models = [{piece.model for piece in written} for written in asyncio.run(both())]
    assert models == [{"model-a"}, {"model-b"}]


@pytest.mark.usefixtures("main_job")
def test_an_answer_of_another_provider_says_so_and_is_not_stored(
    tenant: Tenant, principal: Principal, doubles: tuple[ChatDouble, ChatDouble], settings: Any
) -> None:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    ingest_all(tenant)
    first, second = doubles
    settings.SEARCH_GENERATOR = {
        "BACKEND": "search.generation.ProvidersGenerator",
        "OPTIONS": {"providers": [config(first, "a", max_retries=0), config(second, "b")]},
    }
    request = AskRequest("How long does parental leave last?")
    first.fail_next(500)
    body = answers.answer(principal, request)
    assert (body["answer"], body["generator"]) == (ANSWER, "model-b")
    assert body["degraded"] == ["generation_fallback"]
    again = answers.answer(principal, request)
    assert (again["cache"], again["generator"], again["degraded"]) == ("none", "model-a", [])
    assert answers.answer(principal, request)["cache"] == "response"


@pytest.mark.parametrize(
    ("providers", "said"),
    [
        ([{"model": "m"}], "needs a name"),
        ([{"name": "a", "kind": "magic", "model": "m"}], "kind"),
        ([{"name": "a", "kind": "azure", "model": "m"}], "base_url"),
        ([{"name": "a"}], "model"),
        ([{"name": "a", "model": "m", "timeuot": 3}], "timeuot"),
        ([{"name": "a", "model": "m"}] * 2, "name of its own"),
    ],
)
def test_a_provider_that_makes_no_sense_is_refused_at_start(
    providers: list[dict[str, Any]], said: str, settings: Any
) -> None:
    settings.SEARCH_GENERATION_PROVIDERS = providers
    assert any(said in problem.msg for problem in checks.generation_settings())
    settings.SEARCH_GENERATION_PROVIDERS = [{"name": "a", "model": "m"}]
    assert checks.generation_settings() == []
