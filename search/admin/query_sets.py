"""Admin pages of query sets: what they hold, importing, asking them, and the grid in which they are judged."""

from collections.abc import Callable
from functools import wraps
from typing import Any, ClassVar

from django import forms
from django.contrib import admin, messages
from django.db.models import Count
from django.db.models import QuerySet as Rows
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404
from django.urls import URLPattern, path, reverse
from unfold.forms import BaseDialogForm

from search.admin.judging_grid import grid_page
from search.admin.lab_forms import ImportForm, RunForm
from search.admin.lab_pages import LabPages, set_overview
from search.evaluation import judging, lab, lab_jobs
from search.evaluation.lab import LabError
from search.evaluation.reranker_training import OWN
from search.exceptions import SearchError
from search.managing import LinesField, TenantFilter, TenantScopedAdmin, column, dialog_action, go_to
from search.models import JudgedQuery, LabJob, QuerySet
from search.profile_settings import version_settings


class QuerySetForm(forms.ModelForm):  # type: ignore[type-arg]
    groups = LinesField(
        required=False, rows=2, help_text="Access groups that its queries are asked with, one a line."
    )

    class Meta:
        model = QuerySet
        fields: ClassVar = ["tenant", "name", "description", "groups", "runs_nightly"]


@admin.register(QuerySet)
class QuerySetAdmin(LabPages, TenantScopedAdmin):
    """A set's page is where the lab's work on it is started and seen."""

    form = QuerySetForm
    managers_may = frozenset({"view", "add", "change", "delete"})
    superusers_may = managers_may
    list_display = ("name", "tenant", "query_count", "judgement_count", "last_figure", "runs_nightly")
    list_filter = (TenantFilter,)
    list_select_related = ("tenant",)
    search_fields = ("name",)
    change_form_outer_before_template = "search/lab/query_set.html"
    actions_detail = ("optimise", "fit_threshold", "train_reranker", "take_ratings")

    def get_queryset(self, request: HttpRequest) -> "Rows[Any]":
        rows: Rows[Any] = super().get_queryset(request)
        counted: Rows[Any] = rows.annotate(
            queries_counted=Count("queries", distinct=True),
            judgements_counted=Count("queries__judgements", distinct=True),
        )
        return counted

    def get_readonly_fields(self, request: HttpRequest, obj: QuerySet | None = None) -> tuple[str, ...]:
        return ("tenant",) if obj else ()

    @column("queries", ordering="queries_counted")
    def query_count(self, obj: Any) -> int:
        return int(obj.queries_counted)

    @column("judgements", ordering="judgements_counted")
    def judgement_count(self, obj: Any) -> int:
        return int(obj.judgements_counted)

    @column("last nDCG@10")
    def last_figure(self, obj: QuerySet) -> str:
        run = obj.runs.filter(state=lab.State.DONE).first()
        return f"{run.measures[lab.MAIN_MEASURE]:.4f}" if run else ""

    def get_urls(self) -> list[URLPattern]:
        pages = [
            path("<int:set_id>/import/", self._page(self.import_view), name="search_queryset_import"),
            path("<int:set_id>/run/", self._page(self.run_view), name="search_queryset_run"),
            path("<int:set_id>/judge/", self._page(self.judge_view), name="search_queryset_judge"),
            path(
                "<int:set_id>/judge/<int:query_id>/", self._page(self.judge_view), name="search_queryset_grid"
            ),
        ]
        return [*pages, *super().get_urls()]

    def _page(self, view: Callable[..., HttpResponse]) -> Callable[..., Any]:
        """A page about one set that may be managed; else 404, and without permission the login."""

        @wraps(view)
        def checked(request: HttpRequest, set_id: int, **kwargs: Any) -> HttpResponse:
            return view(request, get_object_or_404(self.get_queryset(request), pk=set_id), **kwargs)

        protected: Callable[..., Any] = self.admin_site.admin_view(checked)
        return protected

    def render_change_form(
        self, request: HttpRequest, context: dict[str, Any], *args: Any, **kwargs: Any
    ) -> Any:
        query_set = context.get("original")
        if query_set is not None:
            context |= set_overview(query_set)
        return super().render_change_form(request, context, *args, **kwargs)

    def import_view(self, request: HttpRequest, query_set: QuerySet) -> HttpResponse:
        form = ImportForm(request.POST or None, request.FILES or None)
        if request.method == "POST" and form.is_valid():
            kept = judging.keep(query_set, form.imported)
            messages.success(request, f"Imported {kept.queries} queries and {kept.judgements} judgements.")
            if missing := kept.unknown_documents:
                messages.warning(
                    request,
                    f"{len(missing)} judged documents are not in the tenant, as {missing[0]!r}.",
                )
            return HttpResponseRedirect(_address(query_set))
        return self.form_page(
            request, query_set, form, title="Import queries and judgements", button="Import"
        )

    def run_view(self, request: HttpRequest, query_set: QuerySet) -> HttpResponse:
        form = RunForm(query_set, request.POST or None)
        if request.method == "POST" and form.is_valid():
            self._start(request, query_set, form.cleaned_data)
            return HttpResponseRedirect(_address(query_set))
        return self.form_page(request, query_set, form, title="Ask this set", button="Start")

    def _start(self, request: HttpRequest, query_set: QuerySet, asked: dict[str, Any]) -> None:
        profile = asked["profile"]
        settings = profile and version_settings(profile.name, profile.version, profile.settings)
        try:
            lab_jobs.open_run(query_set, mode=asked["mode"], profile=settings)
        except SearchError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "The run waits for a worker; it begins within seconds.")

    def form_page(
        self, request: HttpRequest, query_set: QuerySet, form: forms.Form, *, title: str, button: str
    ) -> HttpResponse:
        context = {"form": form, "query_set": query_set, "button": button, "back": _address(query_set)}
        return self.page(request, "search/lab/form.html", context, title=title)

    def judge_view(
        self, request: HttpRequest, query_set: QuerySet, query_id: int | None = None
    ) -> HttpResponse:
        return grid_page(self, request, query_set, query_id)

    @dialog_action(
        "Find the best fusion",
        path="optimise",
        icon="tune",
        text="Tries every fusion and weight on one half of the queries and shows it on the other.",
    )
    def optimise(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._open(request, object_id, LabJob.Kind.OPTIMISE)

    @dialog_action(
        "Fit the no-answer threshold",
        path="threshold",
        icon="rule",
        text="From which relevance on a question is answered: by questions with and without an answer.",
    )
    def fit_threshold(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._open(request, object_id, LabJob.Kind.THRESHOLD)

    @dialog_action(
        "Train a reranker",
        path="train",
        icon="model_training",
        text="Learns from the judgements which hits go first, and says what questions that it has not seen gain. "
        "Nothing uses it before a profile that names it goes live.",
    )
    def train_reranker(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        return self._open(request, object_id, LabJob.Kind.TRAIN, parameters={"name": OWN})

    def _open(
        self, request: HttpRequest, object_id: str, kind: str, *, parameters: dict[str, Any] | None = None
    ) -> HttpResponse:
        query_set = self.one(request, object_id).get()
        try:
            lab_jobs.open_job(query_set, kind, parameters=parameters)
        except LabError as error:
            messages.error(request, str(error))
        else:
            messages.success(request, "It waits for a worker, and begins within seconds.")
        return go_to(request, _address(query_set))

    @dialog_action(
        "Take in ratings",
        path="ratings",
        icon="thumbs_up_down",
        text="Readers' thumbs on results become the grades 2 and 0, and what they only opened 1, where the tenant "
        "keeps queries. Grades given here or imported stand. What is shown first is opened most: judge by hand what "
        "matters.",
    )
    def take_ratings(self, request: HttpRequest, form: BaseDialogForm, object_id: str) -> HttpResponse:
        query_set = self.one(request, object_id).get()
        kept = judging.keep_feedback(query_set)
        messages.success(
            request, f"Took {kept.judgements} grades from ratings and clicks of {kept.queries} queries."
        )
        return go_to(request, _address(query_set))


def _address(query_set: QuerySet) -> str:
    return reverse("admin:search_queryset_change", args=[query_set.pk])


@admin.register(JudgedQuery)
class JudgedQueryAdmin(TenantScopedAdmin):
    tenant_path = "query_set__tenant"
    managers_may = frozenset({"view", "add", "change", "delete"})
    superusers_may = managers_may
    list_display = ("text", "public_id", "query_set", "language", "is_unanswerable", "judgement_count")
    list_filter = ("is_unanswerable", "language")
    list_select_related = ("query_set",)
    search_fields = ("text", "public_id")
    fields = ("query_set", "public_id", "text", "filters", "language", "is_unanswerable")

    def get_queryset(self, request: HttpRequest) -> "Rows[Any]":
        rows: Rows[Any] = super().get_queryset(request).annotate(judgements_counted=Count("judgements"))
        asked = request.GET.get("query_set", "")
        return rows.filter(query_set=int(asked)) if asked.isascii() and asked.isdigit() else rows

    def get_readonly_fields(self, request: HttpRequest, obj: JudgedQuery | None = None) -> tuple[str, ...]:
        return ("query_set",) if obj else ()

    def formfield_for_foreignkey(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        if db_field.name == "query_set":
            kwargs["queryset"] = QuerySetAdmin(QuerySet, self.admin_site).get_queryset(request)
        return super().formfield_for_foreignkey(db_field, request, **kwargs)

    @column("judgements", ordering="judgements_counted")
    def judgement_count(self, obj: Any) -> int:
        return int(obj.judgements_counted)
