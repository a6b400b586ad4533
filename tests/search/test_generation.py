"""Generators: one contract for both, then what only the openai client can go wrong with, against the double."""

import asyncio
import socket
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from bench.doubles import ChatDouble
from search.context import REFUSAL, Prompt, build_prompt
from search.exceptions import GenerationUnavailable
from search.generation import (
    AzureOpenAIGenerator,
    ExtractiveGenerator,
    Generator,
    OpenAIGenerator,
    generator_settings,
    get_generator,
    openai,
)
from search.generations import Piece, Usage
from tests.search.passages import make_passages

PROMPT = build_prompt(
    "How long is the warranty of the K200?",
    make_passages(
        "The K200 is blue. The warranty of the K200 is two years [see 4]. It weighs 3 kg.",
        "Repairs are done in Lisbon.",
    ),
)


@pytest.fixture
def double() -> Iterator[ChatDouble]:
    with ChatDouble() as running:
        yield running


def generator_for(double: ChatDouble, **options: Any) -> OpenAIGenerator:
    return OpenAIGenerator(model="double", base_url=double.base_url, **{"max_retries": 0} | options)


@pytest.fixture(params=["extractive", "openai"])
def generator(request: pytest.FixtureRequest, double: ChatDouble) -> Generator:
    return ExtractiveGenerator() if request.param == "extractive" else generator_for(double)


def pieces(generator: Generator, prompt: Prompt = PROMPT) -> list[Piece]:
    async def collect() -> list[Piece]:
        return [piece async for piece in generator.stream(prompt)]

    return asyncio.run(collect())


def test_a_stream_says_what_a_whole_answer_says(generator: Generator) -> None:
    assert "".join(piece.text for piece in pieces(generator)) == generator.generate(PROMPT).text


def test_an_answer_comes_in_several_pieces_and_cites(generator: Generator) -> None:
    streamed = pieces(generator)
    assert len([piece for piece in streamed if piece.text]) > 1
    assert "[1]" in "".join(piece.text for piece in streamed)


def test_a_generator_has_a_name_and_serves_several_loops(generator: Generator) -> None:
    assert generator.name in ("extractive", "double")
    assert pieces(generator) == pieces(generator)


def test_extraction_quotes_the_sentence_that_holds_the_question() -> None:
    text = ExtractiveGenerator().generate(PROMPT).text
    assert "The warranty of the K200 is two years (see 4). [1]" in text


def test_extraction_refuses_without_a_word_of_the_question() -> None:
    prompt = build_prompt("Kangaroo?", make_passages("Repairs are done in Lisbon."))
    assert ExtractiveGenerator().generate(prompt).text == REFUSAL


def test_the_model_gets_the_messages_and_asks_for_usage(double: ChatDouble) -> None:
    streamed = pieces(generator_for(double, max_tokens=77))
    (sent,) = double.requests
    assert [message["role"] for message in sent["messages"]] == ["system", "user"]
    assert (sent["model"], sent["max_tokens"], sent["temperature"]) == ("double", 77, 0.0)
    usage = [piece.usage for piece in streamed if piece.usage]
    assert usage == [Usage(sum(len(m["content"].split()) for m in sent["messages"]), 8)]
    assert generator_for(double).generate(PROMPT).usage == usage[0]


@pytest.mark.parametrize("status", [400, 401, 404, 429, 500, 503])
def test_an_error_of_the_server_is_generation_unavailable(status: int, double: ChatDouble) -> None:
    double.fail_next(status, times=2)
    with pytest.raises(GenerationUnavailable):
        generator_for(double).generate(PROMPT)
    with pytest.raises(GenerationUnavailable):
        pieces(generator_for(double))


@pytest.mark.parametrize("status", [408, 409, 429, 500, 503])
def test_a_passing_error_is_tried_again(status: int, double: ChatDouble) -> None:
    double.fail_next(status)
    assert generator_for(double, max_retries=1).generate(PROMPT).text.endswith("[1].")
    assert len(double.requests) == 2


