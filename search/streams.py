"""POST /api/v1/ask: an answer as one JSON or as server-sent events, from an async view in the ASGI process.

The query flow runs in a small pool of threads, so a stream that generates holds no thread and no database
connection. What is over the pool's size is refused at once; a client that leaves, and does not come back within
seconds, cancels its generation.
"""

import asyncio
import threading
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, aclosing
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import orjson
import structlog
from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from django.db import close_old_connections
from django.http import HttpRequest, HttpResponse, HttpResponseBase, StreamingHttpResponse
from django.views.decorators.csrf import csrf_exempt
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.exceptions import APIException, MethodNotAllowed, UnsupportedMediaType
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from search import feedback
from search.answers import (
    PreparedAnswer,
    Question,
    equal_answer,
    failed_answer,
    finish_answer,
    open_question,
    prepare_answer,
)
from search.authentication import authenticate_key, require_scope
from search.citations import CitationStream, Shown
from search.errors import error_response
from search.exceptions import GenerationUnavailable, Overloaded, SearchError
from search.flights import Event, Flights, Follower
from search.follow_ups import with_standalone_question
from search.generation import Generator, get_generator
from search.generations import Piece
from search.metrics import QUERIES
from search.renderers import parsed_json
from search.rendering import citation_json, hit_json
from search.resuming import EventId, event_id, numbered
from search.serializers import AskSerializer
from search.shared_flights import shared_events
from search.spending import charged
from search.types import AskRequest, Principal

_LOGGED = ("request_id", "cache", "generator", "timings", "usage", "degraded")
logger = structlog.get_logger(__name__)
T = TypeVar("T")
PING_SECONDS = 1.0
PING = b": ping\n\n"
_INTERNAL_ERROR = {"code": "internal_error", "detail": "The answer broke off because of an error of ours."}
_flights = Flights()


class Dialect(Protocol):
    """How a surface tells an answer. `has_ids`: whether a stream that was lost can be taken up again."""

    @property
    def has_ids(self) -> bool: ...

    def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        """The one JSON of who wants no stream. May raise a SearchError, which is then the response."""
        ...

    def message(self, event: Event) -> bytes:
        """An event as it goes over the wire; nothing for one that this surface leaves out."""
        ...


class OwnDialect:
    """The API's: every event by its name."""

    has_ids = True

    def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        return body

    def message(self, event: Event) -> bytes:
        return b"event: %s\ndata: %s\n\n" % (event.name.encode(), orjson.dumps(event.data, default=str))


OWN_DIALECT = OwnDialect()


@dataclass(frozen=True, slots=True)
class Asked:
    """Who asks what, whether the answer is to be streamed, and how it is told. Ratings name the `request_id`.

    `last_event`: the last that came of a stream which is to be taken up again.
    """

    principal: Principal
    request: AskRequest
    stream: bool
    dialect: Dialect = OWN_DIALECT
    request_id: str = field(default_factory=lambda: str(uuid4()))
    last_event: EventId | None = None


@csrf_exempt
async def ask(request: HttpRequest) -> HttpResponseBase:
    """The API's endpoint: a Bearer key with the scope `ask`."""
    return await respond(lambda: _read_request(request))


class AskDescription(APIView):
    """An answer from the tenant's documents, with citations; as `text/event-stream` when `stream` is true.

    A stream that was lost goes on after the event that `Last-Event-ID` names, when the same is asked within seconds.
    """

    @extend_schema(
        operation_id="ask",
        request=AskSerializer,
        responses={
            (200, "application/json"): OpenApiResponse(
                OpenApiTypes.OBJECT, "Answer, citations, hits, timings, usage"
            ),
            (200, "text/event-stream"): OpenApiResponse(
                OpenApiTypes.STR, "status, hits, token, citation, done, error"
            ),
        },
    )
    def post(self, request: Request) -> Response:
        """Never called: DRF has no async views, but its schema is made from such."""
        raise NotImplementedError


vars(ask).update(cls=AskDescription, initkwargs={})


async def respond(
    read: Callable[[], Asked], *, failure: Callable[[Exception], HttpResponse | None] = error_response
) -> HttpResponseBase:
    """The response to what `read` finds, which runs in a thread. For other doors than the API's too.

    Whatever fails before the model is asked gives its own status, as `failure` says it; a stream begins only then.
    """
    response = await _respond(read, failure)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


