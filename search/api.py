"""The endpoints of search, its explanations, suggestions and ratings. `/ask` lives in `streams`: its answers stream."""

from dataclasses import replace
from typing import ClassVar

import structlog
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from search import feedback, services, suggestions
from search.authentication import principal_of
from search.collections import choices
from search.errors import api_error_of
from search.metrics import QUERIES
from search.rendering import whereabouts_json
from search.serializers import (
    ExplainSerializer,
    FeedbackSerializer,
    SearchSerializer,
    SuggestSerializer,
)
from search.whereabouts import Sought, whereabouts

logger = structlog.get_logger(__name__)
_LOGGED = ("request_id", "cache", "timings", "degraded")


class SearchView(APIView):
    """Hybrid, lexical or vector search over the key's tenant."""

    scope: ClassVar[str] = "search"

    @extend_schema(
        request=SearchSerializer, responses={200: OpenApiResponse(description="Hits, total, facets, timings")}
    )
    def post(self, request: Request) -> Response:
        principal = principal_of(request)
        asked = SearchSerializer.request(request.data)
        body = services.search(principal, asked)
        feedback.remember(principal, "search", asked.query, body)
        QUERIES.labels("search", "degraded" if body["degraded"] else "ok").inc()
        logged = {name: body[name] for name in _LOGGED}
        logger.info("search", tenant=principal.tenant_id, hits=len(body["hits"]), **logged)
        return Response(body)

    def handle_exception(self, exc: Exception) -> Response:
        """Counts what fails: the client's mistake is `invalid`, ours an `error`."""
        failure = api_error_of(exc)
        QUERIES.labels("search", "invalid" if failure and failure.status < 500 else "error").inc()
        return super().handle_exception(exc)


class ExplainView(APIView):
    """Why a document is, or is not, among the results of a search: the stage that lost it."""

    scope: ClassVar[str] = "explain"

    @extend_schema(
        request=ExplainSerializer,
        responses={200: OpenApiResponse(description="The stage, and what it was told by")},
    )
    def post(self, request: Request) -> Response:
        search, sought = ExplainSerializer.sought(request.data)
        principal = principal_of(request)
        if sought["groups"] is not None:
            principal = replace(principal, groups=tuple(sought["groups"]))
        document = Sought(sought["document"], sought["passage"], asks=sought["ask"])
        found = whereabouts(principal, search, document)
        facts = {"record": found.record, "index": found.index, "ranking": found.ranking}
        return Response(whereabouts_json(document.public_id, found.stage, facts, found.hit))


class SuggestView(APIView):
    """Titles and headings that go on what is being typed."""

    scope: ClassVar[str] = "search"

    @extend_schema(
        parameters=[SuggestSerializer], responses={200: OpenApiResponse(description="Suggestions, timings")}
    )
    def get(self, request: Request) -> Response:
        asked = SuggestSerializer.validated(request.query_params.dict())
        found = suggestions.suggest(
            principal_of(request), asked["q"], size=asked["size"], collection=asked["collection"]
        )
        return Response(found)


class CollectionsView(APIView):
    """The collections that the key may name in a search or a question."""

    scope: ClassVar[tuple[str, ...]] = ("search", "ask")

    @extend_schema(responses={200: OpenApiResponse(description="Collections by name")})
    def get(self, request: Request) -> Response:
        shown = [
            {"collection": one.slug, "name": one.name, "description": one.description}
            for one in choices(principal_of(request))
        ]
        return Response({"collections": shown})


class FeedbackView(APIView):
    """A reader's rating of a response, or of one document in it. A second one takes the place of the first."""

    scope: ClassVar[tuple[str, ...]] = ("search", "ask")

    @extend_schema(
        request=FeedbackSerializer, responses={201: OpenApiResponse(description="The rating as kept")}
    )
    def post(self, request: Request) -> Response:
        kept = feedback.rate(principal_of(request), FeedbackSerializer.rating_of(request.data))
        body = {"request_id": str(kept.request_id), "document": kept.document or None, "rating": kept.rating}
        return Response(body, status=201)
