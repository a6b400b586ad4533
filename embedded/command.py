"""Django commands that need OpenSearch or Redis: those there are, else embedded ones for their run."""

import json
import sys
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import connection
from django.db.migrations.executor import MigrationExecutor

from embedded.exceptions import EmbeddedError
from embedded.services import ServiceUrls, ensure_services


class JsonCommand(BaseCommand):
    """A command whose figures `--json FILE` writes; `-` is standard output."""

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", metavar="FILE", help="write the figures to FILE; - for standard output")

    def write_json(self, figures: Any, path: str | None) -> None:
        if path is None:
            return
        text = json.dumps(figures, indent=1, default=str) + "\n"
        if path == "-":
            sys.stdout.write(text)
        else:
            Path(path).write_text(text)


class ServicesCommand(JsonCommand):
    """Runs `handle` with servers that answer, on a migrated database."""

    needs_opensearch = True

    def execute(self, *args: Any, **options: Any) -> str | None:
        try:
            with ensure_services(settings.PATHS, opensearch=self.needs_opensearch) as urls:
                if self.needs_opensearch:
                    settings.OPENSEARCH_URL = urls.opensearch_url
                settings.REDIS_URL, settings.REDIS_CACHE_URL = urls.redis_url, urls.redis_cache_url
                settings.RQ_QUEUES["default"]["URL"] = urls.redis_url
                migrate_if_new()
                return super().execute(*args, **options)
        except EmbeddedError as error:
            raise CommandError(str(error)) from error


def service_urls() -> ServiceUrls:
    """Of the servers that the command runs with, for processes that it starts."""
    return ServiceUrls(settings.OPENSEARCH_URL, settings.REDIS_URL, settings.REDIS_CACHE_URL)


def migrate_if_new() -> None:
    """A fresh checkout has no tables yet. Those of an earlier version are the operator's to change: CommandError."""
    executor = MigrationExecutor(connection)
    if not executor.loader.applied_migrations:
        call_command("migrate", verbosity=0)
    elif missing := executor.migration_plan(executor.loader.graph.leaf_nodes()):
        first = missing[0][0]
        raise CommandError(
            f"The database lacks {len(missing)} migration(s), {first} first. Run `manage.py migrate` (`make up` does)."
        )
