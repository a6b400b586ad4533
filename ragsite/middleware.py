"""Whitenoise for both kinds of server. Its own middleware is sync alone, and then each asker waits in a thread."""

from inspect import isawaitable
from typing import Any

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest
from whitenoise.middleware import WhiteNoiseMiddleware


class StaticFilesMiddleware(WhiteNoiseMiddleware):  # type: ignore[misc]
    """Sync or async, as the view behind it is."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Any) -> None:
        super().__init__(get_response)
        self._is_async = iscoroutinefunction(get_response)
        if self._is_async:
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        return self._call(request) if self._is_async else super().__call__(request)

    async def _call(self, request: HttpRequest) -> Any:
        response = super().__call__(request)
        return await response if isawaitable(response) else response