def test_an_error_that_will_not_pass_is_not_tried_again(double: ChatDouble) -> None:
    double.fail_next(401)
    with pytest.raises(GenerationUnavailable, match="401"):
        generator_for(double, max_retries=3).generate(PROMPT)
    assert len(double.requests) == 1


@pytest.mark.parametrize(("tokens", "attempts"), [(0, 3), (3, 1)])
def test_an_answer_that_has_begun_is_not_begun_again(tokens: int, attempts: int, double: ChatDouble) -> None:
    double.break_after_tokens = tokens
    with pytest.raises(GenerationUnavailable):
        pieces(generator_for(double, max_retries=2))
    assert len(double.requests) == attempts


def test_a_server_says_how_long_to_wait_unless_that_is_beyond_the_deadline(double: ChatDouble) -> None:
    double.fail_next(429, headers={"Retry-After": "1"})
    started = time.monotonic()
    assert generator_for(double, max_retries=1).generate(PROMPT).text
    assert time.monotonic() - started >= 1
    double.fail_next(429, headers={"Retry-After": "600"})
    with pytest.raises(GenerationUnavailable):
        generator_for(double, max_retries=1).generate(PROMPT)
    assert time.monotonic() - started < 3


def test_a_pause_is_at_random_within_a_bound_that_grows() -> None:
    pauses = [openai._pause_seconds(openai._Passing("x"), attempt) for attempt in [0] * 200 + [9] * 200]
    assert all(0 <= pause <= 0.5 for pause in pauses[:200])
    assert all(0 <= pause <= 4 for pause in pauses[200:])
    assert len(set(pauses)) > 300
    assert max(pauses) > 2


def test_a_server_that_is_not_there_is_generation_unavailable() -> None:
    generator = OpenAIGenerator(model="m", base_url="http://127.0.0.1:9/v1", max_retries=0)
    with pytest.raises(GenerationUnavailable):
        generator.generate(PROMPT)
    with pytest.raises(GenerationUnavailable):
        pieces(generator)


def test_a_slow_model_is_given_up_at_the_deadline_of_the_whole_answer(double: ChatDouble) -> None:
    double.seconds_per_token = 0.2
    started = time.monotonic()
    with pytest.raises(GenerationUnavailable, match="in time"):
        pieces(generator_for(double, timeout=0.5))
    assert time.monotonic() - started < 1.5


def test_a_model_that_does_not_begin_is_given_up_before_the_whole_deadline(double: ChatDouble) -> None:
    double.seconds_before = 5
    started = time.monotonic()
    with pytest.raises(GenerationUnavailable, match="in time"):
        pieces(generator_for(double, timeout=5, first_token_timeout=0.3))
    assert time.monotonic() - started < 1.5


def test_a_model_that_has_begun_may_take_longer_than_its_first_token(double: ChatDouble) -> None:
    double.seconds_per_token = 0.1
    assert "".join(piece.text for piece in pieces(generator_for(double, first_token_timeout=0.3)))


def test_a_connection_that_is_not_accepted_is_given_up(double: ChatDouble) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        others = [socket.socket() for _ in range(4)]
        for other in others:
            other.setblocking(False)
            other.connect_ex(full.getsockname())
        url = f"http://127.0.0.1:{full.getsockname()[1]}/v1"
        started = time.monotonic()
        with pytest.raises(GenerationUnavailable):
            pieces(OpenAIGenerator(model="m", base_url=url, max_retries=0, connect_timeout=0.3))
        assert time.monotonic() - started < 2
        for other in others:
            other.close()


