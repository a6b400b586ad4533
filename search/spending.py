"""Who pays for a language model: every call is counted, and one that might pass a budget is not made.

Budgets fail closed: what can't be counted or priced is not asked. A call is counted by an estimate before it, and by
what the server says after it; one that its reader leaves, by what was written until then.
"""

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from decimal import Decimal

import structlog
from django.conf import settings

from search import ledger
from search.context import Prompt
from search.exceptions import BudgetUnavailable
from search.generation import EXTRACTIVE, Generator
from search.generation.openai import collected
from search.generations import Generation, Piece, Usage
from search.ledger import Budget, Spent
from search.metrics import TOKENS
from search.models import ApiKey, Tenant
from search.prepared import PreparedQuery
from search.types import Principal

MICROS = 1_000_000
_BYTES_PER_TOKEN = 3  # fewer than any tokenizer's average: an estimate is rather too high
_LIMITS = ("monthly_token_budget", "monthly_cost_budget")
_tenant_limits = PreparedQuery(lambda pk: Tenant.objects.filter(pk=pk).values_list(*_LIMITS))
_key_limits = PreparedQuery(lambda pk: ApiKey.objects.filter(pk=pk).values_list(*_LIMITS))
logger = structlog.get_logger(__name__)


def charged(generator: Generator, principal: Principal) -> Generator:
    """The same generator, at the principal's expense. Reads the budgets from the database."""
    if generator.name == EXTRACTIVE:
        return generator
    return ChargedGenerator(generator, principal, budgets_of(principal.tenant_id, principal.key_id))


def budgets_of(tenant_id: int, key_id: int | None) -> tuple[Budget, ...]:
    """The budgets of this month that a call has to keep."""
    owners = [("tenant", tenant_id, _tenant_limits)]
    owners += [] if key_id is None else [("key", key_id, _key_limits)]
    month = _today().replace(day=1)
    return tuple(
        budget
        for kind, pk, limits in owners
        for row in limits.rows(pk=pk)
        for budget in _budgets(kind, pk, row, month)
    )


def _budgets(kind: str, pk: int, row: tuple[int | None, Decimal | None], month: date) -> list[Budget]:
    tokens, cost = row
    found = [] if tokens is None else [Budget(kind, pk, "tokens", tokens, month)]
    return found if cost is None else [*found, Budget(kind, pk, "cost", int(cost * MICROS), month)]


@dataclass(frozen=True, slots=True)
class ChargedGenerator:
    """A generator whose calls are counted. Raises BudgetExhausted and BudgetUnavailable besides."""

    generator: Generator
    principal: Principal
    budgets: tuple[Budget, ...]

    @property
    def name(self) -> str:
        return self.generator.name

    @property
    def models(self) -> tuple[str, ...]:
        return self.generator.models

    @property
    def max_tokens(self) -> int:
        return self.generator.max_tokens

    def generate(self, prompt: Prompt) -> Generation:
        return collected(self.stream(prompt))

    async def stream(self, prompt: Prompt) -> AsyncGenerator[Piece, None]:
        estimate = self._estimate(prompt)
        if self.budgets:
            await asyncio.to_thread(ledger.reserve, self.budgets, estimate)
        total = Piece()
        try:
            async with aclosing(self.generator.stream(prompt)) as pieces:
                async for piece in pieces:
                    total = total.followed_by(piece)
                    yield piece
        finally:
            await asyncio.to_thread(self._settle, estimate, self._spent(estimate, total))

    def _estimate(self, prompt: Prompt) -> Spent:
        """The most that the call may take, by the dearest model that may answer it. Raises BudgetUnavailable."""
        written = sum(len(message.content.encode()) for message in prompt.messages)
        usage = Usage(written // _BYTES_PER_TOKEN + 1, self.max_tokens)
        costs = [cost_micros(model, usage) for model in self.models]
        if None in costs and any(budget.unit == "cost" for budget in self.budgets):
            raise BudgetUnavailable(f"SEARCH_MODEL_PRICES has no price of {', '.join(self.models)}.")
        return self._of(usage, self.name, max((cost or 0 for cost in costs), default=0))

    def _spent(self, estimate: Spent, total: Piece) -> Spent | None:
        """None when nothing was written and the server counted nothing."""
        usage = total.usage
        if usage is None and not total.text:
            return None
        if usage is None:
            usage = Usage(estimate.prompt_tokens, len(total.text.encode()) // _BYTES_PER_TOKEN + 1)
        model = total.model or self.name
        return replace(self._of(usage, model, cost_micros(model, usage) or 0), day=estimate.day)

    def _of(self, usage: Usage, model: str, cost: int) -> Spent:
        tenant, key = self.principal.tenant_id, self.principal.key_id
        return Spent(_today(), tenant, key, model, usage.prompt_tokens, usage.completion_tokens, cost)

    def _settle(self, estimate: Spent, spent: Spent | None) -> None:
        if spent is not None:
            TOKENS.labels("prompt").inc(spent.prompt_tokens)
            TOKENS.labels("completion").inc(spent.completion_tokens)
        try:
            ledger.settle(self.budgets, estimate, spent)
        except BudgetUnavailable:  # the estimate stays counted, where there is a budget
            logger.warning("spending_not_recorded", spent=None if spent is None else str(spent))


def cost_micros(model: str, usage: Usage) -> int | None:
    """Millionths of the currency; None for a model without a price. Prices are of a million tokens."""
    price: dict[str, float] | None = settings.SEARCH_MODEL_PRICES.get(model)
    if price is None:
        return None
    return round(usage.prompt_tokens * price["prompt"] + usage.completion_tokens * price["completion"])


def _today() -> date:
    return datetime.now(UTC).date()
