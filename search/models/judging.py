"""Query sets and graded judgements: what the relevance lab measures against."""

from typing import ClassVar

from django.core.validators import MaxValueValidator
from django.db import models

from search.models.tenants import Tenant

HIGHEST_GRADE = 4


class QuerySet(models.Model):
    """Questions of one tenant that are asked and judged together."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="query_sets")
    name = models.CharField(max_length=200)
    description = models.TextField(blank=True)
    groups = models.JSONField(
        default=list, blank=True, help_text="Access groups that its queries are asked with."
    )
    runs_nightly = models.BooleanField(
        default=False, help_text="Ask it each night, and raise an alarm when it got worse."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "query set"
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "name"], name="one_query_set_per_tenant_and_name")
        ]

    def __str__(self) -> str:
        return self.name


class JudgedQuery(models.Model):
    """One question of a set, asked under its own filters."""

    query_set = models.ForeignKey(QuerySet, on_delete=models.CASCADE, related_name="queries")
    public_id = models.CharField(max_length=200)
    text = models.TextField()
    filters = models.JSONField(null=True, blank=True, help_text="As the API takes them.")
    language = models.CharField(max_length=8, blank=True)
    is_unanswerable = models.BooleanField(
        default=False, help_text="No document answers it: to be refused, and left out of the measures."
    )

    class Meta:
        verbose_name = "query"
        verbose_name_plural = "queries"
        ordering: ClassVar = ["pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["query_set", "public_id"], name="one_query_per_set_and_public_id")
        ]

    def __str__(self) -> str:
        return self.text


class Judgement(models.Model):
    """How well a document answers a query: 0 not at all, 4 perfectly.

    The document is named by its public id: documents may go and come back.
    """

    class Origin(models.TextChoices):
        MANUAL = "manual"
        IMPORT = "import"
        FEEDBACK = "feedback"
        CLICK = "click"

    query = models.ForeignKey(JudgedQuery, on_delete=models.CASCADE, related_name="judgements")
    document = models.CharField(max_length=512)
    grade = models.PositiveSmallIntegerField(validators=[MaxValueValidator(HIGHEST_GRADE)])
    origin = models.CharField(max_length=16, choices=Origin, default=Origin.MANUAL)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["query", "document"], name="one_judgement_per_query_and_document"
            ),
            models.CheckConstraint(
                condition=models.Q(grade__lte=HIGHEST_GRADE), name="judgement_grade_0_to_4"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.document}: {self.grade}"
