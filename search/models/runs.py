"""Evaluation runs: a query set asked with given settings, and what was found."""

from typing import ClassVar

from django.db import models

from search.models.judging import JudgedQuery, QuerySet


class EvaluationRun(models.Model):
    """A query set asked with given retrieval settings, of which it keeps a copy: a profile may change.

    The rows are the truth of how far it got. `measures` are means over the queries that have a relevant document.
    """

    class Mode(models.TextChoices):
        LEXICAL = "lexical"
        VECTOR = "vector"
        HYBRID = "hybrid"
        RERANK = "rerank"

    class State(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    query_set = models.ForeignKey(QuerySet, on_delete=models.CASCADE, related_name="runs")
    mode = models.CharField(max_length=16, choices=Mode, default=Mode.HYBRID)
    profile_name = models.CharField(max_length=50)
    profile_version = models.PositiveIntegerField(default=1)
    settings = models.JSONField(help_text="The retrieval settings that it asks with.")
    index = models.CharField(max_length=255, help_text="The physical index that was asked.")
    content_version = models.BigIntegerField(default=0)
    variant = models.CharField(max_length=200, help_text="The embedder's variant.")
    reranker = models.CharField(max_length=200, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=1000, blank=True)
    query_count = models.PositiveIntegerField(default=0)
    measures = models.JSONField(default=dict)
    is_nightly = models.BooleanField(default=False)
    is_accepted = models.BooleanField(
        default=False, help_text="Later nightly runs are compared with the newest accepted one."
    )
    is_regression = models.BooleanField(
        default=False, help_text="It is significantly worse than the accepted run."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [models.Index(fields=["query_set", "state"], name="evaluation_run_set_state")]

    def __str__(self) -> str:
        return f"{self.query_set}: {self.profile_name} v{self.profile_version}, {self.mode} ({self.pk})"

    @property
    def is_open(self) -> bool:
        return self.state in (self.State.PENDING, self.State.RUNNING)


class RunRow(models.Model):
    """What one query of a run found: public ids, best first, at most 100, and this ranking's measures."""

    run = models.ForeignKey(EvaluationRun, on_delete=models.CASCADE, related_name="rows")
    query = models.ForeignKey(JudgedQuery, on_delete=models.CASCADE, related_name="+")
    ranking = models.JSONField()
    measures = models.JSONField(default=dict)
    milliseconds = models.FloatField()
    degraded = models.JSONField(default=list)

    class Meta:
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["run", "query"], name="one_row_per_run_and_query")
        ]

    def __str__(self) -> str:
        return f"{self.run_id}: {self.query_id}"
