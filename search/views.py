"""The search page, rendered on the server: it works with JavaScript off. Who reads it is decided in `_reader` alone."""

from dataclasses import dataclass, replace
from typing import Any

from django.conf import settings
from django.db.models import Q, QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    HttpResponseRedirect,
    JsonResponse,
)
from django.shortcuts import get_object_or_404, render
from django.urls import reverse
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.cache import cache_control
from django.views.decorators.http import require_POST, require_safe

from search import (
    answers,
    feedback,
    page,
    page_facets,
    page_query,
    page_reading,
    reading,
    services,
    streams,
    suggestions,
)
from search.authentication import anonymous_reader, member
from search.collections import choices
from search.exceptions import InvalidRequest, NotFound, SearchError, Unavailable
from search.metrics import QUERIES
from search.models import Membership, Tenant
from search.page_query import PAGE_SIZE, PageQuery
from search.resuming import event_id
from search.streams import Asked
from search.tenants import live_target
from search.types import Mode, Principal

_SUGGESTIONS = 8
_LONGEST_BEGINNING = 200
never_shared = cache_control(private=True, no_cache=True)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who looks at which tenant's page."""

    tenant: Tenant
    principal: Principal


def _reader(request: HttpRequest, tenant: Tenant) -> Reader:
    """A member with the groups of the membership, anyone without groups on a public tenant, else 404."""
    if request.user.is_authenticated:
        membership = Membership.objects.filter(user_id=request.user.pk, tenant=tenant).first()
        if membership is not None:
            return Reader(tenant, member(membership))
    if not tenant.is_public:
        raise Http404
    return Reader(tenant, anonymous_reader(tenant))


def _readable_tenants(request: HttpRequest) -> "QuerySet[Tenant]":
    readable = Q(is_public=True)
    if request.user.is_authenticated:
        readable |= Q(pk__in=Membership.objects.filter(user_id=request.user.pk).values("tenant_id"))
    return Tenant.objects.filter(readable)


@require_safe
@never_shared
def home(request: HttpRequest) -> HttpResponse:
    """The only tenant that the reader may search; else a choice of them."""
    tenants = list(_readable_tenants(request)[:100])
    if len(tenants) == 1:
        return _search_page(request, _reader(request, tenants[0]))
    return render(request, "search/tenants.html", {"tenants": tenants})


@require_safe
@never_shared
def tenant_page(request: HttpRequest, slug: str) -> HttpResponse:
    return _search_page(request, _reader(request, get_object_or_404(Tenant, slug=slug)))


def _search_page(request: HttpRequest, reader: Reader) -> HttpResponse:
    context = _empty_page(reader)
    failure: SearchError | None = None
    try:
        query = PageQuery.from_params(request.GET, max_characters=settings.SEARCH_MAX_QUERY_CHARACTERS)
        context["query"] = query
        context |= _found(reader, query, is_partial=_is_partial(request)) if query.text else {}
    except SearchError as error:
        failure = error
    if context["query"].text:
        QUERIES.labels("page", "failed" if failure else "ok").inc()
    return _rendered(request, "search/page.html", context, failure=failure)


def _empty_page(reader: Reader) -> dict[str, Any]:
    slug = reader.tenant.slug
    return {
        "tenant": reader.tenant,
        "query": PageQuery(),
        "modes": page.MODES,
        "collections": choices(reader.principal),
        "notice_texts": page.NOTICES,
        "unsupported_texts": page.UNSUPPORTED,
        "ask_url": reverse("page-ask", args=[slug]),
        "document_url": reverse("page-document", args=[slug]),
        "suggest_url": reverse("page-suggest", args=[slug]),
        "feedback_url": reverse("page-feedback", args=[slug]),
    }


def _rendered(
    request: HttpRequest, template: str, context: dict[str, Any], *, failure: SearchError | None
) -> HttpResponse:
    """The page, or in its place why there is none, under the error's status."""
    if failure is None:
        return render(request, template, context)
    response = render(request, template, context | {"problem": page.problem(failure)}, status=failure.status)
    if isinstance(failure, Unavailable):
        response["Retry-After"] = str(failure.retry_after_seconds)
    return response


def _is_partial(request: HttpRequest) -> bool:
    """A request of htmx, whose answer the script streams; a page restored from history is rendered whole."""
    return bool(request.htmx) and not request.htmx.history_restore_request  # type: ignore[attr-defined]


