"""Compare tenants' indexes with the database and repair what drifted."""

from dataclasses import asdict
from typing import Any

from django.core.management.base import CommandError, CommandParser

from embedded.command import ServicesCommand
from ingestion import jobs
from ingestion.services import reconcile
from search.models import Tenant


class Command(ServicesCommand):
    help = "Compare the indexes of a tenant (or of all) with the database, and repair what drifted."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("tenant", nargs="?", metavar="TENANT")
        parser.add_argument(
            "--now", action="store_true", help="do the tasks that it opens here, without workers"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tenants = Tenant.objects.all()
        if options["tenant"]:
            tenants = tenants.filter(slug=options["tenant"])
            if not tenants:
                raise CommandError(f"There is no tenant {options['tenant']!r}.")
        figures = {}
        for tenant in tenants.exclude(live_index=None):
            report = asdict(reconcile.run(tenant))
            while options["now"] and jobs.run_due_tasks(tenant.pk):
                continue
            figures[tenant.slug] = report
            self.stdout.write(f"{tenant.slug}: " + ", ".join(f"{n} {name}" for name, n in report.items()))
        self.write_json(figures, options["json"])
