"""`train_general_reranker GROUP…`: the model that comes along, from judged sets of many kinds."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from search.evaluation.reranker_training import train_general
from search.models import QuerySet


class Command(BaseCommand):
    help = "Grows the general reranker and prints what it gains on each set when it was grown without it."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "groups",
            nargs="+",
            metavar="TENANT/QUERYSET[,…]",
            help="sets that are alike, as one in several languages, count as one: apart by commas",
        )
        parser.add_argument("--output", type=Path, help="write the model to this file")
        parser.add_argument("--json", type=Path, help="write the figures to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        groups = [[_query_set(named) for named in group.split(",")] for group in options["groups"]]
        model, figures = train_general(groups)
        for name, found in figures.items():
            gain = found["after"] - found["before"]
            self.stdout.write(f"{name}: nDCG@10 {found['before']:.4f} → {found['after']:.4f} ({gain:+.4f})")
        if options["output"]:
            options["output"].write_text(json.dumps(model.to_json(), separators=(",", ":")), encoding="utf-8")
        if options["json"]:
            options["json"].write_text(json.dumps(figures, indent=1), encoding="utf-8")


def _query_set(named: str) -> QuerySet:
    tenant, _, name = named.partition("/")
    found = QuerySet.objects.filter(tenant__slug=tenant, name=name).first()
    if found is None:
        raise CommandError(f"There is no query set {named!r}: name it as TENANT/QUERYSET.")
    return found
