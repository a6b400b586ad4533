"""Rebuild a tenant's index as its next version, roll back to the one before, or drop those that no longer serve."""

import time
from typing import Any

from django.core.management.base import CommandError, CommandParser

from embedded.command import ServicesCommand
from ingestion import jobs
from ingestion.exceptions import IngestionError
from ingestion.services import rebuild
from search.models import SearchIndex, Tenant

POLL_SECONDS = 0.5


class Command(ServicesCommand):
    help = "Fill a tenant's next index version from stored text, and let it serve once it is complete."

    def add_arguments(self, parser: CommandParser) -> None:
        super().add_arguments(parser)
        parser.add_argument("tenant", metavar="TENANT")
        parser.add_argument(
            "--embedder", default="default", help="alias in SEARCH_EMBEDDERS for the next version"
        )
        parser.add_argument("--now", action="store_true", help="do it here, without workers")
        parser.add_argument("--rollback", action="store_true", help="let the version before serve again")
        parser.add_argument("--drop-old", action="store_true", help="remove versions that no longer serve")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        try:
            if options["rollback"]:
                self.stdout.write(f"{rebuild.roll_back(tenant).name} serves.")
            elif options["drop_old"]:
                self.stdout.write(f"Dropped: {', '.join(rebuild.drop_retired(tenant)) or 'nothing'}.")
            else:
                self._rebuild(tenant, **options)
        except IngestionError as error:
            raise CommandError(str(error)) from error

    def _rebuild(self, tenant: Tenant, **options: Any) -> None:
        started = time.monotonic()
        version = rebuild.start(tenant, embedder=options["embedder"]).version
        while not rebuild.finish(version):
            state = rebuild.progress(version)
            self.stderr.write(f"{state.documents - state.missing} of {state.documents} documents")
            if not (options["now"] and jobs.run_due_tasks(tenant.pk)):
                time.sleep(POLL_SECONDS)
            version = SearchIndex.objects.get(pk=version.pk)
            if version.state == SearchIndex.State.LIVE:  # the scheduler was faster
                break
        seconds = time.monotonic() - started
        figures = {"index": version.name, "variant": version.variant, "seconds": round(seconds, 2)}
        self.write_json(figures, options["json"])
        self.stdout.write(f"{version.name} serves after {seconds:.1f} s.")
