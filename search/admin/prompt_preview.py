"""The preview of a profile's prompt: what a model would be sent for a question, as someone with chosen groups."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from search import answers
from search.admin.curation_preview import known_groups
from search.context import PROMPT_VERSION
from search.exceptions import SearchError
from search.models import Profile
from search.promotion import settings_of
from search.types import AskRequest, Principal


def preview_page(request: HttpRequest, version: Profile, *, context: dict[str, Any]) -> HttpResponse:
    """The page; with a question in its address, the prompt for it. Nothing is sent to a model."""
    question = request.GET.get("q", "").strip()[: settings.SEARCH_MAX_QUERY_CHARACTERS]
    known = known_groups(version.tenant_id)
    groups = [group for group in request.GET.getlist("group") if group in known]
    context |= {
        "title": f"Prompt of {version}",
        "version": version,
        "prompt_version": PROMPT_VERSION,
        "question": question,
        "groups": [(group, group in groups) for group in known],
    }
    if question:
        context |= _prompt(version, question, groups)
    return render(request, "search/prompt_preview.html", context)


def _prompt(version: Profile, question: str, groups: list[str]) -> dict[str, Any]:
    principal = Principal(version.tenant_id, version.tenant.uuid, tuple(groups))
    try:
        preview = answers.preview(principal, AskRequest(question), settings_of(version))
    except SearchError as error:
        return {"problem": error.detail}
    if preview is None:
        return {"problem": "This tenant has no documents yet."}
    return {
        "messages_shown": preview.prompt.messages,
        "passages": len(preview.prompt.passages),
        "tokens": preview.tokens,
        "budget": settings.SEARCH_CONTEXT_TOKENS,
        "relevance": preview.relevance,
        "threshold": preview.threshold,
        "is_refused": preview.relevance < preview.threshold,
    }
