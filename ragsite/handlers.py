"""The ASGI handler of the API's answers: Django's, with none of the pages' middleware.

Sessions, CSRF and static files mean nothing to a request with a key, and each such middleware costs two hops through a
thread: with a hundred askers at once that was a third of the time to the first token.
"""

from typing import Any, cast

from corsheaders.middleware import CorsMiddleware
from django.core.handlers.asgi import ASGIHandler
from django.core.handlers.exception import convert_exception_to_response


class AnswerHandler(ASGIHandler):
    """Serves async views alone."""

    def load_middleware(self, is_async: bool = False) -> None:
        for kind in ("view", "template_response", "exception"):
            setattr(self, f"_{kind}_middleware", [])
        get_response: Any = convert_exception_to_response(cast(Any, self)._get_response_async)  # noqa: SLF001
        self._middleware_chain = convert_exception_to_response(cast(Any, CorsMiddleware(get_response)))
