"""Rerankers that were trained from a tenant's judgements."""

from typing import ClassVar

from django.db import models

from search.models.judging import QuerySet
from search.models.tenants import Tenant


class TrainedReranker(models.Model):
    """One version of a learned ranking: it never changes, and a profile names it as NAME@VERSION.

    `before` and `after` are nDCG@10 of held-out queries, without and with it; `folds` the same, fold by fold.
    """

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="rerankers")
    name = models.SlugField(default="own")
    version = models.PositiveIntegerField(default=1, editable=False)
    query_set = models.ForeignKey(QuerySet, null=True, on_delete=models.SET_NULL, related_name="rerankers")
    features = models.JSONField(help_text="Their names, in the order that the model has them.")
    model = models.JSONField()
    query_count = models.PositiveIntegerField(help_text="Judged queries that it was trained on.")
    before = models.FloatField()
    after = models.FloatField()
    p = models.FloatField(help_text="How likely chance alone would show such a difference.")
    folds = models.JSONField(default=list)
    importances = models.JSONField(
        default=list, help_text="[feature, nDCG@10 that is lost when it is shuffled], most telling first."
    )
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name = "trained reranker"
        ordering: ClassVar = ["tenant", "name", "-version"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "name", "version"], name="one_reranker_per_tenant_name_and_version"
            )
        ]

    def __str__(self) -> str:
        return f"{self.name}@{self.version}"

    @property
    def gain(self) -> float:
        return self.after - self.before
