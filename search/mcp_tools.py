"""What an agent may do over MCP: search, read on in a document, ask. Arguments are checked as the API checks its own.

Results are plain JSON that names documents by `id`, so that one tool's result is another's argument.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from search import reading, services
from search.exceptions import InvalidRequest, NotFound
from search.metrics import QUERIES
from search.serializers import AskSerializer, SearchSerializer
from search.types import AskRequest, Principal

_FILTERS = {
    "type": "object",
    "description": 'Narrows what is looked at: {"field", "op", "value"}, or {"and": […]}, {"or": […]}, {"not": {…}}.'
    " Fields: source, media_type, language, published_at, document, and the documents' metadata."
    " Ops: eq, ne, in, nin, gt, gte, lt, lte, exists, prefix.",
}
_PROFILE = {
    "type": "string",
    "description": "A named set of retrieval settings. Leave it out for the usual one.",
}
_COLLECTION = {
    "type": "string",
    "description": "A part of the documents that has a name here. Leave it out for all of them.",
}
_ID = {"type": "string", "description": "The document's id, as results and citations name it."}


def _object(required: str, **properties: Any) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": [required],
        "additionalProperties": False,
    }


@dataclass(frozen=True, slots=True)
class Tool:
    """A tool as `tools/list` shows it, and the scope that a key needs for it."""

    name: str
    title: str
    description: str
    schema: Mapping[str, Any]
    scope: str

    def described(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "title": self.title,
            "description": self.description,
            "inputSchema": self.schema,
            "annotations": {"readOnlyHint": True, "openWorldHint": False},
        }


def _search(principal: Principal, arguments: dict[str, Any]) -> dict[str, Any]:
    body = services.search(principal, SearchSerializer.request(arguments))
    QUERIES.labels("search", "degraded" if body["degraded"] else "ok").inc()
    found = [
        _named(hit["document"]) | _placed(hit["chunk"]) | {"score": hit["score"]} for hit in body["hits"]
    ]
    return {"results": found, "total": body["total"]["value"], "degraded": body["degraded"]}


def _fetch(principal: Principal, arguments: dict[str, Any]) -> dict[str, Any]:
    """Raises NotFound, InvalidRequest, OpenSearchUnavailable."""
    public_id, at = arguments.get("id"), arguments.get("passage", 0)
    if unknown := set(arguments) - {"id", "passage"}:
        raise InvalidRequest(f"{min(unknown)}: Unknown field.")
    if not isinstance(public_id, str) or not public_id:
        raise InvalidRequest("id: Name a document.")
    if not isinstance(at, int) or isinstance(at, bool) or not 0 <= at < 1_000_000:
        raise InvalidRequest("passage: Give a number from 0 on.")
    part = reading.read_document(principal, public_id, at=at)
    if not part.passages and part.count:
        raise NotFound("The document has changed just now; fetch it again.")
    following = part.first + len(part.passages)
    return {
        "id": public_id,
        "title": part.document.title,
        "url": part.document.url,
        "metadata": dict(part.document.metadata),
        "text": "\n\n".join(passage.text for passage in part.passages),
        "first_passage": part.first,
        "passages": part.count,
        "next_passage": following if following < part.count else None,
    }


def ask_request(arguments: dict[str, Any]) -> AskRequest:
    """The question that `ask` was called with. Raises DRF's ValidationError."""
    return AskSerializer.request(arguments)[0]


def answer_json(body: Mapping[str, Any]) -> dict[str, Any]:
    """An answer as a tool's result; the passages when there is no answer but they."""
    told = {
        "answer": body["answer"],
        "refused": body["refused"],
        "citations": [
            {"marker": citation["marker"], "quote": citation["quote"]}
            | _named(citation["document"])
            | {"passage": citation["chunk"]["ordinal"]}
            for citation in body["citations"]
        ],
        "degraded": body["degraded"],
    }
    if not body["answer"]:
        told["results"] = [_named(hit["document"]) | _placed(hit["chunk"]) for hit in body["hits"]]
    return told


def _named(document: Mapping[str, Any]) -> dict[str, Any]:
    return {name: document[name] for name in ("id", "title", "url", "metadata")}


def _placed(chunk: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "text": chunk["text"],
        "headings": chunk["headings"],
        "page": chunk["page"],
        "passage": chunk["ordinal"],
    }


_TOOLS = (
    Tool(
        "search",
        "Search the documents",
        "Passages of the documents that fit a query best, by words and by meaning.",
        _object(
            "query",
            query={
                "type": "string",
                "description": 'A question or words. "…" is a phrase, -word is left out.',
            },
            filters=_FILTERS,
            top_k={"type": "integer", "minimum": 1, "maximum": 100, "default": 10},
            mode={"type": "string", "enum": ["hybrid", "lexical", "vector"], "default": "hybrid"},
            profile=_PROFILE,
            collection=_COLLECTION,
        ),
        "search",
    ),
    Tool(
        "fetch",
        "Read a document",
        f"A document's text, {reading.PASSAGES_AT_ONCE} passages at a time; `next_passage` says where it goes on.",
        _object("id", id=_ID, passage={"type": "integer", "minimum": 0, "default": 0}),
        "search",
    ),
    Tool(
        "ask",
        "Ask the documents",
        "An answer from the documents alone, with a citation for each statement; or that they do not have it.",
        _object(
            "question",
            question={"type": "string"},
            filters=_FILTERS,
            top_k={"type": "integer", "minimum": 1, "maximum": 50, "default": 8},
            profile=_PROFILE,
            collection=_COLLECTION,
        ),
        "ask",
    ),
)


# `ask` is not among them: an answer is generated on the event loop.
RUNS: Mapping[str, Callable[[Principal, dict[str, Any]], dict[str, Any]]] = {
    "search": _search,
    "fetch": _fetch,
}


def tools_of(principal: Principal) -> list[Tool]:
    """The tools that a key's scopes allow."""
    return [tool for tool in _TOOLS if tool.scope in principal.scopes]
