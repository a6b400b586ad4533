"""Make a source of a tenant."""

import json
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from ingestion.exceptions import IngestionError
from ingestion.services import sources
from search.models import Tenant


class Command(BaseCommand):
    help = "Make a source of a tenant."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("tenant", metavar="TENANT", help="the tenant's slug")
        parser.add_argument("kind", metavar="KIND", help="as folder")
        parser.add_argument("--config", required=True, metavar="JSON", help='as {"path": "/srv/handbook"}')
        parser.add_argument("--slug", default="", help="first part of its documents' ids")
        parser.add_argument("--name", default="")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        try:
            config = json.loads(options["config"])
            source = sources.create(
                tenant, kind=options["kind"], config=config, name=options["name"], slug=options["slug"]
            )
        except json.JSONDecodeError as error:
            raise CommandError(f"--config is not JSON: {error}") from error
        except IngestionError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(source.slug)
