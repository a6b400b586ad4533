"""Ask a query set of a tenant and print its figures; a BEIR folder can be imported into it first."""

from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser

from embedded.command import ServicesCommand
from search.evaluation import judging, lab
from search.evaluation.asking import MODES
from search.evaluation.imports import Imported, TextFile, read_beir
from search.exceptions import SearchError
from search.models import EvaluationRun, QuerySet, Tenant


class Command(ServicesCommand):
    help = "Ask a tenant's query set in the given modes, keep the runs and print their figures."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("tenant")
        parser.add_argument("set", metavar="SET", help="the query set's name; made when it is not there")
        parser.add_argument("--modes", default="lexical,vector,hybrid", help=f"of {','.join(MODES)}")
        parser.add_argument(
            "--beir", type=Path, metavar="DIR", help="import queries.jsonl and qrels/test.tsv first"
        )
        parser.add_argument(
            "--document-prefix", default="", help="stands before the qrels' ids in public ids"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        modes = options["modes"].split(",")
        if unknown := [mode for mode in modes if mode not in MODES]:
            raise CommandError(f"There is no mode {unknown[0]!r}; there are {', '.join(MODES)}.")
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        query_set, _ = QuerySet.objects.get_or_create(tenant=tenant, name=options["set"])
        try:
            if options["beir"]:
                self._import(query_set, options["beir"], options["document_prefix"])
            runs = [lab.carry_on(lab.start(query_set, mode=mode)) for mode in modes]
        except (SearchError, OSError) as error:
            raise CommandError(str(error)) from error
        self._print(runs)
        self.write_json({run.mode: run.measures for run in runs}, options["json"])

    def _import(self, query_set: QuerySet, folder: Path, prefix: str) -> None:
        files = (folder / "queries.jsonl", folder / "qrels" / "test.tsv")
        imported = read_beir(*(TextFile(str(path), path.read_text("utf-8")) for path in files))
        kept = judging.keep(query_set, _prefixed(imported, prefix))
        self.stderr.write(f"{kept.queries} queries, {kept.judgements} judgements")
        if kept.unknown_documents:
            name = kept.unknown_documents[0]
            self.stderr.write(f"{len(kept.unknown_documents)} judged documents are not there, as {name!r}")

    def _print(self, runs: list[EvaluationRun]) -> None:
        row = "{:<8} {:>8}" + " {:>12}" * len(lab.MEASURES)
        self.stdout.write(row.format("mode", "queries", *lab.MEASURES))
        for run in runs:
            if run.state != lab.State.DONE:
                raise CommandError(run.reason)
            figures = [f"{run.measures[name]:.4f}" for name in lab.MEASURES]
            self.stdout.write(row.format(run.mode, run.measures["queries"], *figures))


def _prefixed(imported: Imported, prefix: str) -> Imported:
    for query in imported:
        query.grades = {prefix + document: grade for document, grade in query.grades.items()}
    return imported
