"""Tenants, who may ask them, and the keys of apps."""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.core.validators import MinValueValidator
from django.db import models
from django.utils import timezone


class User(AbstractUser):
    """A person. What they may see of a tenant is said by a Membership."""


class Tenant(models.Model):
    """An isolated customer or team.

    `content_version` grows with every switch of what is live; caches carry it, so that a change makes them miss.
    `curation_version` grows with every change of published curation rules, `synonyms_version` with every change of
    synonyms. `live_index` says which index version serves, `live_profile` which settings hold for requests that name
    none (None: the platform's); all are read together.
    """

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    slug = models.SlugField(unique=True, help_text="Short name in URLs and commands.")
    name = models.CharField(max_length=200)
    language = models.CharField(
        max_length=8, default="en", help_text="Language of documents that do not say theirs (ISO 639-1)."
    )
    is_public = models.BooleanField(
        default=False, help_text="Anyone may search it on the page, without groups."
    )
    keeps_queries = models.BooleanField(
        default=False,
        help_text="What is searched for and asked is kept in the query log, with what was answered, until this is "
        "switched off; so are readers' ratings, and which results they open, with the words, to be judged by.",
    )
    answers_near_questions = models.BooleanField(
        default=True,
        help_text="An answer that is still valid is also given to a question that asks the same in other words.",
    )
    monthly_token_budget = models.PositiveBigIntegerField(
        null=True,
        blank=True,
        help_text="Tokens of language models in a calendar month (UTC). Empty: no bound.",
    )
    monthly_cost_budget = models.DecimalField(
        null=True,
        blank=True,
        max_digits=12,
        decimal_places=2,
        validators=[MinValueValidator(0)],
        help_text="Their cost, in the currency of SEARCH_MODEL_PRICES. Models without a price are not asked then.",
    )
    content_version = models.BigIntegerField(default=0, editable=False)
    curation_version = models.BigIntegerField(default=0, editable=False)
    synonyms_version = models.BigIntegerField(default=0, editable=False)
    live_index = models.ForeignKey(
        "SearchIndex", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    live_profile = models.ForeignKey(
        "Profile", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["slug"]

    def __str__(self) -> str:
        return self.name


class Membership(models.Model):
    """A user's place in a tenant, with the access groups that it gives."""

    class Role(models.TextChoices):
        READER = "reader"
        MANAGER = "manager"

    user = models.ForeignKey(User, on_delete=models.CASCADE, related_name="memberships")
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="memberships")
    role = models.CharField(max_length=16, choices=Role, default=Role.READER)
    groups = models.JSONField(default=list, blank=True, help_text='Access groups, as ["hr", "board"].')

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["user", "tenant"], name="one_membership_per_user_and_tenant")
        ]

    def __str__(self) -> str:
        return f"{self.user} in {self.tenant}"


class ApiKey(models.Model):
    """A key of one tenant. Only a SHA-256 of it is kept; the key itself is shown once, when it is made."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="api_keys")
    name = models.CharField(max_length=200)
    prefix = models.CharField(
        max_length=16, editable=False, help_text="The key's beginning, to tell keys apart."
    )
    key_hash = models.CharField(max_length=64, unique=True, editable=False)
    scopes = models.JSONField(
        default=list, help_text='Of "search", "ask", "documents", "sources", "profiles".'
    )
    groups = models.JSONField(default=list, blank=True, help_text="Access groups that the key holds.")
    monthly_token_budget = models.PositiveBigIntegerField(
        null=True, blank=True, help_text="Of this key alone, within the tenant's. Empty: no bound."
    )
    monthly_cost_budget = models.DecimalField(
        null=True, blank=True, max_digits=12, decimal_places=2, validators=[MinValueValidator(0)]
    )
    expires_at = models.DateTimeField(null=True, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "API key"
        verbose_name_plural = "API keys"
        ordering: ClassVar = ["tenant", "name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.prefix}…)"

    @property
    def is_active(self) -> bool:
        return self.revoked_at is None and (self.expires_at is None or self.expires_at > timezone.now())
