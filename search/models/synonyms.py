"""Synonyms of a tenant, by language."""

from typing import ClassVar

from django.db import models

from search.models.tenants import Tenant


class SynonymSet(models.Model):
    """Lines of synonyms for one language, or for all: see `search.synonyms` for what a line says."""

    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="synonym_sets")
    language = models.CharField(max_length=8, blank=True, help_text="Empty: for documents of every language.")
    rules = models.TextField()
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        ordering: ClassVar = ["tenant", "language"]
        constraints: ClassVar = [
            models.UniqueConstraint(fields=["tenant", "language"], name="one_synonym_set_per_tenant_language")
        ]

    def __str__(self) -> str:
        return f"Synonyms ({self.language or 'all languages'})"
