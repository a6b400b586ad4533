"""The admin's page "Why is it (not) there?": a query, a document and the groups to look as → the stage that lost it."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from search.admin.curation_preview import known_groups
from search.exceptions import SearchError
from search.managing import managed_tenants
from search.models import Document
from search.stages import SENTENCES, Stage
from search.types import Mode, Principal, SearchRequest
from search.whereabouts import Sought, Whereabouts, whereabouts

_MOST_CHOICES = 20
_LEGS = {"lexical": "words (BM25)", "vector": "meaning (cosine)"}


def whereabouts_page(request: HttpRequest) -> HttpResponse:
    """Looks the document up among those of the managed tenants; with several that fit, lets one choose."""
    query = request.GET.get("q", "").strip()[: settings.SEARCH_MAX_QUERY_CHARACTERS]
    name = request.GET.get("document", "").strip()
    mode = request.GET.get("mode", Mode.HYBRID.value)
    mode = Mode(mode) if mode in list(Mode) else Mode.HYBRID
    context = admin.site.each_context(request) | {
        "title": "Why is it (not) there?",
        "query": query,
        "name": name,
        "mode": mode,
        "modes": list(Mode),
    }
    document, choices = _document(request, name)
    if document is None:
        return render(request, "search/whereabouts.html", context | {"choices": choices})
    known = known_groups(document.tenant_id)
    groups = [group for group in request.GET.getlist("group") if group in known]
    context |= {"document": document, "groups": [(group, group in groups) for group in known]}
    if query:
        context |= _told(document, SearchRequest(query, mode), groups)
    return render(request, "search/whereabouts.html", context)


def _document(request: HttpRequest, name: str) -> tuple[Document | None, list[Document]]:
    """The chosen document, or those that fit what was typed."""
    if not name:
        return None, []
    mine = Document.objects.filter(tenant__in=managed_tenants(request.user)).select_related("tenant")
    chosen = request.GET.get("chosen", "")
    is_number = chosen.isascii() and chosen.isdigit() and len(chosen) < 19
    if is_number and (document := mine.filter(pk=chosen).first()) is not None:
        return document, []
    found = list(_fitting(mine, name))
    return (found[0], []) if len(found) == 1 else (None, found)


def _fitting(documents: "QuerySet[Document]", name: str) -> "QuerySet[Document]":
    exact = documents.filter(public_id=name)
    fitting = (
        exact if exact.exists() else documents.filter(Q(title__icontains=name) | Q(public_id__icontains=name))
    )
    return fitting.order_by("title")[:_MOST_CHOICES]


def _told(document: Document, request: SearchRequest, groups: list[str]) -> dict[str, Any]:
    principal = Principal(document.tenant_id, document.tenant.uuid, tuple(groups))
    try:
        found = whereabouts(principal, request, Sought(document.public_id))
    except SearchError as error:
        return {"problem": error.detail}
    return {
        "sentence": SENTENCES[found.stage],
        "stage": found.stage,
        "is_found": found.stage is Stage.FOUND,
        "facts": _facts(found),
        "legs": _legs(found),
        "hit": found.hit,
    }


def _facts(found: Whereabouts) -> list[tuple[str, str]]:
    """What was seen on the way, in the order of the flow."""
    facts: list[tuple[str, Any]] = []
    if found.record is not None:
        facts += [("State", found.record.state), ("Passages", found.record.passages)]
    if found.index is not None:
        facts += [("Passages that fit and are on", found.index.enabled)]
        facts += [("Best score by words", _number(found.index.lexical) or "none of the words")]
        facts += [("Best cosine", _number(found.index.vector) or "not asked")]
    if (ranking := found.ranking) is not None:
        facts += [("Place by words", ranking.lexical_rank or "not among those looked at")]
        facts += [("Place by meaning", ranking.vector_rank or "not among those looked at")]
        facts += [("Place before reranking" if ranking.is_reranked else "Place", ranking.place or "none")]
        facts += [("Place shown", ranking.shown or "not on the first page")]
    return [(name, str(value)) for name, value in facts if value is not None]


def _number(value: float | None) -> str:
    return "" if value is None else f"{value:.3f}"


def _legs(found: Whereabouts) -> list[dict[str, Any]]:
    """How the fused score adds up, for a table; empty without one."""
    explanation = found.hit.explanation if found.hit else None
    if not explanation or not explanation["fusion"]:
        return []
    return [{"label": _LEGS[name]} | leg for name, leg in explanation["legs"].items() if leg]
