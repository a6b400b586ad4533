"""Open failed, dead or cancelled tasks again."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingestion import doorbell, outbox
from ingestion.models import IngestionTask


class Command(BaseCommand):
    help = "Try failed, dead or cancelled tasks again."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tasks", nargs="*", metavar="TASK", help="uuids of tasks")
        parser.add_argument("--tenant", metavar="SLUG", help="all of this tenant's")

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["tasks"] and not options["tenant"]:
            raise CommandError("Name tasks, or --tenant SLUG for all of a tenant's.")
        tasks = IngestionTask.objects.all()
        if options["tenant"]:
            tasks = tasks.filter(tenant__slug=options["tenant"])
        if options["tasks"]:
            tasks = tasks.filter(uuid__in=options["tasks"])
        tenants = set(tasks.values_list("tenant_id", flat=True))
        opened = outbox.retry(tasks)
        for tenant_id in tenants:
            doorbell.ring(doorbell.RUN_DUE_TASKS, tenant_id)
        self.stdout.write(f"{opened} tasks are open again.")
