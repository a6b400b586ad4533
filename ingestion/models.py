"""The records of the write side: sources, what was found there, and the durable work still to do.

An IngestionTask row is the truth about work; an RQ job only runs some of it.
"""

import uuid
from typing import ClassVar

from django.db import models
from django.db.models import Q
from django.utils import timezone

from search.models import Document, Tenant


class Source(models.Model):
    """Where documents come from, with its connector's config and its schedule."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="sources")
    slug = models.SlugField(max_length=64, help_text="First part of its documents' ids.")
    name = models.CharField(max_length=200)
    kind = models.CharField(max_length=32)
    config = models.JSONField(default=dict, blank=True)
    chunk_tokens = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: the platform's default."
    )
    overlap_tokens = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: the platform's default."
    )
    sync_interval_minutes = models.PositiveIntegerField(
        null=True, blank=True, help_text="Empty: only on demand."
    )
    is_enabled = models.BooleanField(default=True)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering: ClassVar = ["tenant", "slug"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "slug"], name="one_source_per_tenant_and_slug")
        ]

    def __str__(self) -> str:
        return self.name


class SyncRun(models.Model):
    """One pass over a Source: progress, counts, and a lease as a task has one."""

    class State(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="sync_runs")
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    cancel_requested = models.BooleanField(default=False)
    attempts = models.PositiveIntegerField(default=0)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    seen = models.PositiveIntegerField(default=0)
    added = models.PositiveIntegerField(default=0)
    changed = models.PositiveIntegerField(default=0)
    renamed = models.PositiveIntegerField(default=0)
    unchanged = models.PositiveIntegerField(default=0)
    deleted = models.PositiveIntegerField(default=0)
    refused = models.PositiveIntegerField(default=0)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-id"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["source"],
                condition=Q(state__in=["pending", "running"]),
                name="one_open_sync_per_source",
            )
        ]

    def __str__(self) -> str:
        return f"{self.source} {self.created_at:%Y-%m-%d %H:%M}"


class SourceItem(models.Model):
    """One thing found at a Source: its version marks, and the Document made from it."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="items")
    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="+", null=True)
    external_id = models.CharField(max_length=1024)
    mtime_ns = models.BigIntegerField(default=0)
    size = models.BigIntegerField(default=0)
    content_hash = models.CharField(max_length=64, blank=True)
    fields_hash = models.CharField(
        max_length=64, blank=True, help_text="Of what the source says beside the content."
    )
    last_seen_run = models.ForeignKey(SyncRun, null=True, on_delete=models.SET_NULL, related_name="+")
    is_gone = models.BooleanField(default=False)
    reason = models.TextField(blank=True, help_text="Why it was refused, if it was.")

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["source", "external_id"], name="one_item_per_source_and_external_id"
            )
        ]
        indexes: ClassVar = [models.Index(fields=["source", "content_hash"], name="source_item_hash")]

    def __str__(self) -> str:
        return self.external_id


class Batch(models.Model):
    """The documents of one bulk request; its lines that were refused are kept with their numbers."""

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    is_received = models.BooleanField(default=False)
    line_errors = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return str(self.uuid)


class BatchEntry(models.Model):
    """A document that came with a Batch, and the task that its line opened or joined."""

    batch = models.ForeignKey(Batch, on_delete=models.CASCADE, related_name="entries")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    task = models.ForeignKey("IngestionTask", null=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        verbose_name_plural = "batch entries"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["batch", "document"], name="one_entry_per_batch_and_document")
        ]

    def __str__(self) -> str:
        return f"{self.document_id} of {self.batch_id}"