async def _respond(
    read: Callable[[], Asked], failure: Callable[[Exception], HttpResponse | None]
) -> HttpResponseBase:
    try:
        with ExitStack() as stack:
            place = _Place()
            stack.callback(place.give_back)
            asked, question = await _opened(read)
            place.follower = follower = _flights.join(
                question.key, lambda: _produce(question), again=asked.last_event is not None
            )
            await follower.begin()
            if not asked.stream:
                return _json_response(asked.dialect.whole(await _done(asked, follower)))
            stack.pop_all()  # the stream gives the place back
            return _stream_response(_messages(asked, place, follower))
    except (SearchError, APIException, RequestDataTooBig) as error:
        response = failure(error) or HttpResponse(status=500)
        outcome = "error" if response.status_code >= 500 else "invalid"
        QUERIES.labels("ask", "shed" if isinstance(error, Overloaded) else outcome).inc()
        return response


class _Place:
    """One of the pool's places, with the flight that it follows. Raises Overloaded when none is free."""

    def __init__(self) -> None:
        self.follower: Follower | None = None
        self._loop = asyncio.get_running_loop()
        self._pool: threading.Semaphore | None = None
        pool = _pool(settings.SEARCH_STREAM_POOL_SIZE)
        if not pool.acquire(blocking=False):
            raise Overloaded(f"All {settings.SEARCH_STREAM_POOL_SIZE} places for answers are taken.")
        self._pool = pool

    def give_back(self, *, follows_on_seconds: float = 0.0) -> None:
        """May be called twice. The flight is followed on for a while, so that its reader can take it up again."""
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.release()
        if self.follower is not None and follows_on_seconds:
            self._loop.call_later(follows_on_seconds, self.follower.leave)
        elif self.follower is not None:
            self.follower.leave()

    def __del__(self) -> None:
        """For a response that was dropped before its stream began."""
        if self._pool is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.give_back)


@lru_cache(maxsize=1)
def _pool(size: int) -> threading.Semaphore:
    return threading.BoundedSemaphore(size)


