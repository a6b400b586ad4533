"""Documents, their editions, and passages that are switched off."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from search.models.indexes import SearchIndex
from search.models.tenants import Tenant


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
            models.Index(
                fields=["tenant", "visible_from"],
                condition=Q(visible_from__isnull=False),
                name="document_visible_from",
            ),
            models.Index(
                fields=["tenant", "expires_at"],
                condition=Q(expires_at__isnull=False),
                name="document_expires_at",
            ),
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


class DisabledPassage(models.Model):
    """A passage of a document that a content manager switched off: by its text, so that later editions leave it out as
    well, as long as it says the same. `chunk_ids`: the chunks of live editions that have this text."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="disabled_passages")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="disabled_passages")
    text = models.TextField()
    chunk_ids = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return self.text[:80]
