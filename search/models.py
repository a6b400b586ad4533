"""The records of the read side: tenants, who may ask, documents and their editions, index versions.

The database is the record; OpenSearch holds a copy that can be rebuilt. Every record belongs to one tenant.
"""

import uuid
from typing import ClassVar

from django.contrib.auth.models import AbstractUser
from django.db import models
from django.db.models import Q
from django.utils import timezone


class User(AbstractUser):
    """A person. What they may see of a tenant is said by a Membership."""


class Tenant(models.Model):
    """An isolated customer or team.

    `content_version` grows with every switch of what is live; caches carry it, so that a change makes them miss.
    `live_index` says which index version serves, and is read together with it.
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
    content_version = models.BigIntegerField(default=0, editable=False)
    live_index = models.ForeignKey(
        "SearchIndex", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="+"
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
    scopes = models.JSONField(default=list, help_text='Of "search", "ask", "documents", "sources".')
    groups = models.JSONField(default=list, blank=True, help_text="Access groups that the key holds.")
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
    languages = models.JSONField(
        default=list, help_text="Languages of what was written to it: the fields to ask."
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


class Document(models.Model):
    """One searchable item.

    `revision` counts accepted changes. `hides_unacknowledged` is set while a deletion, expiry or access change is
    accepted but not yet in the index: the filter door then leaves the document out of what the engine counts.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        LIVE = "live"
        FAILED = "failed"
        DELETED = "deleted"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="documents")
    public_id = models.CharField(
        max_length=512, help_text="Unique in its tenant; a synced document's is source/path."
    )
    source_key = models.CharField(max_length=64, blank=True, help_text="Slug of the source it came from.")
    title = models.CharField(max_length=500, blank=True)
    derives_title = models.BooleanField(
        default=True, help_text="No title was given: it is the content's own."
    )
    url = models.CharField(max_length=2000, blank=True)
    media_type = models.CharField(max_length=100, blank=True)
    language = models.CharField(max_length=8, blank=True, help_text="Given or detected; empty: the tenant's.")
    metadata = models.JSONField(default=dict, blank=True)
    access = models.JSONField(null=True, blank=True, help_text="Access groups. Empty: everyone; []: nobody.")
    published_at = models.DateTimeField(null=True, blank=True)
    visible_from = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    revision = models.PositiveBigIntegerField(default=1, editable=False)
    last_edition = models.PositiveIntegerField(default=0, editable=False)
    hides_unacknowledged = models.BooleanField(default=False, editable=False)
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "public_id"], name="one_document_per_tenant_and_public_id"
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["tenant"],
                condition=Q(hides_unacknowledged=True),
                name="document_hides_unacknowledged",
            ),
            models.Index(fields=["tenant", "state"], name="document_tenant_state"),
            models.Index(fields=["tenant", "source_key"], name="document_tenant_source"),
        ]

    def __str__(self) -> str:
        return self.title or self.public_id


class Edition(models.Model):
    """One immutable set of chunks of a Document in one index.

    The row is committed before its chunks are written, so that every chunk id ever written is known:
    `document:number:ordinal` for the ordinals under `chunk_count`.
    """

    class State(models.TextChoices):
        WRITING = "writing"
        LIVE = "live"
        RETIRED = "retired"  # no longer live; its chunks are still to be removed

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="editions")
    index = models.ForeignKey(SearchIndex, on_delete=models.CASCADE, related_name="editions")
    number = models.PositiveIntegerField()
    revision = models.PositiveBigIntegerField(
        help_text="The document's revision whose state the chunks carry."
    )
    content_hash = models.CharField(
        max_length=64, help_text="Of everything that the chunks' text is made from."
    )
    chunk_count = models.PositiveIntegerField(default=0)
    state = models.CharField(max_length=16, choices=State, default=State.WRITING)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["document", "number"], name="one_edition_per_document_and_number"
            ),
            models.UniqueConstraint(
                fields=["document", "index"],
                condition=Q(state="live"),
                name="one_live_edition_per_document_and_index",
            ),
        ]
        indexes: ClassVar = [
            # The document last: a page's documents are looked up among all that are live in an index.
            models.Index(fields=["index", "state", "document"], name="edition_index_state_document"),
            models.Index(fields=["document"], condition=Q(state="retired"), name="edition_retired"),
        ]

    def __str__(self) -> str:
        return f"{self.document_id}:{self.number}"
