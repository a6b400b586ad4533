"""What language models cost: one row a day, tenant, key and model, added up from the ledger in Redis."""

from typing import ClassVar

from django.db import models

from search.models.tenants import ApiKey, Tenant


class Spending(models.Model):
    """The calls of one day (UTC), tenant, key and model. `api_key` is None for readers of the page.

    `cost_micros` is in millionths of the currency that the prices are in, at the prices of the day.
    """

    day = models.DateField()
    tenant = models.ForeignKey(Tenant, on_delete=models.CASCADE, related_name="spending")
    api_key = models.ForeignKey(
        ApiKey, null=True, on_delete=models.SET_NULL, related_name="spending", verbose_name="API key"
    )
    model = models.CharField(max_length=200)
    calls = models.PositiveIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    cost_micros = models.PositiveBigIntegerField(default=0)

    class Meta:
        verbose_name_plural = "spending"
        ordering: ClassVar = ["-day", "tenant", "model"]
        constraints: ClassVar = [
            models.UniqueConstraint(
                fields=["tenant", "day", "model", "api_key"], name="one_spending_per_day_tenant_model_and_key"
            )
        ]

    def __str__(self) -> str:
        return f"{self.tenant} {self.day} {self.model}"


class LedgerCursor(models.Model):
    """Up to which entry of the ledger in Redis the rows have been added up. One row, locked while it moves."""

    entry = models.CharField(max_length=40, default="0-0")

    def __str__(self) -> str:
        return self.entry
