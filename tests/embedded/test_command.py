"""Commands look at the database before they work for minutes."""

import pytest
from django.core.management.base import CommandError
from django.db import connection
from django.db.migrations.loader import MigrationLoader
from django.db.migrations.recorder import MigrationRecorder

from embedded.command import migrate_if_new


@pytest.mark.django_db
def test_a_database_with_all_migrations_is_taken_as_it_is() -> None:
    migrate_if_new()


@pytest.mark.django_db
def test_a_database_of_an_earlier_version_is_refused_by_what_it_lacks() -> None:
    [(_, last)] = MigrationLoader(connection).graph.leaf_nodes("search")
    MigrationRecorder(connection).record_unapplied("search", last)
    with pytest.raises(CommandError, match=rf"lacks 1 migration\(s\), search\.{last} first"):
        migrate_if_new()
