"""The one error shape, `{"code", "detail", "fields"?}`, and the one handler that gives it, for DRF and plain views."""

from typing import Any

import structlog
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views import defaults
from rest_framework import exceptions
from rest_framework.response import Response

from search.exceptions import InvalidRequest

logger = structlog.get_logger(__name__)
_CODES = {400: "invalid_request", 401: "not_authenticated", 403: "permission_denied", 404: "not_found"}
_CODES |= {
    405: "method_not_allowed",
    406: "not_acceptable",
    413: "too_large",
    415: "unsupported_type",
    429: "throttled",
}
_API_PATHS = ("/api/", "/v1/", "/mcp")


class ApiError(Exception):
    """An error as it goes out: status, body and headers."""

    def __init__(self, status: int, body: dict[str, Any], headers: dict[str, str]) -> None:
        super().__init__(body["detail"])
        self.status, self.body, self.headers = status, body, headers


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER; None (a bug) stays a 500."""
    api_error = api_error_of(error)
    if api_error is None:
        return None
    return Response(api_error.body, status=api_error.status, headers=api_error.headers)


def api_error_of(error: Exception) -> ApiError | None:
    """What an exception says to a client; None when it says nothing that a client should read."""
    if isinstance(error, Http404):
        error = exceptions.NotFound(str(error) or "Not found.")
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied(str(error) or None)
    elif isinstance(error, RequestDataTooBig):
        return ApiError(413, {"code": _CODES[413], "detail": "The request body is too large."}, {})
    elif isinstance(error, OperationalError):
        body = {"code": "database_unavailable", "detail": "The database does not answer; try again shortly."}
        return ApiError(503, body, {"Retry-After": "2"})
    if isinstance(error, exceptions.APIException):
        return _drf_error(error)
    if not hasattr(error, "code") or not hasattr(error, "status"):
        return None
    return _own_error(error)


def _own_error(error: Any) -> ApiError:
    body: dict[str, Any] = {"code": error.code, "detail": str(error)}
    if fields := getattr(error, "fields", None):
        body["fields"] = fields
    retry_after = getattr(error, "retry_after_seconds", None)
    if error.status >= 500:
        logger.warning("request_failed", code=error.code, detail=str(error))
    return ApiError(error.status, body, {"Retry-After": str(retry_after)} if retry_after else {})


def _drf_error(error: exceptions.APIException) -> ApiError:
    headers = {"WWW-Authenticate": "Bearer"} if error.status_code == 401 else {}
    if (wait := getattr(error, "wait", None)) is not None:
        headers["Retry-After"] = str(max(1, int(wait)))
    code = _CODES.get(error.status_code, "error")
    if isinstance(error, exceptions.ValidationError):
        fields = _field_messages(error.detail)
        first = next(iter(fields.items()), ("request", ["is invalid"]))
        return ApiError(
            400,
            {"code": InvalidRequest.code, "detail": f"{first[0]}: {first[1][0]}", "fields": fields},
            headers,
        )
    return ApiError(error.status_code, {"code": code, "detail": str(error.detail)}, headers)


def _field_messages(detail: Any, prefix: str = "") -> dict[str, list[str]]:
    """DRF's nested messages, flattened to dotted names."""
    if isinstance(detail, dict):
        flat: dict[str, list[str]] = {}
        for name, inner in detail.items():
            flat |= _field_messages(inner, f"{prefix}.{name}" if prefix else str(name))
        return flat
    if isinstance(detail, list) and any(isinstance(item, dict | list) for item in detail):
        return _field_messages({str(position): item for position, item in enumerate(detail) if item}, prefix)
    messages = detail if isinstance(detail, list) else [detail]
    return {prefix or "request": [str(message) for message in messages]}


def error_response(error: Exception) -> JsonResponse | None:
    """The same for a plain Django view; None for a bug."""
    api_error = api_error_of(error)
    if api_error is None:
        return None
    return JsonResponse(api_error.body, status=api_error.status, headers=api_error.headers)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    """Django's handler404: the API answers in its own shape."""
    if request.path.startswith(_API_PATHS):
        return JsonResponse(
            {"code": _CODES[404], "detail": f"There is nothing at {request.path}."}, status=404
        )
    return defaults.page_not_found(request, exception)


def server_error(request: HttpRequest) -> HttpResponse:
    """Django's handler500, likewise."""
    if request.path.startswith(_API_PATHS):
        return JsonResponse({"code": "internal_error", "detail": "Something went wrong here."}, status=500)
    return defaults.server_error(request)
