"""Admin pages of evaluation runs and lab jobs: figures, queries by difference, one run against another."""

from typing import Any

from django.contrib import admin, messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from unfold.enums import ActionVariant
from unfold.forms import BaseDialogForm

from search import promotion
from search.admin.lab_pages import LabPages, chart, run_line
from search.evaluation import lab, lab_jobs
from search.evaluation.lab import MAIN_MEASURE, MEASURES, LabError
from search.evaluation.significance import Comparison
from search.managing import STATE_COLOURS, ReadOnly, TenantScopedAdmin, column, dialog_action, go_to
from search.models import EvaluationRun, LabJob, TrainedReranker
from search.models.profiles import DEFAULT_PROFILE

_LISTED = 200  # queries of a table
_TELLING = 12


@admin.register(EvaluationRun)
class EvaluationRunAdmin(ReadOnly, LabPages, TenantScopedAdmin):
    """What a run asked with, what it found, and how it compares."""

    tenant_path = "query_set__tenant"
    list_display = ("id", "query_set", "mode", "profile", "state_label", "figure", "verdict", "created_at")
    list_filter = ("state", "mode", "is_nightly")
    list_select_related = ("query_set",)
    fields = (
        "query_set",
        "mode",
        "profile",
        "settings",
        "index",
        "variant",
        "reranker",
        "state",
        "reason",
        "created_at",
        "finished_at",
    )
    readonly_fields = ("profile",)
    change_form_outer_before_template = "search/lab/run.html"
    actions_detail = ("accept", "cancel", "measure_again")

    def get_urls(self) -> list[URLPattern]:
        view = self.admin_site.admin_view(self.compare_view)
        return [path("compare/", view, name="search_evaluationrun_compare"), *super().get_urls()]

    @column("profile")
    def profile(self, run: EvaluationRun) -> str:
        return f"{run.profile_name} v{run.profile_version}"

    @column("state", label=STATE_COLOURS)
    def state_label(self, run: EvaluationRun) -> str:
        return run.state

    @column(MAIN_MEASURE)
    def figure(self, run: EvaluationRun) -> str:
        return f"{run.measures[MAIN_MEASURE]:.4f}" if run.measures else ""

    @column("verdict", label={"accepted": "success", "worse": "danger"})
    def verdict(self, run: EvaluationRun) -> str:
        return "worse" if run.is_regression else "accepted" if run.is_accepted else ""

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        run = context.get("original")
        if run is not None:
            context |= _run_page(run)
        return super().render_change_form(request, context, *args, **kwargs)

    def compare_view(self, request: HttpRequest) -> HttpResponse:
        """A against B: gains, losses and what they are worth."""
        runs = self.get_queryset(request).filter(state=lab.State.DONE)
        first, second = (get_object_or_404(runs, pk=_number(request.GET.get(name))) for name in ("a", "b"))
        name = request.GET.get("measure", MAIN_MEASURE)
        name = name if name in MEASURES else MAIN_MEASURE
        context: dict[str, Any] = {"first": first, "second": second, "name": name, "measures": MEASURES}
        try:
            context |= _comparison(lab.compare(first, second, name=name), first)
        except LabError as error:
            context["problem"] = str(error)
        context["others"] = runs.filter(query_set=first.query_set_id)[:20]
        return self.page(request, "search/lab/compare.html", context, title="Compare two runs")

    @dialog_action(
        "Accept", path="accept", icon="check", text="Later nightly runs are compared with this one."
    )
    def accept(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        try:
            lab.accept(self.one(request, object_id).get())
        except LabError as error:
            messages.error(request, str(error))
        return go_to(request, _address(object_id))

    @dialog_action(
        "Cancel",
        path="cancel",
        icon="stop_circle",
        text="It ends before its next query.",
        variant=ActionVariant.WARNING,
    )
    def cancel(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        run = self.one(request, object_id).get()
        for job in run.jobs.filter(state__in=LabJob.OPEN):
            lab_jobs.cancel(job)
        if not lab.cancel(run) and run.is_open:
            messages.error(request, "It has ended already.")
        return go_to(request, _address(object_id))

    @dialog_action(
        "Measure again",
        path="measure",
        icon="straighten",
        text="By the judgements of now; nothing is asked again.",
    )
    def measure_again(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        lab.measure_run(self.one(request, object_id).get())
        return go_to(request, _address(object_id))


def _address(object_id: str) -> str:
    return reverse("admin:search_evaluationrun_change", args=[object_id])


def _number(value: str | None) -> int:
    return int(value) if value and value.isascii() and value.isdigit() and len(value) < 18 else 0


def _run_page(run: EvaluationRun) -> dict[str, Any]:
    """Figures, the queries that went worst first, and the runs that this one may be compared with."""
    rows = sorted(
        (row for row in run.rows.select_related("query") if row.measures),
        key=lambda row: row.measures[MAIN_MEASURE],
    )
    buckets = [0] * 10
    for row in rows:
        buckets[min(int(row.measures[MAIN_MEASURE] * 10), 9)] += 1
    labels = [f"{low / 10:.1f}–{(low + 1) / 10:.1f}" for low in range(10)]
    return {
        "line": run_line(run),
        "measures": MEASURES,
        "rows": [
            (row, [f"{row.measures[name]:.3f}" for name in MEASURES], ", ".join(row.ranking[:3]))
            for row in rows[:_LISTED]
        ],
        "row_count": len(rows),
        "distribution": chart(labels, {f"queries by {MAIN_MEASURE}": buckets}) if rows else "",
        "others": run.query_set.runs.filter(state=lab.State.DONE).exclude(pk=run.pk)[:20],
        "is_live": run.is_open,
    }


def _comparison(found: Comparison, first: EvaluationRun) -> dict[str, Any]:
    texts = dict(first.query_set.queries.values_list("public_id", "text"))
    pks = dict(first.query_set.queries.values_list("public_id", "pk"))

    def listed(differences: dict[str, float]) -> list[tuple[int, str, str]]:
        return [
            (pks[name], texts[name], f"{value:+.4f}") for name, value in list(differences.items())[:_LISTED]
        ]

    ordered = sorted(found.differences.values(), reverse=True)
    return {
        "found": found,
        "gains": listed(found.gains),
        "losses": listed(found.losses),
        "verdict": _verdict(found),
        "differences": chart([""] * len(ordered), {"difference by query": ordered}),
    }


def _verdict(found: Comparison) -> tuple[str, str]:
    """(text, colour) of what the paired test says."""
    if found.is_significantly_worse():
        return "B is significantly worse", "danger"
    if found.is_significantly_better():
        return "B is significantly better", "success"
    return "No significant difference", "info"


@admin.register(LabJob)
class LabJobAdmin(ReadOnly, LabPages, TenantScopedAdmin):
    tenant_path = "query_set__tenant"
    list_display = (
        "kind",
        "query_set",
        "state_label",
        "progress_label",
        "reason",
        "created_at",
        "finished_at",
    )
    list_filter = ("state", "kind")
    list_select_related = ("query_set",)
    fields = ("kind", "query_set", "run", "state", "reason", "attempts", "created_at", "finished_at")
    change_form_outer_before_template = "search/lab/job.html"
    actions_detail = ("draft", "cancel")

    @column("state", label=STATE_COLOURS)
    def state_label(self, job: LabJob) -> str:
        return job.state

    @column("progress")
    def progress_label(self, job: LabJob) -> str:
        return f"{job.progress:.0%}"

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        job = context.get("original")
        if job is not None:
            context |= {"job": job, "is_live": job.state in LabJob.OPEN, "percent": round(job.progress * 100)}
            if job.result and job.kind == LabJob.Kind.OPTIMISE:
                context["curves"] = _fusion_chart(job.result["curve"])
            if job.result and job.kind == LabJob.Kind.THRESHOLD:
                context["refusals"] = _refusal_chart(job.result["curve"])
            if job.result and job.kind == LabJob.Kind.TRAIN:
                context |= _trained(job)
        return super().render_change_form(request, context, *args, **kwargs)

    @dialog_action(
        "Draft a profile with it",
        path="draft",
        icon="edit_note",
        text="What was found becomes the next version of the default profile, which is then evaluated and promoted.",
    )
    def draft(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        job = self.one(request, object_id).get()
        if not (found := _found_settings(job)):
            messages.error(request, "Only a job that is done and has found settings can be drafted.")
            return go_to(request, reverse("admin:search_labjob_change", args=[object_id]))
        live = promotion.live_version(job.query_set.tenant_id, DEFAULT_PROFILE)
        version = promotion.new_version(
            job.query_set.tenant,
            DEFAULT_PROFILE,
            {**(live.settings if live else {}), **found},
            note=f"Tuned on {job.query_set}.",
        )
        return go_to(request, reverse("admin:search_profile_change", args=[version.pk]))

    @dialog_action(
        "Cancel",
        path="cancel",
        icon="stop_circle",
        text="It ends before its next query.",
        variant=ActionVariant.WARNING,
    )
    def cancel(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        if not lab_jobs.cancel(self.one(request, object_id).get()):
            messages.error(request, "It has ended already.")
        return go_to(request, reverse("admin:search_labjob_change", args=[object_id]))


def _found_settings(job: LabJob) -> dict[str, Any]:
    """What a job that is done would set: the best fusion, or the reranker that it trained."""
    if named := job.result.get("reranker"):
        return {"rerank_model": named}
    if best := job.result.get("best"):
        return {
            "fusion": best["technique"],
            "vector_weight": best["vector_weight"],
            "rank_constant": best["rank_constant"],
        }
    return {}


def _trained(job: LabJob) -> dict[str, Any]:
    """The reranker that a job trained, and its most telling features; nothing once it is gone."""
    reranker = TrainedReranker.objects.defer("model", "features").filter(pk=job.result["pk"]).first()
    return {"reranker": reranker, "telling": reranker.importances[:_TELLING]} if reranker else {}


def _fusion_chart(curve: list[dict[str, Any]]) -> str:
    """The measure by the weight of meaning, a line a technique."""
    weights = sorted({point["vector_weight"] for point in curve})
    lines: dict[str, dict[float, float]] = {}
    for point in curve:
        name = point["technique"] + (f" {point['rank_constant']}" if point["technique"] == "rrf" else "")
        lines.setdefault(name, {})[point["vector_weight"]] = point["value"]
    named = {name: [values.get(weight) for weight in weights] for name, values in lines.items()}
    return chart([f"{weight:.2f}" for weight in weights], named)


def _refusal_chart(curve: list[dict[str, Any]]) -> str:
    """What is refused by the threshold: of questions with an answer, and of those without."""
    return chart(
        [f"{point['threshold']:.3f}" for point in curve],
        {
            "refused without an answer": [point["unanswerable"] for point in curve],
            "refused with an answer": [point["answerable"] for point in curve],
        },
    )
