"""What a newcomer starts with: a public tenant, an admin user, an API key, and the sample documents as a
folder source."""

import secrets
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from ingestion.models import Source
from ingestion.services import sources, sync
from search.authentication import SCOPES, create_key
from search.models import ApiKey, Tenant, User

TENANT, ADMIN, SOURCE, KEY = "demo", "admin", "kestrow", "demo"


class Command(BaseCommand):
    help = (
        "Make the demo tenant, an admin user and an API key (each shown once), and sync the sample documents."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--no-sample", dest="sample", action="store_false", help="without the sample documents"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        tenant, _ = Tenant.objects.get_or_create(
            slug=TENANT, defaults={"name": "Kestrow Instruments (sample)", "is_public": True}
        )
        self._ensure_admin()
        self._ensure_key(tenant)
        if options["sample"]:
            sync.start(_sample_source(tenant))

    def _ensure_admin(self) -> None:
        if User.objects.filter(is_superuser=True).exists():
            return
        password = secrets.token_urlsafe(12)
        User.objects.create_superuser(username=ADMIN, password=password)
        self.stdout.write(f"Admin user: {ADMIN}, password: {password} (shown this once)")

    def _ensure_key(self, tenant: Tenant) -> None:
        if ApiKey.objects.filter(tenant=tenant, name=KEY).exists():
            return
        key = create_key(tenant, name=KEY, scopes=list(SCOPES), groups=[])
        self.stdout.write(f"API key of the tenant {tenant.slug}: {key.secret} (shown this once)")


def _sample_source(tenant: Tenant) -> Source:
    source = Source.objects.filter(tenant=tenant, slug=SOURCE).first()
    folder = Path(settings.BASE_DIR) / "sample" / "documents"
    config = {"path": str(folder), "metadata_file": "../metadata.json"}
    return source or sources.create(
        tenant, kind="folder", config=config, name="Kestrow documents", slug=SOURCE
    )
