"""Collections: named parts of a tenant's documents that readers choose and apps name."""

from typing import ClassVar

from django.db import models

from search.models.tenants import Tenant


class Collection(models.Model):
    """A profile with a fixed filter and an audience. It narrows what is looked at; it gives no access to anything."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="collections")
    name = models.CharField(max_length=100, help_text="What readers choose, as “Manuals”.")
    slug = models.SlugField(help_text="What apps call it, in the field “collection” of a request.")
    description = models.CharField(max_length=200, blank=True)
    filters = models.JSONField(
        default=dict,
        blank=True,
        help_text='As in the API: {"field": "team", "op": "eq", "value": "service"}. Empty: all documents.',
    )
    profile = models.SlugField(blank=True, help_text="Empty: what holds for requests that name none.")
    audience = models.JSONField(
        null=True, blank=True, help_text="Access groups that may choose it. Empty: everyone; []: nobody."
    )

    class Meta:
        ordering: ClassVar = ["name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="one_collection_per_tenant_and_slug")
        ]

    def __str__(self) -> str:
        return self.name
