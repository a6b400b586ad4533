"""The ASGI application, with two pools that can't starve each other.

Streamed answers run natively on the event loop; everything else is the WSGI application on a bounded set of threads,
whose database connections live on. What is over a pool's size gets its 503 at once.
"""

import os
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any, cast

from a2wsgi import WSGIMiddleware
from django.core.asgi import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ragsite.settings")
_streams: Any = get_asgi_application()

from django.conf import settings  # noqa: E402  the settings are there once the application is
from django.core.wsgi import get_wsgi_application  # noqa: E402

from ragsite.handlers import AnswerHandler  # noqa: E402

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

_ANSWER_PATHS = {"/api/v1/ask", "/v1/chat/completions", "/mcp"}
_STREAM_PATH_END = "/ask"
_FULL = b'{"code": "overloaded", "detail": "All places are taken; try again shortly."}'
_answers: Any = AnswerHandler()
_web = WSGIMiddleware(cast(Any, get_wsgi_application()), workers=settings.SEARCH_WEB_POOL_SIZE)


class Admission:
    """Lets so many requests in at once; the next one is refused rather than queued without end."""

    def __init__(self, app: Any, *, places: int) -> None:
        self.app, self.places = app, places
        self.taken = 0

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if self.taken >= self.places:
            await _refuse(send)
            return
        self.taken += 1
        try:
            await self.app(scope, receive, send)
        finally:
            self.taken -= 1


async def _refuse(send: Send) -> None:
    headers = [(b"content-type", b"application/json"), (b"retry-after", b"1")]
    await send({"type": "http.response.start", "status": 503, "headers": headers})
    await send({"type": "http.response.body", "body": _FULL})


_admitted_web = Admission(_web, places=settings.SEARCH_WEB_POOL_SIZE + settings.SEARCH_WEB_QUEUE_SIZE)


async def application(scope: Message, receive: Receive, send: Send) -> None:
    """Streams admit their own requests: they hold a place as long as they generate."""
    if scope["type"] != "http":
        return
    if scope["path"] in _ANSWER_PATHS:
        await _answers(scope, receive, send)
    elif scope["path"].endswith(_STREAM_PATH_END):
        await _streams(scope, receive, send)
    else:
        await _admitted_web(scope, receive, send)