def test_so_many_calls_at_once_and_the_next_one_waits(double: ChatDouble) -> None:
    generator = generator_for(double, max_concurrent=2)
    double.paused = True
    with ThreadPoolExecutor(5) as threads:
        answers = [threads.submit(generator.generate, PROMPT) for _ in range(5)]
        time.sleep(0.5)
        assert (len(double.requests), generator.places.is_full) == (2, True)
        double.paused = False
        assert len({answer.result(10).text for answer in answers}) == 1
    assert len(double.requests) == 5
    assert not generator.places.is_full


def test_who_leaves_the_queue_takes_no_place_with_it(double: ChatDouble) -> None:
    generator = generator_for(double, max_concurrent=1)

    async def leave() -> None:
        double.paused = True
        first = asyncio.create_task(_all(generator))
        waiting = [asyncio.create_task(_all(generator)) for _ in range(3)]
        await asyncio.sleep(0.3)
        waiting[0].cancel()
        double.paused = False
        await first
        await asyncio.gather(*waiting[1:])

    asyncio.run(leave())
    assert len(double.requests) == 3
    assert not generator.places.is_full


async def _all(generator: OpenAIGenerator) -> str:
    return "".join([piece.text async for piece in generator.stream(PROMPT)])


def test_azure_is_asked_by_deployment_and_version(double: ChatDouble) -> None:
    endpoint = double.base_url.removesuffix("/v1")
    generator = AzureOpenAIGenerator(model="mini", base_url=endpoint, api_key="k", max_retries=0)
    assert generator.generate(PROMPT).model == "mini"
    assert double.paths == ["/openai/deployments/mini/chat/completions?api-version=2024-10-21"]


@pytest.mark.parametrize("tokens", [0, 3])
def test_a_stream_that_breaks_off_is_generation_unavailable(tokens: int, double: ChatDouble) -> None:
    double.break_after_tokens = tokens
    with pytest.raises(GenerationUnavailable):
        pieces(generator_for(double))


def test_an_answer_that_ran_into_its_limit_says_so(double: ChatDouble) -> None:
    double.finish_reason = "length"
    assert generator_for(double).generate(PROMPT).is_cut
    assert any(piece.is_cut for piece in pieces(generator_for(double)))


def test_a_withheld_answer_is_generation_unavailable(double: ChatDouble) -> None:
    double.finish_reason = "content_filter"
    with pytest.raises(GenerationUnavailable, match="withheld"):
        generator_for(double).generate(PROMPT)
    with pytest.raises(GenerationUnavailable, match="withheld"):
        pieces(generator_for(double))


def test_a_stream_that_is_closed_hangs_up_on_the_model(double: ChatDouble) -> None:
    double.reply = lambda body: "word " * 100
    double.seconds_per_token = 0.02

    async def take_one() -> None:
        stream = generator_for(double).stream(PROMPT)
        await anext(stream)
        await stream.aclose()

    asyncio.run(take_one())
    deadline = time.monotonic() + 2
    while double.open_streams and time.monotonic() < deadline:
        time.sleep(0.02)
    assert double.open_streams == 0


def test_the_settings_name_the_generator_and_a_change_builds_another(settings: Any) -> None:
    settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.ExtractiveGenerator", "OPTIONS": {}}
    first = get_generator()
    assert isinstance(first, ExtractiveGenerator)
    assert get_generator() is first
    settings.SEARCH_GENERATOR = {"BACKEND": "search.generation.OpenAIGenerator", "OPTIONS": {"model": "m"}}
    assert get_generator().name == "m"


def test_a_key_is_never_printed() -> None:
    assert "secret" not in repr(OpenAIGenerator(model="m", api_key="secret"))


def test_secrets_are_no_part_of_what_answers_depend_on(settings: Any) -> None:
    providers = [{"name": "a", "model": "m", "api_key": "secret-1"}, {"name": "b", "model": "n"}]
    for options in ({"model": "m", "api_key": "secret-1"}, {"providers": providers}):
        settings.SEARCH_GENERATOR = {"BACKEND": "x", "OPTIONS": options}
        told = generator_settings()
        assert "secret-1" not in told
        assert '"model":"m"' in told
