"""Ask judged questions through the answer service: each set is loaded into a throw-away tenant, asked, and dropped."""

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError, CommandParser
from django.test import override_settings

from bench.doubles import ChatDouble
from bench.reading import ReadingReply
from ingestion.management.commands._judged_sets import JudgedSetsCommand, LoadedSet
from search.evaluation import answering
from search.evaluation.answering import AnswerFigures, AskedSet
from search.evaluation.datasets import JudgedSet, Query, read_questions
from search.types import Principal


class Command(JudgedSetsCommand):
    help = "Ask the questions of folders with answers, and print refusals, citations, support and overlap."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument(
            "--limit", type=int, metavar="N", help="ask N questions of each set, spread over all"
        )

        parser.add_argument(
            "--double",
            action="store_true",
            help="answers by a double of a model that quotes, and tells falsehoods that are counted",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        self._limit: int | None = options["limit"]
        self._double = ReadingReply() if options["double"] else None
        if self._limit is not None and self._limit < 1:
            raise CommandError("--limit is at least 1.")
        with _measuring(self._double):
            outcomes: dict[str, AnswerFigures] = self.measure_sets(options)
            self.write_json(_as_json(outcomes), options["json"])
        self._print_table(outcomes)

    def read(self, folder: Path) -> JudgedSet:
        return read_questions(folder)

    def measure(self, loaded: LoadedSet) -> AnswerFigures:
        name, queries = loaded.judged.name, _spread(loaded.judged.queries, self._limit)
        principal = Principal(loaded.tenant.pk, loaded.tenant.uuid)
        asked = AskedSet(principal, loaded.judged, loaded.id_prefix, loaded.metadata_filter)
        count = 0

        def done() -> None:
            nonlocal count
            count += 1
            self.say(f"{name}: {count} of {len(queries)} questions")

        return answering.figures(answering.ask_all(asked, queries, done=done), asked, told=self._double)

    def _print_table(self, outcomes: Mapping[str, AnswerFigures]) -> None:
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


@contextmanager
def _measuring(double: ReadingReply | None) -> Iterator[None]:
    """With the double as this process's model, if there is one. No near question's answer stands for another's."""
    with ExitStack() as stack:
        changed: dict[str, Any] = {"SEARCH_SEMANTIC_CACHE": False}
        if double is not None:
            server = stack.enter_context(ChatDouble(reply=double))
            changed["SEARCH_GENERATOR"] = {
                "BACKEND": "search.generation.OpenAIGenerator",
                "OPTIONS": {"model": "a double on loopback", "base_url": server.base_url, "api_key": "none"},
            }
        stack.enter_context(override_settings(**changed))
        yield


def _spread(queries: tuple[Query, ...], limit: int | None) -> tuple[Query, ...]:
    """At most so many questions, evenly from all: sets often have those with an answer first."""
    if limit is None or limit >= len(queries):
        return queries
    return tuple(queries[index * len(queries) // limit] for index in range(limit))


def _as_json(outcomes: Mapping[str, AnswerFigures]) -> dict[str, Any]:
    return {
        "datasets": {name: asdict(figures) for name, figures in outcomes.items()},
        "settings": answering.conditions(),
    }
