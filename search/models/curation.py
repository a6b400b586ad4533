"""Curation rules: what a content manager pins, hides or redirects for a query.

Only published rules count, and a published rule never changes: it is edited in a draft that replaces it.
"""

from typing import ClassVar

from django.db import models

from search.models.documents import Document
from search.models.tenants import Tenant


class CurationRule(models.Model):
    """For these queries: the documents of the rule pinned or hidden, and perhaps a redirect.

    `vectors` holds a float32 row for each query of a rule by nearness, as the embedder `variant` gave them.
    """

    class Match(models.TextChoices):
        EXACT = "exact", "The whole query is one of these"
        CONTAINED = "contained", "The query holds one of these, as whole words"
        NEAR = "near", "The query is near one of these in meaning"

    class State(models.TextChoices):
        DRAFT = "draft"
        PUBLISHED = "published"

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="curation_rules")
    match = models.CharField("applies when", max_length=16, choices=Match, default=Match.EXACT)
    queries = models.JSONField(default=list)
    least_cosine = models.FloatField(
        "how near",
        default=0.8,
        help_text="Cosine from which a query is near: 1 is the same meaning. Only for nearness.",
    )
    vectors = models.BinaryField(null=True, editable=False)
    variant = models.CharField(max_length=200, blank=True, editable=False)
    priority = models.PositiveSmallIntegerField(
        default=100, help_text="Rules with a smaller number come first; for each document the first holds."
    )
    starts_at = models.DateTimeField("from", null=True, blank=True)
    ends_at = models.DateTimeField("until", null=True, blank=True)
    redirect_url = models.CharField(
        "leads to", max_length=2000, blank=True, help_text="An http(s) address, or a path on this site."
    )
    redirect_label = models.CharField("what the link says", max_length=200, blank=True)
    state = models.CharField(max_length=16, choices=State, default=State.DRAFT, editable=False)
    replaces = models.ForeignKey(
        "self", null=True, blank=True, editable=False, on_delete=models.SET_NULL, related_name="drafts"
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["tenant", "priority", "pk"]
        indexes: ClassVar = [models.Index(fields=["tenant", "state"], name="curation_rule_tenant_state")]

    def __str__(self) -> str:
        return ", ".join(self.queries[:3]) or "New rule"


class CuratedDocument(models.Model):
    """A document that a rule pins or hides: never both."""

    class Action(models.TextChoices):
        PIN = "pin"
        HIDE = "hide"

    rule = models.ForeignKey(CurationRule, on_delete=models.CASCADE, related_name="curated")
    document = models.ForeignKey(Document, on_delete=models.CASCADE, related_name="+")
    action = models.CharField(max_length=8, choices=Action)
    position = models.PositiveSmallIntegerField(default=0, help_text="Of pins: the smallest comes first.")

    class Meta:
        ordering: ClassVar = ["position", "pk"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["rule", "document"], name="a_rule_names_a_document_once")
        ]

    def __str__(self) -> str:
        return f"{self.action} {self.document}"
