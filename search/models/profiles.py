"""Profiles: named, versioned retrieval settings."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from search.models.tenants import Tenant

DEFAULT_PROFILE = "default"  # the name whose live version holds for requests that name none


class Profile(models.Model):
    """One version of a named set of retrieval settings: its settings never change, only its state does.

    At most one version of a name is live. That of the name `default` is also the tenant's `live_profile`.
    """

    class State(models.TextChoices):
        DRAFT = "draft"
        EVALUATED = "evaluated"
        LIVE = "live"
        RETIRED = "retired"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="profiles")
    name = models.SlugField(
        default=DEFAULT_PROFILE,
        help_text=f"What requests call it. “{DEFAULT_PROFILE}” holds for those that name none.",
    )
    version = models.PositiveIntegerField(default=1, editable=False)
    settings = models.JSONField(default=dict, blank=True)
    note = models.CharField(max_length=200, blank=True, help_text="What it is meant to do better.")
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT, editable=False)
    predecessor = models.ForeignKey(
        "self",
        null=True,
        blank=True,
        editable=False,
        on_delete=models.SET_NULL,
        related_name="+",
        help_text="What was live before it: where a rollback leads. None: the platform's defaults.",
    )
    created_at = models.DateTimeField(auto_now_add=True)
    live_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "name", "version"], name="one_profile_per_tenant_name_and_version"
            ),
            models.UniqueConstraint(
                fields=["tenant", "name"], condition=Q(state="live"), name="one_live_version_per_profile"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"
