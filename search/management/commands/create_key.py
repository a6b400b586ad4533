"""Make an API key and print it alone, so that a script can take it from standard output."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from search.authentication import SCOPES, create_key
from search.models import Tenant


class Command(BaseCommand):
    help = "Make an API key of a tenant and print it; it is shown this once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--tenant", required=True, metavar="SLUG")
        parser.add_argument("--name", default="made by create_key")
        parser.add_argument(
            "--scopes", default=",".join(SCOPES), help=f"of {', '.join(SCOPES)}; all by default"
        )
        parser.add_argument("--groups", default="", help="access groups that the key holds, by commas")

    def handle(self, *args: Any, **options: Any) -> None:
        tenant = Tenant.objects.filter(slug=options["tenant"]).first()
        if tenant is None:
            raise CommandError(f"There is no tenant {options['tenant']!r}.")
        try:
            key = create_key(
                tenant,
                name=options["name"],
                scopes=_names(options["scopes"]),
                groups=_names(options["groups"]),
            )
        except ValueError as error:
            raise CommandError(str(error)) from error
        self.stdout.write(key.secret)


def _names(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]