class IngestionTask(models.Model):
    """The durable record of work to do on a Document: the outbox. At most one is open for a document.

    It is for `revision` or later: a change accepted while it runs raises the document's revision, and the task
    finishes only for the revision that it read.
    """

    class State(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        DEAD = "dead"
        CANCELLED = "cancelled"

    OPEN: ClassVar = [State.PENDING, State.RUNNING]

    class Priority(models.IntegerChoices):
        DELETE = 0
        CHANGE = 1
        REBUILD = 2

    uuid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="tasks")
    priority = models.PositiveSmallIntegerField(choices=Priority, default=Priority.CHANGE)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    revision = models.PositiveBigIntegerField(default=0, help_text="The revision that it last read.")
    size = models.PositiveBigIntegerField(
        default=0, help_text="Bytes of the original, to cap what is claimed at once."
    )
    attempts = models.PositiveIntegerField(default=0)
    due_at = models.DateTimeField(default=timezone.now)
    lease_token = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    stage = models.CharField(max_length=32, blank=True)
    code = models.CharField(max_length=64, blank=True)
    reason = models.TextField(blank=True)
    chunks = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["document"],
                condition=Q(state__in=["pending", "running"]),
                name="one_open_task_per_document",
            )
        ]
        indexes: ClassVar = [
            models.Index(
                fields=["priority", "due_at"], condition=Q(state="pending"), name="task_pending_due"
            ),
            models.Index(fields=["leased_until"], condition=Q(state="running"), name="task_running_lease"),
            # In the order in which a tenant's tasks are claimed: else each claim sorts all that wait.
            models.Index(fields=["tenant", "state", "priority", "due_at"], name="task_tenant_state_due"),
        ]

    def __str__(self) -> str:
        return str(self.uuid)


class StoredOriginal(models.Model):
    """What a pushed document was made from: its text in the database (zstd), or its file in Django's storage."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="+")
    media_type = models.CharField(max_length=100)
    filename = models.CharField(max_length=512, blank=True)
    content_hash = models.CharField(max_length=64)
    data = models.BinaryField(null=True)
    file = models.FileField(upload_to="originals/%Y/%m/", max_length=512, blank=True)

    def __str__(self) -> str:
        return f"original of {self.document_id}"


class StoredElements(models.Model):
    """The parsed elements of a document's newest content (zstd JSON), so that a rebuild parses nothing."""

    document = models.OneToOneField(Document, on_delete=models.CASCADE, related_name="+")
    content_hash = models.CharField(max_length=64)
    data = models.BinaryField()

    class Meta:
        verbose_name_plural = "stored elements"

    def __str__(self) -> str:
        return f"elements of {self.document_id}"


class FormerContent(models.Model):
    """What a document was made from before its content changed: what was pushed, the parsed elements, or both."""

    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    content_hash = models.CharField(max_length=64)
    media_type = models.CharField(max_length=100, blank=True)
    filename = models.CharField(max_length=512, blank=True)
    data = models.BinaryField(null=True, help_text="What was pushed (zstd).")
    file = models.FileField(upload_to="originals/%Y/%m/", max_length=512, blank=True)
    elements = models.BinaryField(null=True, help_text="zstd JSON")
    size = models.PositiveBigIntegerField(help_text="Bytes that it takes.")
    replaced_at = models.DateTimeField(default=timezone.now)

    class Meta:
        verbose_name_plural = "former contents"
        indexes: ClassVar = [models.Index(fields=["replaced_at"], name="former_content_age")]

    def __str__(self) -> str:
        return f"former content of {self.document_id}"

    @property
    def was_pushed(self) -> bool:
        return self.data is not None or bool(self.file)


class StoredVector(models.Model):
    """A text's vector, so that the same text is never embedded twice in a tenant. Prunable."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    variant = models.CharField(max_length=200)
    text_hash = models.BinaryField(max_length=32)
    vector = models.BinaryField(help_text="float32, little-endian")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "variant", "text_hash"], name="one_vector_per_tenant_variant_and_text"
            )
        ]

    def __str__(self) -> str:
        return f"vector {self.pk}"


class ExpectationWatch(models.Model):
    """A tenant's expectations as work: who asks them now, and when they may be asked again at the earliest."""

    tenant = models.OneToOneField(Tenant, on_delete=models.CASCADE, related_name="expectation_watch")
    lease_token = models.UUIDField(null=True, editable=False)
    leased_until = models.DateTimeField(null=True, editable=False)
    due_at = models.DateTimeField(default=timezone.now)
    waiting_since = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When something was first to be asked while documents were taken in.",
    )
    reason = models.TextField(blank=True, help_text="Why some were put off the last time.")

    def __str__(self) -> str:
        return f"expectations of {self.tenant_id}"


class IdempotencyKey(models.Model):
    """A client's key for a write, kept 24 h with a hash of the body and the answer it got."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="+")
    key = models.CharField(max_length=255)
    body_hash = models.CharField(max_length=64)
    response = models.JSONField()
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "key"], name="one_idempotency_key_per_tenant")
        ]

    def __str__(self) -> str:
        return self.key
