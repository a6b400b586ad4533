"""Expectations: what a content manager says must stay true of a tenant's content."""

from typing import ClassVar

from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models

from search.models.documents import Document
from search.models.tenants import Tenant


class Expectation(models.Model):
    """One question and what its results or its answer must show, with how asking it went last.

    `marks` is the state of the tenant that it was last asked in: it is due again as soon as that differs. `witnesses`
    are the documents (primary keys) that bore it out when it was last green; of one that is to be refused and is not,
    those that answer it. `prompt` is a digest of what the last green answer was made from.
    """

    class Kind(models.TextChoices):
        FINDS = "finds", "finds the document"
        CITES = "cites", "is answered from the document"
        CONTAINS = "contains", "is answered with these words"
        REFUSED = "refused", "is not answered"

    class State(models.TextChoices):
        UNTRIED = "untried"
        GREEN = "green"
        RED = "red"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="expectations")
    question = models.CharField(max_length=1000, help_text="As a reader would type it.")
    kind = models.CharField("must hold: it", max_length=16, choices=Kind, default=Kind.FINDS)
    document = models.ForeignKey(
        Document,
        null=True,
        blank=True,
        on_delete=models.CASCADE,
        related_name="+",
        help_text="That is to be found, or answered from.",
    )
    within = models.PositiveSmallIntegerField(
        "among the first",
        default=10,
        validators=[MinValueValidator(1), MaxValueValidator(100)],
        help_text="Results in which the document is to be found.",
    )
    text = models.CharField(
        max_length=500,
        blank=True,
        help_text="What the answer must contain, as “30 days”. Case, accents and punctuation do not count.",
    )
    groups = models.JSONField(default=list, blank=True, help_text="Access groups of whoever asks.")
    profile = models.SlugField(blank=True, help_text="Empty: what holds for requests that name none.")
    is_enabled = models.BooleanField("is asked", default=True)
    state = models.CharField(max_length=16, choices=State, default=State.UNTRIED, editable=False)
    stage = models.CharField(max_length=32, blank=True, editable=False)
    found = models.TextField(blank=True, editable=False, help_text="What there was instead, when it is red.")
    witnesses = models.JSONField(default=list, editable=False)
    prompt = models.CharField(max_length=64, blank=True, editable=False)
    marks = models.CharField(max_length=120, blank=True, editable=False)
    asked_at = models.DateTimeField(null=True, editable=False)
    green_at = models.DateTimeField(null=True, editable=False)
    red_since = models.DateTimeField(null=True, editable=False)
    changed_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["pk"]
        indexes: ClassVar = [models.Index(fields=["tenant", "is_enabled", "marks"], name="expectation_due")]

    def __str__(self) -> str:
        return self.question
