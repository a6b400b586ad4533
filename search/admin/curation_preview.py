"""The preview of a curation rule: a query's results without and with it, for chosen groups, and buttons to pin by."""

from dataclasses import dataclass
from itertools import chain
from typing import Any
from urllib.parse import urlencode

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, render

from search import curating
from search.exceptions import SearchError
from search.models import ApiKey, CuratedDocument, CurationRule, Document, Membership
from search.types import Hit

_PIN, _HIDE = CuratedDocument.Action.PIN, CuratedDocument.Action.HIDE
_MOST_GROUPS = 100
_SNIPPET_CHARACTERS = 160


@dataclass(frozen=True, slots=True)
class ResultView:
    """A hit as the preview shows it. `said` is what the rule says of its document: pin, hide or nothing."""

    document_id: int
    title: str
    public_id: str
    snippet: str
    is_pinned: bool
    said: str


def preview_page(request: HttpRequest, rule: CurationRule, *, context: dict[str, Any]) -> HttpResponse:
    """The page, or after a click on one of its buttons the page again."""
    if request.method == "POST":
        _change(request, rule)
        return HttpResponseRedirect(f"{request.path}?{request.GET.urlencode()}")
    query = request.GET.get("q", "").strip()[: settings.SEARCH_MAX_QUERY_CHARACTERS] or rule.queries[0]
    known = known_groups(rule.tenant_id)
    groups = [group for group in request.GET.getlist("group") if group in known]
    curated = list(rule.curated.select_related("document"))
    context |= {
        "title": f"Preview: {rule}",
        "rule": rule,
        "is_draft": rule.state == CurationRule.State.DRAFT,
        "query": query,
        "groups": [(group, group in groups) for group in known],
        "same_page": f"{request.path}?{urlencode([('q', query), *(('group', group) for group in groups)])}",
        "pins": [one for one in curated if one.action == _PIN],
        "hides": [one for one in curated if one.action == _HIDE],
    }
    return render(request, "search/curation_preview.html", context | _results(rule, query, groups, curated))


def known_groups(tenant_id: int) -> list[str]:
    """The access groups that people and keys of a tenant hold."""
    held = chain(
        Membership.objects.filter(tenant_id=tenant_id).values_list("groups", flat=True),
        ApiKey.objects.filter(tenant_id=tenant_id, revoked_at=None).values_list("groups", flat=True),
    )
    return sorted(set(chain.from_iterable(held)))[:_MOST_GROUPS]


def _results(
    rule: CurationRule, query: str, groups: list[str], curated: list[CuratedDocument]
) -> dict[str, Any]:
    try:
        found = curating.preview(rule, query, groups=groups)
    except SearchError as error:
        return {"problem": error.detail}
    if found is None:
        return {"problem": "This tenant has no documents yet."}
    said = {one.document_id: one.action for one in curated}
    shown = {hit.document.id for hit in found.after.hits if hit.curated}
    return {
        "before": [_result(hit, said) for hit in found.before.hits],
        "after": [_result(hit, said) for hit in found.after.hits],
        "redirect": found.after.redirect,
        "is_met": found.is_met,
        "unseen": {document_id for document_id in said if document_id not in shown}
        if found.is_met
        else set(),
    }


def _result(hit: Hit, said: dict[int, str]) -> ResultView:
    document = hit.document
    return ResultView(
        document_id=document.id,
        title=document.title,
        public_id=document.public_id,
        snippet=hit.text[:_SNIPPET_CHARACTERS],
        is_pinned=hit.curated is not None,
        said=said.get(document.id, ""),
    )


def _change(request: HttpRequest, rule: CurationRule) -> None:
    """One of the page's buttons: pin, hide, remove, up or down, of a document of the rule's tenant."""
    number = request.POST.get("document", "")
    wanted = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    document = get_object_or_404(Document, tenant_id=rule.tenant_id, pk=wanted)
    try:
        match request.POST.get("do"):
            case "pin":
                curating.add(rule, document, _PIN)
            case "hide":
                curating.add(rule, document, _HIDE)
            case "remove":
                curating.remove(rule, document)
            case "up":
                curating.move(rule, document, by=-1)
            case "down":
                curating.move(rule, document, by=1)
    except SearchError as error:
        messages.error(request, error.detail)
