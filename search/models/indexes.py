"""Index versions of a tenant, and the metadata fields that they have."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from search.models.tenants import Tenant


class SearchIndex(models.Model):
    """One physical index of a tenant: a version, its embedder variant and its chunking."""

    class State(models.TextChoices):
        BUILDING = "building"
        LIVE = "live"
        RETIRED = "retired"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="indexes")
    number = models.PositiveIntegerField()
    name = models.CharField(max_length=255, unique=True, help_text="The physical index in OpenSearch.")
    embedder = models.CharField(max_length=64, default="default", help_text="Alias in SEARCH_EMBEDDERS.")
    variant = models.CharField(max_length=200)
    dimension = models.PositiveIntegerField()
    chunking_version = models.CharField(max_length=32)
    mapping_version = models.PositiveSmallIntegerField(
        default=0,
        editable=False,
        help_text="Of the physical index as it was made; 0: before this was recorded.",
    )
    languages = models.JSONField(
        default=list, help_text="Languages of what was written to it: the fields to ask."
    )
    vector_weights = models.JSONField(
        default=list,
        editable=False,
        help_text="[language, weight of the vector leg, chunks]: what the last probe found, as queries read it.",
    )
    probe = models.JSONField(
        default=dict,
        editable=False,
        help_text="The last probe, for people: when, of what, how much each leg found.",
    )
    changes_since_probe = models.PositiveIntegerField(
        default=0, editable=False, help_text="Documents that were switched since the last probe."
    )
    probe_after_changes = models.PositiveIntegerField(
        default=1, editable=False, help_text="So many of them make the next probe due."
    )
    probing_until = models.DateTimeField(
        null=True, editable=False, help_text="A worker's lease on the probe."
    )
    state = models.CharField(max_length=16, choices=State, default=State.BUILDING)
    created_at = models.DateTimeField(auto_now_add=True)
    live_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "search index"
        verbose_name_plural = "search indexes"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "number"], name="one_index_per_tenant_and_number"),
            models.UniqueConstraint(
                fields=["tenant"], condition=Q(state="building"), name="one_building_index_per_tenant"
            ),
        ]

    def __str__(self) -> str:
        return self.name


class MetadataField(models.Model):
    """A metadata field of a tenant and its type: declared here, or by the JSON type at first sight."""

    class Type(models.TextChoices):
        KEYWORD = "keyword"
        NUMBER = "number"
        BOOLEAN = "boolean"
        DATE = "date"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="metadata_fields")
    name = models.CharField(max_length=64)
    type = models.CharField(max_length=16, choices=Type)
    is_declared = models.BooleanField(
        default=True, editable=False, help_text="Not only inferred from a document."
    )

    class Meta:
        ordering: ClassVar = ["tenant", "name"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_metadata_field_per_tenant_and_name")
        ]

    def __str__(self) -> str:
        return f"{self.name}: {self.type}"
