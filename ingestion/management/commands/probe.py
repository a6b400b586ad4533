"""Probe a tenant's live index here and now: what each leg finds, and the weight that follows for each language."""

from typing import Any

from django.core.management.base import CommandError, CommandParser

from embedded.command import ServicesCommand
from ingestion.exceptions import IngestionError
from ingestion.services import probe
from search.exceptions import SearchError
from search.models import Tenant


class Command(ServicesCommand):
    help = "Find how much each leg can be trusted with a tenant's text, and set the weights of hybrid search by it."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("tenant", metavar="TENANT")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.select_related("live_index").filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        if tenant.live_index is None:
            raise CommandError(f"{tenant.slug} has no index yet.")
        try:
            version = probe.run(tenant.live_index)
        except (SearchError, IngestionError) as error:
            raise CommandError(str(error)) from error
        self._print(version.probe)
        self.write_json({"tenant": tenant.slug, "index": version.name, **version.probe}, options["json"])

    def _print(self, report: dict[str, Any]) -> None:
        row = "{:<10} {:>8} {:>10} {:>8} {:>8} {:>8} {:>8}"
        self.stdout.write(
            row.format("language", "chunks", "questions", "lexical", "vector", "fused", "weight")
        )
        for one in report["languages"]:
            weighed = one["weighed"]
            found = [f"{weighed[leg]:.3f}" for leg in ("lexical", "vector", "fused")]
            weight = f"{weighed['vector_weight']:.2f}"
            self.stdout.write(
                row.format(one["language"], one["chunks"], weighed["questions"], *found, weight)
            )
        self.stdout.write(f"{report['seconds']} s")
