"""What the lab's admin pages share: their frame, tables of figures, and the data of unfold's charts."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse

from search.evaluation.lab import MAIN_MEASURE, MEASURES, progress
from search.managing import STATE_COLOURS
from search.models import EvaluationRun, LabJob, QuerySet

_SHOWN = 20
COLOURS = (
    "var(--color-primary-600)",
    "var(--color-primary-300)",
    "var(--color-base-400)",
    "var(--color-base-600)",
)


class LabPages:
    """A ModelAdmin with pages of its own in the admin's frame."""

    def page(
        self, request: HttpRequest, template: str, context: Mapping[str, Any], *, title: str
    ) -> HttpResponse:
        frame = self.admin_site.each_context(request)  # type: ignore[attr-defined]
        return TemplateResponse(request, template, {**frame, "title": title, "opts": self.opts, **context})  # type: ignore[attr-defined]


def set_overview(query_set: QuerySet) -> dict[str, Any]:
    """A set's last runs and jobs, and whether the page is to look again soon."""
    runs = list(query_set.runs.all()[:_SHOWN])
    jobs = list(query_set.jobs.exclude(kind=LabJob.Kind.RUN)[:6])
    is_live = any(run.is_open for run in runs) or any(job.state in LabJob.OPEN for job in jobs)
    return {
        "is_live": is_live,
        "runs": [run_line(run) for run in runs],
        "jobs": [(job, STATE_COLOURS.get(job.state, ""), round(job.progress * 100)) for job in jobs],
        "measures": MEASURES,
        "history": history_chart([run for run in reversed(runs) if run.measures]),
    }


def run_line(run: EvaluationRun) -> dict[str, Any]:
    return {
        "run": run,
        "colour": STATE_COLOURS.get(run.state, ""),
        "progress": round(progress(run) * 100) if run.is_open else 100,
        "figures": [f"{run.measures[name]:.4f}" if name in run.measures else "" for name in MEASURES],
    }


def history_chart(runs: Sequence[EvaluationRun]) -> str:
    """The main measure of the last runs, oldest first; nothing for fewer than two."""
    if len(runs) < 2:
        return ""
    values = [run.measures[MAIN_MEASURE] for run in runs]
    return chart([str(run.pk) for run in runs], {MAIN_MEASURE: values})


def chart(labels: Sequence[str], lines: Mapping[str, Sequence[float | None]]) -> str:
    """The JSON that unfold's chart components take: named lines over the labels."""
    datasets = [
        {
            "label": name,
            "data": list(values),
            "borderColor": colour,
            "backgroundColor": colour,
            "displayYAxis": True,
        }
        for (name, values), colour in zip(lines.items(), COLOURS, strict=False)
    ]
    return json.dumps({"labels": list(labels), "datasets": datasets})
