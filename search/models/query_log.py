"""What was asked and what was answered, for tenants that keep queries."""

from typing import ClassVar

from django.db import models

from search.models.tenants import ApiKey, Tenant


class QueryLog(models.Model):
    """One request and what its response was made with; a rating names the same `request_id`.

    `hits` and `citations` are `{"document": public id, "chunk": id}`; a chunk's id holds its edition.
    """

    class Kind(models.TextChoices):
        SEARCH = "search"
        ASK = "ask"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="query_log")
    api_key = models.ForeignKey(
        ApiKey,
        null=True,
        on_delete=models.SET_NULL,
        help_text="Empty: a reader of the page.",
        related_name="+",
    )
    request_id = models.UUIDField()
    kind = models.CharField(max_length=8, choices=Kind)
    query = models.TextField()
    standalone_question = models.TextField(blank=True, help_text="The question made whole, after others.")
    answer = models.TextField(blank=True)
    refused = models.BooleanField(default=False)
    cache = models.CharField(max_length=16)
    generator = models.CharField(max_length=200, blank=True)
    profile = models.CharField(
        max_length=200, blank=True, help_text="NAME@VERSION; @0: the platform's settings."
    )
    prompt = models.CharField(max_length=32, blank=True, help_text="The version of the prompt.")
    embedder = models.CharField(max_length=200, blank=True)
    hits = models.JSONField(default=list)
    citations = models.JSONField(default=list)
    degraded = models.JSONField(default=list)
    asked_at = models.DateTimeField()

    class Meta:
        verbose_name = "logged query"
        verbose_name_plural = "query log"
        ordering: ClassVar = ["-asked_at"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "request_id"], name="a_request_is_logged_once")
        ]
        indexes: ClassVar = [models.Index(fields=["tenant", "-asked_at"], name="query_log_newest")]

    def __str__(self) -> str:
        return self.query[:80]
