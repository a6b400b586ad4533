"""The admin's page of a document's passages, each with a button that switches it off or on."""

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import render

from search import disabling
from search.disabling import AT_ONCE
from search.exceptions import SearchError
from search.models import Document


def passages_page(request: HttpRequest, document: Document, *, context: dict[str, object]) -> HttpResponse:
    """The passages that `page` of the address asks for; a POST switches the one whose ordinal it gives."""
    if request.method == "POST":
        _switch(request, document)
        return HttpResponseRedirect(request.get_full_path())
    number = request.GET.get("page", "1")
    page = int(number) if number.isascii() and number.isdigit() and len(number) < 7 else 1
    context |= {"title": f"Passages of {document}", "document": document}
    try:
        shown, count = disabling.passages(document, first=(max(page, 1) - 1) * AT_ONCE)
    except SearchError as error:
        return render(request, "ingestion/passages.html", context | {"problem": error.detail})
    pages = Paginator(range(count), AT_ONCE)
    context |= {"passages": shown, "count": count, "page": pages.get_page(page)}
    return render(request, "ingestion/passages.html", context)


def _switch(request: HttpRequest, document: Document) -> None:
    ordinal, wanted = request.POST.get("passage", ""), request.POST.get("switch", "")
    if not (ordinal.isascii() and ordinal.isdigit() and len(ordinal) < 10) or wanted not in ("off", "on"):
        messages.error(request, "Say which passage is to be switched off or on.")
        return
    switch = disabling.disable if wanted == "off" else disabling.enable_at
    try:
        switch(document, int(ordinal))
    except SearchError as error:
        messages.error(request, error.detail)
        return
    said = (
        "No search or answer has it any more." if wanted == "off" else "Searches and answers have it again."
    )
    messages.success(request, f"Passage {ordinal} is {wanted}. {said}")
