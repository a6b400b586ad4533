"""OpenAI's `/v1/chat/completions` and `/v1/models` over a tenant's documents, for clients that know only these.

A model is a profile: `ragsite` is what is live, `ragsite/NAME` a profile by name. What OpenAI has no field for
(`citations`, `refused`, `degraded` …) stands beside `choices`, of a stream in its last chunk with a choice.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, ClassVar
from uuid import uuid4

import orjson
from django.http import HttpRequest, HttpResponse, HttpResponseBase, JsonResponse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_safe

from search.authentication import authenticate_key, require_scope
from search.context import bounded_history
from search.errors import api_error_of
from search.exceptions import (
    BudgetExhausted,
    BudgetUnavailable,
    GenerationUnavailable,
    InvalidRequest,
    ModelNotFound,
)
from search.flights import Event
from search.models.profiles import DEFAULT_PROFILE
from search.profiles import live_profiles
from search.serializers import AskSerializer, ChatSerializer
from search.shared_flights import RESTARTED
from search.streams import Asked, read_json, respond
from search.types import Message

OWNER = "ragsite"
_ASKED_AS = {"question": "messages", "profile": "model"}  # our field, by the name that the client gave it
_BEYOND_OPENAI = {"citations", "refused", "degraded", "standalone_question"}
_DONE = b"data: [DONE]\n\n"


@csrf_exempt
async def completions(request: HttpRequest) -> HttpResponseBase:
    """POST: the last message is the question, those before it are its history."""
    return await respond(lambda: _read(request), failure=error_response)


def _read(request: HttpRequest) -> Asked:
    """Raises InvalidRequest, ModelNotFound and DRF's errors."""
    principal, data = read_json(request)
    require_scope(principal, "ask")
    chat = ChatSerializer.validated(data)
    body = _ask_body(chat) | {"profile": _profile(chat["model"], principal.tenant_id)}
    asked, streams = AskSerializer.request(body)
    request_id = str(uuid4())
    has_usage = bool((chat["stream_options"] or {}).get("include_usage"))
    return Asked(principal, asked, streams, ChatDialect(chat["model"], request_id, has_usage), request_id)


def _ask_body(chat: dict[str, Any]) -> dict[str, Any]:
    """Our own request. Instructions of the system role are left out: an answer is made by the platform's."""
    turns = [
        Message(message["role"], message["content"])
        for message in chat["messages"]
        if message["role"] in ("user", "assistant") and message["content"]
    ]
    if not turns or turns[-1].role != "user":
        message = "The last message has to be the user's question."
        raise InvalidRequest(message, fields={"messages": [message]})
    return {
        "question": turns[-1].content,
        "history": [
            {"role": turn.role, "content": turn.content}
            for turn in bounded_history(turns[:-1])
            if turn.content.strip()
        ],
        "filters": chat["filters"],
        "stream": bool(chat["stream"]),
    }


def _profile(model: str, tenant_id: int) -> str | None:
    if model not in _models(tenant_id):
        raise ModelNotFound(f"There is no model {model!r}; GET /v1/models lists them.")
    return model.partition("/")[2] or None


def _models(tenant_id: int) -> dict[str, int]:
    """Model names, each with the second from which it serves; 0 for the platform's settings."""
    live = {name: int(since.timestamp()) for name, since in live_profiles(tenant_id).items()}
    named = {f"{OWNER}/{name}": since for name, since in live.items()}
    return {OWNER: live.get(DEFAULT_PROFILE, 0), **named}


