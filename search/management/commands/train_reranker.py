"""`train_reranker TENANT QUERYSET`: a reranker from a tenant's judgements, and what it gains."""

import json
import time
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from search.evaluation import lab_jobs
from search.evaluation.reranker_training import OWN
from search.exceptions import SearchError
from search.models import LabJob, QuerySet, TrainedReranker

_TELLING = 10
_LOOK_AGAIN_SECONDS = 0.2


class Command(BaseCommand):
    help = "Trains a reranker from a judged query set and says what held-out queries gain by it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", help="slug")
        parser.add_argument("query_set", help="name of the query set")
        parser.add_argument("--name", default=OWN, help=f"whose next version it becomes ({OWN})")
        parser.add_argument("--json", type=Path, help="write the figures to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        query_set = QuerySet.objects.filter(tenant__slug=options["tenant"], name=options["query_set"]).first()
        if query_set is None:
            raise CommandError(f"{options['tenant']!r} has no query set {options['query_set']!r}.")
        figures = _figures(self._trained(query_set, options["name"]))
        self._print(figures)
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=1), encoding="utf-8")

    def _trained(self, query_set: QuerySet, name: str) -> TrainedReranker:
        """By the lab's job, of which this process does the slices unless a worker is quicker."""
        try:
            job = lab_jobs.open_job(query_set, LabJob.Kind.TRAIN, parameters={"name": name})
        except SearchError as error:
            raise CommandError(str(error)) from error
        while job.state in LabJob.OPEN:
            if not lab_jobs.work(job.pk, should_stop=lambda: False):
                time.sleep(_LOOK_AGAIN_SECONDS)
            job.refresh_from_db()
            self.stderr.write(f"\r{job.progress:4.0%}", ending="")
        if job.state != LabJob.State.DONE:
            raise CommandError(job.reason or f"The job was {job.state}.")
        return TrainedReranker.objects.get(pk=job.result["pk"])

    def _print(self, figures: dict[str, Any]) -> None:
        self.stderr.write("")
        self.stdout.write(
            f"{figures['reranker']}: nDCG@10 {figures['before']:.4f} → {figures['after']:.4f}"
            f" ({figures['gain']:+.4f}, p {figures['p']:.3f}) over {figures['queries']} held-out queries"
        )
        for fold in figures["folds"]:
            self.stdout.write(f"  fold of {fold['queries']}: {fold['before']:.4f} → {fold['after']:.4f}")
        self.stdout.write("Most telling features (nDCG@10 lost without):")
        for feature, lost in figures["importances"][:_TELLING]:
            self.stdout.write(f"  {lost:+.4f}  {feature}")


def _figures(reranker: TrainedReranker) -> dict[str, Any]:
    return {
        "reranker": str(reranker),
        "queries": reranker.query_count,
        "before": round(reranker.before, 5),
        "after": round(reranker.after, 5),
        "gain": round(reranker.gain, 5),
        "p": round(reranker.p, 5),
        "folds": reranker.folds,
        "importances": reranker.importances,
    }
