"""What the admin's first page shows of the managed tenants: documents by state, open and failed work, what got worse,
last syncs.
"""

from typing import Any

from django.db.models import Count
from django.http import HttpRequest
from django.urls import reverse

from ingestion.admin.sources import OPEN_STATES, progress_text
from ingestion.models import IngestionTask, SyncRun
from search.evaluation import lab_jobs
from search.managing import STATE_COLOURS, managed_tenants
from search.models import Document, Expectation

State = IngestionTask.State
_BROKEN = (State.FAILED, State.DEAD)


def dashboard(request: HttpRequest, context: dict[str, Any]) -> dict[str, Any]:
    """unfold's DASHBOARD_CALLBACK."""
    tenants = managed_tenants(request.user)
    tasks = IngestionTask.objects.filter(tenant__in=tenants)
    runs = list(SyncRun.objects.filter(source__tenant__in=tenants).select_related("source")[:6])
    counts = dict(Document.objects.filter(tenant__in=tenants).values_list("state").annotate(Count("pk")))
    open_tasks = tasks.filter(state__in=IngestionTask.OPEN).count()
    return context | {
        "cards": [*_document_cards(counts), _task_card(open_tasks), _red_card(request), _worse_card(request)],
        "broken": tasks.filter(state__in=_BROKEN).select_related("document").order_by("-id")[:6],
        "syncs": [(run, STATE_COLOURS.get(run.state, ""), progress_text(run)) for run in runs],
        "is_live": open_tasks > 0 or any(run.state in OPEN_STATES for run in runs),
        "has_tenants": tenants.exists(),
    }


def _document_cards(counts: dict[str, int]) -> list[dict[str, Any]]:
    address = reverse("admin:search_document_changelist")
    return [
        {
            "title": f"{state.label} documents",
            "count": counts.get(state.value, 0),
            "href": f"{address}?state__exact={state.value}",
        }
        for state in (Document.State.LIVE, Document.State.PENDING, Document.State.FAILED)
    ]


def _task_card(count: int) -> dict[str, Any]:
    address = reverse("admin:ingestion_ingestiontask_changelist")
    return {"title": "Open tasks", "count": count, "href": address}


def _red_card(request: HttpRequest) -> dict[str, Any]:
    red = Expectation.objects.filter(
        tenant__in=managed_tenants(request.user), state=Expectation.State.RED, is_enabled=True
    )
    address = reverse("admin:search_expectation_changelist")
    return {"title": "Red expectations", "count": red.count(), "href": f"{address}?state__exact=red"}


def _worse_card(request: HttpRequest) -> dict[str, Any]:
    worse = lab_jobs.last_nightly_runs().filter(
        query_set__tenant__in=managed_tenants(request.user), is_regression=True
    )
    address = reverse("admin:search_evaluationrun_changelist")
    return {
        "title": "Query sets that got worse",
        "count": worse.count(),
        "href": f"{address}?is_nightly__exact=1",
    }