def _found(reader: Reader, query: PageQuery, *, is_partial: bool) -> dict[str, Any]:
    target = live_target(reader.tenant.pk)
    schema = target.schema if target else {}
    body = services.search(reader.principal, query.search_request(schema))
    feedback.remember(reader.principal, "search", query.text, body)
    document_url = reverse("page-document", args=[reader.tenant.slug])
    found = {
        "result": body,
        "sorts": page.sorts(schema),
        "may_sort": query.mode is not Mode.VECTOR,
        "first_hit": (query.page - 1) * PAGE_SIZE + 1,
        "first_page": replace(query, page=1).url(),
        "without_filters": replace(query, page=1, selected={}).url(),
        "hits": [page.hit_view(hit, document_url=document_url) for hit in body["hits"]],
        "facets": page_facets.facet_views(body["facets"], query, schema),
        # A response that was stored by an earlier version does not say how its query was read.
        "reading": page_reading.reading_view(body["query"], query) if body.get("query") else None,
        "notices": page.notices(body["degraded"]),
        "paging": page.paging(query, hits=len(body["hits"]), total=body["total"]),
    }
    if query.asks and not is_partial:
        answer = answers.answer(reader.principal, query.ask_request(schema))
        feedback.remember(reader.principal, "ask", query.text, answer)
        found["answer"] = page.answer_view(answer, document_url=document_url)
    return found


@require_safe
@never_shared
def page_suggest(request: HttpRequest, slug: str) -> JsonResponse:
    """Suggestions for this page's reader; none while the engine is away, since nobody waits for them."""
    reader = _reader(request, get_object_or_404(Tenant, slug=slug))
    text = request.GET.get("q", "")[:_LONGEST_BEGINNING]
    try:
        collection = request.GET.get("in")
        found = suggestions.suggest(reader.principal, text, size=_SUGGESTIONS, collection=collection)
        return JsonResponse(found)
    except (NotFound, Unavailable) as error:
        return JsonResponse({"suggestions": []}, status=error.status)


@require_POST
async def page_ask(request: HttpRequest, slug: str) -> HttpResponseBase:
    """The page's answer as a stream: the API's events, for this page's reader."""
    return await streams.respond(lambda: _asked(request, slug))


def _asked(request: HttpRequest, slug: str) -> Asked:
    """Raises InvalidRequest, NotFound."""
    tenant = Tenant.objects.filter(slug=slug).first()
    if tenant is None:
        raise NotFound("There is no such page.")
    try:
        reader = _reader(request, tenant)
    except Http404 as error:
        raise NotFound("There is no such page.") from error
    query = PageQuery.from_params(request.POST, max_characters=settings.SEARCH_MAX_QUERY_CHARACTERS)
    if not query.text:
        raise InvalidRequest("Ask something.", fields={"q": ["Ask something."]})
    target = live_target(tenant.pk)
    last_event = event_id(request.headers.get("Last-Event-ID"))
    asked = query.ask_request(target.schema if target else {})
    return Asked(reader.principal, asked, stream=True, last_event=last_event)


@require_POST
def page_feedback(request: HttpRequest, slug: str) -> HttpResponse:
    """A thumb on a result or an answer, or a click on a result, which nobody waits for.

    With JavaScript off a thumb leads back to where it was given.
    """
    reader = _reader(request, get_object_or_404(Tenant, slug=slug))
    try:
        feedback.rate(reader.principal, page_query.rating(request.POST))
    except InvalidRequest as error:
        return _rendered(request, "search/page.html", _empty_page(reader), failure=error)
    if request.headers.get("X-Requested-With") == "fetch" or "click" in request.POST:
        return HttpResponse(status=204)
    address = request.POST.get("next", "")
    is_ours = url_has_allowed_host_and_scheme(address, allowed_hosts={request.get_host()})
    return HttpResponseRedirect(address if is_ours else reverse("page-tenant", args=[slug]))


@require_safe
@never_shared
def document_page(request: HttpRequest, slug: str) -> HttpResponse:
    """A document's passages, where a result or a citation leads."""
    reader = _reader(request, get_object_or_404(Tenant, slug=slug))
    context: dict[str, Any] = {"tenant": reader.tenant}
    try:
        part = reading.read_document(reader.principal, request.GET.get("id", ""), at=_ordinal(request))
    except (NotFound, InvalidRequest) as error:
        raise Http404(str(error)) from error
    except SearchError as error:
        return _rendered(request, "search/document.html", context, failure=error)
    document_url = reverse("page-document", args=[reader.tenant.slug])
    context |= {"document": page.document_view(part, document_url=document_url), "at": _ordinal(request)}
    return render(request, "search/document.html", context)


def _ordinal(request: HttpRequest) -> int:
    value = request.GET.get("at", "0")
    if not (value.isascii() and value.isdigit() and len(value) <= 6):
        raise InvalidRequest("There is no such passage.")
    return int(value)
