"""Ask judged questions through the answer service: each set is loaded into a throw-away tenant, asked, and dropped."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from ingestion import jobs
from ingestion.exceptions import IngestionError
from ingestion.management.commands._judged import JudgedSetsCommand, check_names
from ingestion.services import throwaway
from search.evaluation import answering
from search.evaluation.answering import AnswerFigures, AskedSet
from search.evaluation.datasets import JudgedSet, Query, read_questions
from search.evaluation.runs import MetadataFilter
from search.exceptions import SearchError
from search.types import Principal


class Command(JudgedSetsCommand):
    help = "Ask the questions of folders with answers, and print refusals, citations, support and overlap."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--limit", type=int, metavar="N", help="ask N questions of each set, spread over all"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        filters: dict[str, MetadataFilter] = dict(options["metadata_filter"])
        limit: int | None = options["limit"]
        if limit is not None and limit < 1:
            raise CommandError("--limit is at least 1.")
        try:
            sets = [read_questions(folder) for folder in options["folders"]]
            check_names(sets, filters)
            jobs.parser()  # before the model is loaded, as a worker does it
            outcomes = {judged.name: self._ask(judged, filters.get(judged.name), limit) for judged in sets}
        except (SearchError, IngestionError) as error:
            raise CommandError(str(error)) from error
        except KeyboardInterrupt as interrupt:
            raise CommandError("Interrupted; the throw-away tenant is dropped.") from interrupt
        self._print_table(outcomes)
        self.write_json(_as_json(outcomes), options["json"])

    def _ask(
        self, judged: JudgedSet, metadata_filter: MetadataFilter | None, limit: int | None
    ) -> AnswerFigures:
        with throwaway.throwaway_tenant("answers") as tenant:
            loaded = self.load(tenant, judged, metadata_filter)
            asked = AskedSet(Principal(tenant.pk, tenant.uuid), judged, loaded.id_prefix, metadata_filter)
            queries = _spread(judged.queries, limit)
            count = 0

            def done() -> None:
                nonlocal count
                count += 1
                self.say(f"{judged.name}: {count} of {len(queries)} questions")

            figures = answering.figures(answering.ask_all(asked, queries, done=done), asked)
            self.say(f"{judged.name}: dropping its tenant", always=True)
        return figures

    def _print_table(self, outcomes: dict[str, AnswerFigures]) -> None:
        row = "{:<18}" + "{:>11}" * 11
        titles = ("questions", "refused", "of unansw.", "AUROC", "at 10 %", "F1", "holds", "right", "support")
        self.stdout.write(row.format("set", *titles, "foreign", "p50 ms"))
        for name, found in outcomes.items():
            refusal = found.refusal
            rates = (
                found.refused_answerable,
                found.refused_unanswerable,
                refusal and refusal["auroc"],
                refusal and refusal["held_out"]["unanswerable"],
                found.answer_f1,
                found.holds_reference,
                found.citation_precision,
                found.support,
            )
            questions = found.answerable + found.unanswerable
            shown = ["-" if rate is None else f"{rate:.3f}" for rate in rates]
            self.stdout.write(
                row.format(name, questions, *shown, found.foreign_citations, f"{found.p50_ms:.1f}")
            )


def _spread(queries: tuple[Query, ...], limit: int | None) -> tuple[Query, ...]:
    """At most so many questions, evenly from all: sets often have those with an answer first."""
    if limit is None or limit >= len(queries):
        return queries
    return tuple(queries[index * len(queries) // limit] for index in range(limit))


def _as_json(outcomes: dict[str, AnswerFigures]) -> dict[str, Any]:
    return {
        "datasets": {name: asdict(figures) for name, figures in outcomes.items()},
        "settings": answering.conditions(),
    }
