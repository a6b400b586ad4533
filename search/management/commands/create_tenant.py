"""Make a tenant."""

from typing import Any

from django.core.exceptions import ValidationError
from django.core.management.base import BaseCommand, CommandError, CommandParser

from search.models import Tenant


class Command(BaseCommand):
    help = "Make a tenant."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("slug", metavar="SLUG")
        parser.add_argument("--name", default="", help="shown name; the slug when not given")
        parser.add_argument("--language", default="en", help="language of documents that do not say theirs")
        parser.add_argument("--public", action="store_true", help="anyone may search it on the page")

    def handle(self, *args: Any, **options: Any) -> None:
        slug = options["slug"]
        tenant = Tenant(
            slug=slug, name=options["name"] or slug, language=options["language"], is_public=options["public"]
        )
        try:
            tenant.full_clean()
        except ValidationError as error:
            raise CommandError("; ".join(error.messages)) from error
        tenant.save()
        self.stdout.write(f"Made the tenant {tenant.slug}.")
