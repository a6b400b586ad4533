"""Profiles: named, versioned retrieval settings."""

from typing import ClassVar

from django.db import models

from search.models.tenants import Tenant


class Profile(models.Model):
    """A named, versioned set of retrieval settings. A request may name one; else the tenant's live one holds."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="profiles")
    name = models.SlugField()
    version = models.PositiveIntegerField(default=1)
    settings = models.JSONField(default=dict, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "name", "version"], name="one_profile_per_tenant_name_and_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"
