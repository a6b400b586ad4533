"""The endpoints of profiles: their versions, and which of them is live."""

from typing import Any, ClassVar

from drf_spectacular.utils import OpenApiResponse, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from search import promotion
from search.authentication import principal_of
from search.exceptions import NotFound
from search.models import Profile, Tenant
from search.promotion import Verdict
from search.serializers import VersionSerializer

_VERSION = OpenApiResponse(
    description="The version: settings, state, what it would replace and how it compares"
)
Json = dict[str, Any]


class ProfileView(APIView):
    """The key's tenant, its profiles and no others."""

    scope: ClassVar[str] = "profiles"

    def tenant(self) -> Tenant:
        return Tenant.objects.get(pk=principal_of(self.request).tenant_id)

    def version(self, name: str, version: int) -> Profile:
        rows = Profile.objects.filter(tenant=self.tenant(), name=name, version=version)
        if (found := rows.select_related("predecessor").first()) is None:
            raise NotFound(f"There is no profile {name}@{version}.")
        return found


class ProfilesView(ProfileView):
    """Every profile with its versions, the newest first."""

    @extend_schema(responses={200: OpenApiResponse(description="Names, which version is live, all versions")})
    def get(self, request: Request) -> Response:
        named: dict[str, list[Profile]] = {}
        for row in Profile.objects.filter(tenant=self.tenant()).order_by("name", "-version"):
            named.setdefault(row.name, []).append(row)
        return Response({"profiles": [_profile_json(name, rows) for name, rows in named.items()]})


class VersionsView(ProfileView):
    """The versions of one profile."""

    @extend_schema(
        operation_id="list_profile_versions",
        responses={200: OpenApiResponse(description="Its versions, the newest first")},
    )
    def get(self, request: Request, name: str) -> Response:
        rows = Profile.objects.filter(tenant=self.tenant(), name=name).select_related("predecessor")
        if not rows:
            raise NotFound(f"There is no profile {name!r}.")
        return Response({"versions": [version_json(row) for row in rows.order_by("-version")]})

    @extend_schema(request=VersionSerializer, responses={201: _VERSION})
    def post(self, request: Request, name: str) -> Response:
        """The next version, a draft."""
        fields = VersionSerializer.validated(request.data)
        made = promotion.new_version(self.tenant(), name, fields["settings"], note=fields["note"])
        return Response(version_json(made), status=201)


class VersionView(ProfileView):
    @extend_schema(responses={200: _VERSION})
    def get(self, request: Request, name: str, version: int) -> Response:
        found = self.version(name, version)
        evaluations = [verdict_json(verdict) for verdict in promotion.verdicts(found)]
        return Response(version_json(found) | {"evaluations": evaluations})


class EvaluateView(ProfileView):
    @extend_schema(request=None, responses={202: OpenApiResponse(description="The runs that were started")})
    def post(self, request: Request, name: str, version: int) -> Response:
        """Start what going live needs: runs of this version and of what it would replace."""
        runs = promotion.evaluate(self.version(name, version))
        return Response({"runs": [{"id": run.pk, "name": str(run)} for run in runs]}, status=202)


class PromoteView(ProfileView):
    @extend_schema(request=None, responses={200: _VERSION})
    def post(self, request: Request, name: str, version: int) -> Response:
        """Go live; 409 `promotion_refused` names the query set, the difference and p."""
        return Response(version_json(promotion.promote(self.version(name, version))))


class RollbackView(ProfileView):
    @extend_schema(request=None, responses={200: OpenApiResponse(description="The version that is live now")})
    def post(self, request: Request, name: str) -> Response:
        """Make what was live before live again; null: the platform's defaults."""
        live = promotion.roll_back(self.tenant(), name)
        return Response({"live": version_json(live) if live else None})


def _profile_json(name: str, rows: list[Profile]) -> Json:
    live = next((row.version for row in rows if row.state == Profile.State.LIVE), None)
    versions = [{"version": row.version, "state": row.state, "note": row.note} for row in rows]
    return {"name": name, "live": live, "versions": versions}


def version_json(profile: Profile) -> Json:
    """A version; `settings` are those that it sets, all others are the platform's."""
    return {
        "name": profile.name,
        "version": profile.version,
        "state": profile.state,
        "note": profile.note,
        "settings": profile.settings,
        "predecessor": profile.predecessor.version if profile.predecessor else None,
        "created_at": profile.created_at,
        "live_at": profile.live_at,
    }


def verdict_json(verdict: Verdict) -> Json:
    """A version beside what it would replace: means, difference and p over the judged queries of a set."""
    compared = verdict.comparison
    body: Json = {
        "query_set": verdict.query_set,
        "may_go_live": not verdict.refusal,
        "refusal": verdict.refusal,
    }
    if compared is None:
        return body
    return body | {
        "live": compared.first,
        "this": compared.second,
        "difference": compared.difference,
        "p": compared.p,
        "queries": len(compared.differences),
        "gains": len(compared.gains),
        "losses": len(compared.losses),
    }
