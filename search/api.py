"""The search endpoint. `/ask` lives in `streams`, because its answers stream."""

from typing import ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from search import services
from search.authentication import principal_of
from search.metrics import QUERIES
from search.serializers import SearchSerializer


class SearchView(APIView):
    """Hybrid, lexical or vector search over the key's tenant."""

    scope: ClassVar[str] = "search"

    @extend_schema(
        request=SearchSerializer, responses={200: OpenApiResponse(description="Hits, total, facets, timings")}
    )
    def post(self, request: Request) -> Response:
        serializer = SearchSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        body = services.search(principal_of(request), serializer.request())
        QUERIES.labels("search", "degraded" if body["degraded"] else "ok").inc()
        return Response(body)
