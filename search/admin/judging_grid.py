"""The judging grid: a query's pooled results from several runs side by side, each with its grades.

It works by plain POSTs; with JavaScript on a row is swapped in place, and the keys 0 to 4 grade the focused one.
"""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404

from search.admin.lab_pages import LabPages
from search.evaluation import judging
from search.evaluation.pooling import Pooled, pool
from search.exceptions import SearchError
from search.models import Document, EvaluationRun, JudgedQuery, QuerySet
from search.models.judging import HIGHEST_GRADE

GRADES = (
    (0, "Not relevant"),
    (1, "Touches on it"),
    (2, "Relevant"),
    (3, "Answers it"),
    (4, "Perfect"),
)
_RUNS = 3


def grid_page(
    pages: LabPages, request: HttpRequest, query_set: QuerySet, query_id: int | None
) -> HttpResponse:
    """The grid of a query; without one that of the first query that is not judged, else of the first."""
    queries = query_set.queries.all()
    if query_id is None:
        first = queries.filter(judgements__isnull=True, is_unanswerable=False).first() or queries.first()
        if first is None:
            messages.error(request, "The set has no query yet: import or add some.")
            return HttpResponseRedirect("../")
        return HttpResponseRedirect(f"{first.pk}/")
    query = get_object_or_404(queries.select_related("query_set__tenant"), pk=query_id)
    if request.method == "POST":
        _judge(request, query)
        if not request.headers.get("HX-Request"):
            return HttpResponseRedirect(request.get_full_path())
    return pages.page(
        request, "search/lab/grid.html", _context(request, query_set, query), title=f"Judge: {query.text}"
    )


def _judge(request: HttpRequest, query: JudgedQuery) -> None:
    document, grade = request.POST.get("document", "").strip(), request.POST.get("grade", "")
    if grade not in ("", *(str(value) for value in range(HIGHEST_GRADE + 1))) or not document:
        messages.error(request, "A judgement is a document and a grade from 0 to 4.")
    elif not Document.objects.filter(tenant_id=query.query_set.tenant_id, public_id=document).exists():
        messages.error(request, f"There is no document {document!r}.")
    else:
        judging.judge(query, document, int(grade) if grade else None)


def _context(request: HttpRequest, query_set: QuerySet, query: JudgedQuery) -> dict[str, Any]:
    runs = _chosen_runs(request, query_set)
    try:
        rows, problem = pool(query, runs), ""
    except SearchError as error:
        rows, problem = [], str(error)
    before = query_set.queries.filter(pk__lt=query.pk).last()
    after = query_set.queries.filter(pk__gt=query.pk).first()
    position = query_set.queries.filter(pk__lte=query.pk).count()
    return {
        "query_set": query_set,
        "query": query,
        "rows": [_row(number, pooled) for number, pooled in enumerate(rows, start=1)],
        "problem": problem,
        "runs": runs,
        "all_runs": query_set.runs.filter(state=EvaluationRun.State.DONE)[:20],
        "grades": GRADES,
        "before": before,
        "after": after,
        "position": position,
        "total": query_set.queries.count(),
        "address": request.get_full_path(),
        "choice": request.GET.urlencode(),
    }


def _row(number: int, pooled: Pooled) -> dict[str, Any]:
    return {"number": number, "pooled": pooled, "title": pooled.title or pooled.document}


def _chosen_runs(request: HttpRequest, query_set: QuerySet) -> list[EvaluationRun]:
    """Those that the address names, else the last three that are done."""
    done = query_set.runs.filter(state=EvaluationRun.State.DONE)
    asked = [int(value) for value in request.GET.getlist("run") if value.isascii() and value.isdigit()]
    return list(done.filter(pk__in=asked)[:6]) if asked else list(done[:_RUNS])
