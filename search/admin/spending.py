"""The admin's page "Spending": what language models took in a month, by day, tenant, key and model; and the budgets."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from django.contrib import admin
from django.db.models import Q, QuerySet, Sum
from django.db.models.functions import TruncMonth
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from search import ledger
from search.admin.lab_pages import chart
from search.exceptions import BudgetUnavailable
from search.ledger import Budget
from search.managing import managed_tenants
from search.models import ApiKey, Spending, Tenant
from search.spending import MICROS, budgets_of

_SUMS = {name: Sum(name) for name in ("calls", "prompt_tokens", "completion_tokens", "cost_micros")}
_NO_KEY = "readers of the page"
_MOST_BUDGETS = 200
_MOST_MONTHS = 24


@dataclass(frozen=True, slots=True)
class Line:
    """What one day, tenant, key or model took."""

    name: str
    calls: int
    prompt_tokens: int
    completion_tokens: int
    cost: float


@dataclass(frozen=True, slots=True)
class BudgetLine:
    """A budget of this month. `spent` is None while the ledger does not answer."""

    whose: str
    unit: str
    spent: float | None
    limit: float

    @property
    def percent(self) -> int:
        if self.spent is None:
            return 0
        return min(100, round(100 * self.spent / self.limit)) if self.limit else 100


def spending_page(request: HttpRequest) -> HttpResponse:
    tenants = managed_tenants(request.user)
    mine = Spending.objects.filter(tenant__in=tenants)
    months = _months(mine)
    month = next((one for one in months if f"{one:%Y-%m}" == request.GET.get("month")), months[0])
    tenant = tenants.filter(slug=request.GET.get("tenant", "")).first()
    rows = mine.filter(day__year=month.year, day__month=month.month)
    rows = rows.filter(tenant=tenant) if tenant else rows
    days = _lines(rows, "day")
    context = admin.site.each_context(request) | {
        "title": "Spending",
        "months": months,
        "month": month,
        "tenants": tenants,
        "tenant": tenant,
        "total": _total(rows),
        "tables": [
            ("By model", "Model", _lines(rows, "model")),
            ("By tenant", "Tenant", _lines(rows, "tenant__name")),
            ("By key", "Key", _lines(rows, "tenant__name", "api_key__name")),
            ("By day", "Day", days),
        ],
        "chart": _chart(days),
        "budgets": _budget_lines(tenants.filter(pk=tenant.pk) if tenant else tenants),
    }
    return render(request, "search/spending.html", context)


def _months(rows: "QuerySet[Spending]") -> list[date]:
    """This month and those before it that have something, the newest first."""
    found = rows.annotate(month=TruncMonth("day")).values_list("month", flat=True).distinct()
    this_month = datetime.now(UTC).date().replace(day=1)
    return sorted({this_month, *found}, reverse=True)[:_MOST_MONTHS]


def _lines(rows: "QuerySet[Spending]", *names: str) -> list[Line]:
    grouped = (
        rows.order_by(*names).values(*names).annotate(**{f"sum_{name}": sum_ for name, sum_ in _SUMS.items()})
    )
    return [_line(" · ".join(_named(row[name]) for name in names), row) for row in grouped]


def _named(value: Any) -> str:
    return _NO_KEY if value is None else str(value)


def _total(rows: "QuerySet[Spending]") -> Line:
    return _line("Together", rows.aggregate(**{f"sum_{name}": sum_ for name, sum_ in _SUMS.items()}))


def _line(name: str, row: dict[str, Any]) -> Line:
    calls, prompt, completion, cost = (row[f"sum_{part}"] or 0 for part in _SUMS)
    return Line(name, calls, prompt, completion, cost / MICROS)


def _chart(days: Sequence[Line]) -> str:
    """Tokens by day; nothing for fewer than two days."""
    if len(days) < 2:
        return ""
    tokens = [float(day.prompt_tokens + day.completion_tokens) for day in days]
    return chart([day.name for day in days], {"tokens": tokens})


def _budget_lines(tenants: "QuerySet[Tenant]") -> list[BudgetLine]:
    limited = Q(monthly_token_budget__isnull=False) | Q(monthly_cost_budget__isnull=False)
    owned = [(tenant.name, budgets_of(tenant.pk, None)) for tenant in tenants.filter(limited)[:_MOST_BUDGETS]]
    keys = ApiKey.objects.filter(limited, tenant__in=tenants, revoked_at=None).select_related("tenant")
    for key in keys[:_MOST_BUDGETS]:
        budgets = [budget for budget in budgets_of(key.tenant_id, key.pk) if budget.kind == "key"]
        owned.append((f"{key.tenant.name} · {key.name}", tuple(budgets)))
    return [_budget_line(whose, budget) for whose, budgets in owned for budget in budgets]


def _budget_line(whose: str, budget: Budget) -> BudgetLine:
    scale = MICROS if budget.unit == "cost" else 1
    try:
        spent: float | None = ledger.spent_of(budget) / scale
    except BudgetUnavailable:
        spent = None
    return BudgetLine(whose, budget.unit, spent, budget.limit / scale)
