"""The endpoints of expectations: what must stay true, what does not, and putting a former edition back."""

from typing import Any, ClassVar

from django.http import Http404
from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework import status
from rest_framework.request import Request
from rest_framework.response import Response

from ingestion.api import TenantView
from ingestion.serializers import ExpectationSerializer, task_json
from ingestion.services import expectations, restoring
from search.authentication import principal_of
from search.expectations import SENTENCES
from search.models import Expectation

Json = dict[str, Any]


class ExpectationBase(TenantView):
    """The key's tenant, its expectations and no others."""

    scope: ClassVar[str] = "explain"

    def expectations(self) -> Any:
        rows = Expectation.objects.filter(tenant_id=principal_of(self.request).tenant_id)
        return rows.select_related("document", "tenant")

    def expectation(self, pk: int) -> Expectation:
        if (found := self.expectations().filter(pk=pk).first()) is None:
            raise Http404(f"There is no expectation {pk}.")
        return found  # type: ignore[no-any-return]


class ExpectationsView(ExpectationBase):
    """What must stay true."""

    @extend_schema(
        responses={200: OpenApiResponse(description="Each with its state and the stage that lost it")}
    )
    def get(self, request: Request) -> Response:
        return Response({"expectations": [expectation_json(row) for row in self.expectations()]})

    @extend_schema(
        request=ExpectationSerializer,
        responses={201: OpenApiResponse(description="The expectation, not asked yet")},
    )
    def post(self, request: Request) -> Response:
        """A worker asks it within seconds, once nothing is being ingested."""
        made = Expectation.objects.create(**ExpectationSerializer.said(self.tenant(), request.data))
        expectations.ask_again(self.expectations().filter(pk=made.pk))
        return Response(expectation_json(made), status=status.HTTP_201_CREATED)


class ExpectationView(ExpectationBase):
    """One expectation."""

    @extend_schema(
        operation_id="get_expectation",
        responses={200: OpenApiResponse(description="Its state, and the editions that could be put back")},
    )
    def get(self, request: Request, pk: int) -> Response:
        row = self.expectation(pk)
        offers = [
            {"document": offer.document.public_id, "replaced_at": offer.content.replaced_at}
            for offer in restoring.offers(row)
            if offer.content
        ]
        return Response(expectation_json(row) | {"former_editions": offers})

    @extend_schema(responses={204: OpenApiResponse(description="Not asked any more")})
    def delete(self, request: Request, pk: int) -> Response:
        self.expectation(pk).delete()
        return Response(status=status.HTTP_204_NO_CONTENT)


class AskAgainView(ExpectationBase):
    """Have all expectations of the tenant asked now."""

    @extend_schema(
        operation_id="ask_expectations",
        request=None,
        responses={202: OpenApiResponse(description="How many")},
    )
    def post(self, request: Request) -> Response:
        count = expectations.ask_again(self.expectations().filter(is_enabled=True))
        return Response({"asked": count}, status=status.HTTP_202_ACCEPTED)


class PutBackView(ExpectationBase):
    """Put the editions back that were live when an expectation last held."""

    scope: ClassVar[str] = "documents"

    @extend_schema(request=None, responses={202: OpenApiResponse(description="The tasks that do it")})
    def post(self, request: Request, pk: int) -> Response:
        contents = [offer.content for offer in restoring.offers(self.expectation(pk)) if offer.content]
        tasks = [restoring.put_back(content) for content in contents]
        return Response({"tasks": [task_json(task) for task in tasks]}, status=status.HTTP_202_ACCEPTED)


def expectation_json(row: Expectation) -> Json:
    """`detail` and `found` are there when it is red: what lost it, and what there was instead."""
    body: Json = {
        "id": row.pk,
        "question": row.question,
        "kind": row.kind,
        "document": row.document.public_id if row.document else None,
        "within": row.within,
        "text": row.text,
        "groups": row.groups,
        "profile": row.profile,
        "enabled": row.is_enabled,
        "state": row.state,
        "asked_at": row.asked_at,
        "green_at": row.green_at,
    }
    if row.state == Expectation.State.RED:
        body |= {
            "stage": row.stage,
            "detail": SENTENCES[row.stage],
            "found": row.found,
            "red_since": row.red_since,
        }
    return body
