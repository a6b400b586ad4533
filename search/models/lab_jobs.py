"""Long work of the relevance lab, done by workers."""

from typing import ClassVar

from django.db import models
from django.db.models import Q

from search.models.judging import QuerySet
from search.models.runs import EvaluationRun


class LabJob(models.Model):
    """Long work on a query set. The row is the truth: whoever holds its lease does the work, and carries on what
    another has left.
    """

    class Kind(models.TextChoices):
        RUN = "run"  # ask the set and measure; `run` says how
        OPTIMISE = "optimise"  # the best weights by held-out queries
        THRESHOLD = "threshold"  # from which score on there is an answer at all
        TRAIN = "train"  # a reranker; `parameters` has its name

    class State(models.TextChoices):
        PENDING = "pending"
        RUNNING = "running"
        DONE = "done"
        FAILED = "failed"
        CANCELLED = "cancelled"

    OPEN = (State.PENDING, State.RUNNING)

    query_set = models.ForeignKey(QuerySet, on_delete=models.CASCADE, related_name="jobs")
    kind = models.CharField(max_length=16, choices=Kind)
    run = models.ForeignKey(
        EvaluationRun, null=True, blank=True, on_delete=models.CASCADE, related_name="jobs"
    )
    parameters = models.JSONField(default=dict)
    work = models.BinaryField(
        default=b"", editable=False, help_text="What it has found so far, for whoever carries it on."
    )
    result = models.JSONField(default=dict)
    progress = models.FloatField(default=0.0, help_text="0 to 1.")
    state = models.CharField(max_length=16, choices=State, default=State.PENDING)
    reason = models.CharField(max_length=1000, blank=True)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease = models.UUIDField(null=True, blank=True, editable=False)
    leased_until = models.DateTimeField(null=True, blank=True, editable=False)
    due_at = models.DateTimeField(auto_now_add=True)
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        verbose_name = "lab job"
        ordering: ClassVar = ["-pk"]
        indexes: ClassVar = [
            models.Index(
                fields=["due_at"], condition=Q(state__in=("pending", "running")), name="lab_job_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} of {self.query_set}"