@lru_cache(maxsize=1)
def _threads(count: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(count, thread_name_prefix="ask")


async def in_thread(work: Callable[[], T]) -> T:
    """The outcome of `work`, done in one of the few threads that all streams share."""
    threads = _threads(settings.SEARCH_STREAM_THREADS)
    return await asyncio.get_running_loop().run_in_executor(threads, _with_connections, work)


async def in_place(work: Callable[[], T]) -> T:
    """The same for what is a request of its own: it takes one of the pool's places meanwhile. Raises Overloaded."""
    place = _Place()
    try:
        return await in_thread(work)
    finally:
        place.give_back()


def _with_connections(work: Callable[[], T]) -> T:
    """Connections belong to the threads, as many as there are threads, and never to a stream."""
    close_old_connections()
    try:
        return work()
    finally:
        close_old_connections()


def _read_request(request: HttpRequest) -> Asked:
    principal, data = read_json(request)
    require_scope(principal, "ask")
    asked, streams = AskSerializer.request(data)
    last_event = event_id(request.headers.get("Last-Event-ID"))
    return Asked(principal, asked, streams, last_event=last_event)


def read_json(request: HttpRequest) -> tuple[Principal, Any]:
    """The key's principal and the JSON that it posted. Raises DRF's errors."""
    if request.method != "POST":
        raise MethodNotAllowed(str(request.method))
    principal = authenticate_key(request.headers.get("Authorization", ""))
    if request.content_type != "application/json":
        raise UnsupportedMediaType(request.content_type or "")
    return principal, parsed_json(request.body)


async def _opened(read: Callable[[], Asked]) -> tuple[Asked, Question]:
    """A question after others is made whole on the event loop, where no thread waits for the model."""
    asked, opened = await in_thread(lambda: _open(read))
    if isinstance(opened, Question):
        return asked, opened
    request = await with_standalone_question(asked.request, opened)
    question = await in_thread(lambda: open_question(asked.principal, request))
    return replace(asked, request=request), question


def _open(read: Callable[[], Asked]) -> tuple[Asked, Question | Generator]:
    """With the question; after a history, with what makes it whole."""
    asked = read()
    if asked.request.history:
        return asked, charged(get_generator(), asked.principal)
    return asked, open_question(asked.principal, asked.request)


async def _produce(question: Question) -> AsyncGenerator[Event, None]:
    """The events of an answer, `done` last. Followers of equal questions hear the same, in other processes too."""
    if (stored := await in_thread(lambda: equal_answer(question))) is not None:
        for event in _finished(stored):
            yield event
        return
    key = question.key
    shared = shared_events(key, lambda: _answered(question)) if key else _answered(question)
    async with aclosing(shared) as events:
        async for event in events:
            yield event


async def _answered(question: Question) -> AsyncGenerator[Event, None]:
    prepared = await in_thread(lambda: prepare_answer(question))
    if not isinstance(prepared, PreparedAnswer):
        for event in _finished(prepared):
            yield event
        return
    name, generator = uuid4().hex, question.generator.name
    yield Event("status", {"stage": "generating", "generator": generator, "stream": name})
    yield Event("hits", {"hits": [hit_json(hit) for hit in prepared.hits]})
    stream = prepared.citations()
    total = Piece()
    try:
        with prepared.clock.stage("generate"):
            async with aclosing(question.generator.stream(prepared.prompt)) as pieces:
                async for piece in pieces:
                    total = total.followed_by(piece)
                    for event in _shown(await _fed(stream, piece.text)):
                        yield event
    except GenerationUnavailable as error:
        yield Event("done", failed_answer(prepared, error))
        return
    for event in _shown(await in_thread(stream.flush)):
        yield event
    checked, generation = stream.checked(), total.generation()
    yield Event("done", await in_thread(lambda: finish_answer(prepared, checked, generation=generation)))


async def _fed(stream: CitationStream, text: str) -> Shown:
    """In a thread where a sentence may be judged: that may ask the embedder."""
    return await in_thread(lambda: stream.feed(text)) if stream.may_close(text) else stream.feed(text)


def _finished(body: dict[str, Any]) -> Iterator[Event]:
    """The events of an answer that was stored, or refused without a generation."""
    yield Event(
        "status", {"stage": "refused" if body["refused"] else "stored", "generator": body["generator"]}
    )
    yield Event("hits", {"hits": body["hits"]})
    yield Event("token", {"text": body["answer"]})
    for citation in body["citations"]:
        yield Event("citation", citation)
    yield Event("done", body)


def _shown(shown: Shown) -> Iterator[Event]:
    if shown.text:
        yield Event("token", {"text": shown.text})
    for citation in shown.citations:
        yield Event("citation", citation_json(citation))


async def _done(asked: Asked, follower: Follower) -> dict[str, Any]:
    """The last event's body, for those who want no stream."""
    async for event in follower.events():
        if event is not None and event.name == "done":
            return (await _own(asked, event)).data
    raise GenerationUnavailable("The answer broke off.")


async def _messages(asked: Asked, place: _Place, follower: Follower) -> AsyncIterator[bytes]:
    """Server-sent events, and a comment for each second without one, so that a lost client is noticed."""
    has_ids = asked.dialect.has_ids
    try:
        async for place_in_stream, event in numbered(
            follower.events(silence_seconds=PING_SECONDS), asked.last_event
        ):
            if event is None:
                yield PING
                continue
            message = asked.dialect.message(await _own(asked, event))
            yield (
                b"id: %s\n%s" % (str(place_in_stream).encode(), message)
                if has_ids and place_in_stream
                else message
            )
    except SearchError as error:
        yield asked.dialect.message(Event("error", {"code": error.code, "detail": error.detail}))
    except Exception:  # the boundary of a response whose status is already sent
        logger.exception("ask_broke_off")
        yield asked.dialect.message(Event("error", _INTERNAL_ERROR))
    finally:
        place.give_back(follows_on_seconds=settings.SEARCH_STREAM_RESUME_SECONDS if has_ids else 0.0)


async def _own(asked: Asked, event: Event) -> Event:
    """`done` with a request id of this request's own, remembered for its ratings, and counted."""
    if event.name != "done":
        return event
    body, question = event.data | {"request_id": asked.request_id}, asked.request.question
    await in_thread(lambda: feedback.remember(asked.principal, "ask", question, body))
    outcome = "refused" if body["refused"] else "degraded" if body["degraded"] else "ok"
    QUERIES.labels("ask", outcome).inc()
    logger.info("ask", outcome=outcome, **{name: body[name] for name in _LOGGED})
    return Event("done", body)


def _stream_response(messages: AsyncIterator[bytes]) -> StreamingHttpResponse:
    headers = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}
    return StreamingHttpResponse(messages, content_type="text/event-stream", headers=headers)


def _json_response(body: dict[str, Any]) -> HttpResponse:
    return HttpResponse(orjson.dumps(body, default=str), content_type="application/json")