@dataclass(frozen=True, slots=True)
class ChatDialect:
    """An answer as OpenAI tells one. Its id is `chatcmpl-` and the request id, by which it may be rated."""

    has_ids: ClassVar[bool] = False

    model: str
    request_id: str
    has_usage: bool
    created: int = field(default_factory=lambda: int(time.time()))

    def whole(self, body: dict[str, Any]) -> dict[str, Any]:
        """Raises GenerationUnavailable for hits without an answer, which a chat can't show."""
        if failure := _failure(body):
            raise failure
        message = {"role": "assistant", "content": body["answer"], "refusal": None}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish_reason(body)}
        told = self._object("chat.completion", [choice])
        return told | {"usage": _usage(body)} | _beyond_openai(body)

    def message(self, event: Event) -> bytes:
        """Raises GenerationUnavailable for an answer that begins anew: a chat can't take words back."""
        if event == RESTARTED:
            raise GenerationUnavailable("The answer broke off; ask again.")
        if event.name == "status":
            return self._chunk({"role": "assistant", "content": ""})
        if event.name == "token":
            return self._chunk({"content": event.data["text"]})
        if event.name == "done":
            return self._end(event.data)
        if event.name == "error":
            return _sent(_error_json(500, event.data))
        return b""

    def _end(self, body: dict[str, Any]) -> bytes:
        if failure := _failure(body):
            return _sent(_error_json(failure.status, {"code": failure.code, "detail": failure.detail}))
        last = self._chunk({}, _finish_reason(body), _beyond_openai(body))
        if self.has_usage:
            last += _sent(self._object("chat.completion.chunk", []) | {"usage": _usage(body)})
        return last + _DONE

    def _chunk(
        self, delta: dict[str, str], finish_reason: str | None = None, more: dict[str, Any] | None = None
    ) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        usage = {"usage": None} if self.has_usage else {}
        return _sent(self._object("chat.completion.chunk", [choice]) | usage | (more or {}))

    def _object(self, kind: str, choices: list[Any]) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.request_id}",
            "object": kind,
            "created": self.created,
            "model": self.model,
            "choices": choices,
        }


def _sent(body: dict[str, Any]) -> bytes:
    return b"data: %s\n\n" % orjson.dumps(body, default=str)


def _failure(body: dict[str, Any]) -> GenerationUnavailable | None:
    """Why there are hits alone: the last reason, which the missing answer gave."""
    if body["answer"]:
        return None
    if body["degraded"][-1] == BudgetExhausted.code:
        return BudgetExhausted("This month's budget is used up.")
    if body["degraded"][-1] == BudgetUnavailable.code:
        return BudgetUnavailable("The budget can't be counted now; try again shortly.")
    return GenerationUnavailable("The model gave no answer; try again shortly.")


def _beyond_openai(body: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in body.items() if name in _BEYOND_OPENAI}


def _finish_reason(body: dict[str, Any]) -> str:
    return "length" if "answer_cut" in body["degraded"] else "stop"


def _usage(body: dict[str, Any]) -> dict[str, int]:
    usage = body["usage"]
    return {**usage, "total_tokens": usage["prompt_tokens"] + usage["completion_tokens"]}


def error_response(error: Exception) -> HttpResponse | None:
    """OpenAI's `{"error": {…}}`; None for a bug."""
    told = api_error_of(error)
    if told is None:
        return None
    return JsonResponse(_error_json(told.status, told.body), status=told.status, headers=told.headers)


def _error_json(status: int, body: dict[str, Any]) -> dict[str, Any]:
    field_name = next(iter(body.get("fields") or ()), None)
    kind = "server_error" if status >= 500 else "invalid_request_error"
    param = _ASKED_AS.get(field_name, field_name) if field_name else None
    return {"error": {"message": body["detail"], "type": kind, "param": param, "code": body["code"]}}


def _in_openai_shape(view: Callable[..., HttpResponse]) -> Callable[..., HttpResponse]:
    @wraps(view)
    def wrapped(request: HttpRequest, **named: str) -> HttpResponse:
        try:
            return view(request, **named)
        except Exception as error:
            response = error_response(error)
            if response is None:
                raise
            return response

    return wrapped


@require_safe
@_in_openai_shape
def models(request: HttpRequest) -> HttpResponse:
    """The models that the key's tenant has."""
    found = _models(_tenant_id(request))
    return JsonResponse({"object": "list", "data": [_model_json(*model) for model in found.items()]})


@require_safe
@_in_openai_shape
def model(request: HttpRequest, name: str) -> HttpResponse:
    """One of them."""
    found = _models(_tenant_id(request))
    if name not in found:
        raise ModelNotFound(f"There is no model {name!r}.")
    return JsonResponse(_model_json(name, found[name]))


def _tenant_id(request: HttpRequest) -> int:
    principal = authenticate_key(request.headers.get("Authorization", ""))
    require_scope(principal, "ask")
    return principal.tenant_id


def _model_json(name: str, created: int) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": created, "owned_by": OWNER}
