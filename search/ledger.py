"""The ledger of calls to language models, in the queue's Redis, which forgets nothing: counters of the month, by which
budgets are held before a call, and a stream of what was spent, from which the database's rows are added up.

A query never writes to the database. A counter that is lost begins again with what the database and the stream have.
"""

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from functools import lru_cache
from typing import Any, TypeVar, cast

import orjson
import redis
from django.conf import settings
from django.db import connections, transaction
from django.db.models import F, Sum

from search.exceptions import BudgetExhausted, BudgetUnavailable
from search.models import ApiKey, LedgerCursor, Spending, Tenant
from search.redis_connection import connect

T = TypeVar("T")
Entry = tuple[str, "Spent"]
_STREAM = "ragsite:spending"
_KEPT_SECONDS = 40 * 86400  # a counter outlives its month
_ENTRIES_AT_ONCE = 500
_ATTEMPTS = 5
# Adds to all counters or to none: -N when counter N is not there, N when its limit would be passed.
_RESERVE = """
for i, key in ipairs(KEYS) do
  local spent = redis.call('GET', key)
  if not spent then return -i end
  if tonumber(spent) + tonumber(ARGV[2 * i - 1]) > tonumber(ARGV[2 * i]) then return i end
end
for i, key in ipairs(KEYS) do redis.call('INCRBY', key, ARGV[2 * i - 1]) end
return 0
"""
# The entry, if any, and the counters' corrections. A counter that is gone stays so: it will begin with the entry.
_SETTLE = """
if ARGV[1] ~= '' then redis.call('XADD', KEYS[1], '*', 'spent', ARGV[1]) end
for i = 2, #KEYS do
  if redis.call('EXISTS', KEYS[i]) == 1 then redis.call('INCRBY', KEYS[i], ARGV[i]) end
end
"""


@dataclass(frozen=True, slots=True)
class Budget:
    """A bound of a tenant's or a key's month: tokens, or their cost in millionths. `kind` is tenant or key."""

    kind: str
    pk: int
    unit: str
    limit: int
    month: date

    @property
    def counter(self) -> str:
        return f"ragsite:spent:{self.kind}:{self.pk}:{self.unit}:{self.month:%Y-%m}"

    def counts(self, spent: "Spent") -> bool:
        pk = spent.tenant_id if self.kind == "tenant" else spent.key_id
        return pk == self.pk and spent.day.replace(day=1) == self.month


@dataclass(frozen=True, slots=True)
class Spent:
    """A call's tokens and cost."""

    day: date
    tenant_id: int
    key_id: int | None
    model: str
    prompt_tokens: int
    completion_tokens: int
    cost_micros: int

    def amount(self, unit: str) -> int:
        return self.cost_micros if unit == "cost" else self.prompt_tokens + self.completion_tokens


def reserve(budgets: Sequence[Budget], estimate: Spent) -> None:
    """Counts a call before it is made. Raises BudgetExhausted, BudgetUnavailable; nothing is counted then."""
    arguments = [part for budget in budgets for part in (estimate.amount(budget.unit), budget.limit)]
    keys = [budget.counter for budget in budgets]
    for _ in range(len(budgets) + 1):
        outcome = int(_asked(lambda client: client.eval(_RESERVE, len(keys), *keys, *arguments)))
        if outcome == 0:
            return
        budget = budgets[abs(outcome) - 1]
        if outcome > 0:
            raise BudgetExhausted(f"This month's budget of the {budget.kind}, in {budget.unit}, is used up.")
        _begin(budget)
    raise BudgetUnavailable("The budget's counters do not stay.")


def settle(budgets: Sequence[Budget], estimate: Spent, spent: Spent | None) -> None:
    """Puts what a call took in the place of its estimate; None: nothing. Raises BudgetUnavailable."""
    entry = b"" if spent is None else orjson.dumps(spent)
    corrections = [
        (spent.amount(budget.unit) if spent else 0) - estimate.amount(budget.unit) for budget in budgets
    ]
    keys = [_STREAM, *(budget.counter for budget in budgets)]
    _asked(lambda client: client.eval(_SETTLE, len(keys), *keys, entry, *corrections))


def spent_of(budget: Budget) -> int:
    """What is counted of a month, calls in flight included. Raises BudgetUnavailable."""
    counted = _asked(lambda client: client.get(budget.counter))
    return _recorded(budget, _unflushed(_client())) if counted is None else int(counted)


def flush() -> int:
    """Adds what was spent up to the database's rows, each entry once. Returns how many entries were taken."""
    entries = _asked(lambda client: _entries(client, count=_ENTRIES_AT_ONCE))
    if not entries:
        return 0
    with transaction.atomic():
        cursor, _ = LedgerCursor.objects.select_for_update().get_or_create(pk=1)
        _add_up([spent for entry_id, spent in entries if _place(entry_id) > _place(cursor.entry)])
        cursor.entry = max(entries[-1][0], cursor.entry, key=_place)
        cursor.save()
    _asked(lambda client: client.xdel(_STREAM, *(entry_id for entry_id, _ in entries)))
    return len(entries)


def _add_up(fresh: Sequence[Spent]) -> None:
    tenants = set(
        Tenant.objects.filter(pk__in={spent.tenant_id for spent in fresh}).values_list("pk", flat=True)
    )
    keys = set(ApiKey.objects.filter(pk__in={spent.key_id for spent in fresh}).values_list("pk", flat=True))
    groups: dict[tuple[Any, ...], list[Spent]] = defaultdict(list)
    for spent in fresh:
        if spent.tenant_id in tenants:  # else it was deleted meanwhile, and its rows with it
            key = spent.key_id if spent.key_id in keys else None
            groups[spent.day, spent.tenant_id, key, spent.model].append(spent)
    for (day, tenant_id, key_id, model), calls in groups.items():
        row, _ = Spending.objects.get_or_create(day=day, tenant_id=tenant_id, api_key_id=key_id, model=model)
        Spending.objects.filter(pk=row.pk).update(
            calls=F("calls") + len(calls),
            prompt_tokens=F("prompt_tokens") + sum(spent.prompt_tokens for spent in calls),
            completion_tokens=F("completion_tokens") + sum(spent.completion_tokens for spent in calls),
            cost_micros=F("cost_micros") + sum(spent.cost_micros for spent in calls),
        )


def _begin(budget: Budget) -> None:
    """A counter from what is recorded, unless the stream moves meanwhile. Raises BudgetUnavailable."""
    try:
        for _ in range(_ATTEMPTS):
            if _begun(budget):
                return
    finally:
        connections.close_all()  # the thread is one of the event loop's, which keeps no connection
    raise BudgetUnavailable("The ledger does not come to rest.")


def _begun(budget: Budget) -> bool:
    with _client().pipeline() as pipe:
        try:
            pipe.watch(_STREAM)  # type: ignore[no-untyped-call]
            spent = _recorded(budget, _unflushed(pipe))
            pipe.multi()
            pipe.set(budget.counter, spent, nx=True, ex=_KEPT_SECONDS)
            pipe.execute()
        except redis.WatchError:
            return False
        except redis.RedisError as error:
            raise BudgetUnavailable("The ledger does not answer.") from error
    return True


def _unflushed(client: Any) -> list[Spent]:
    """What the stream has beyond the rows. The cursor is read first: what moves then counts twice, not never."""
    cursor = LedgerCursor.objects.values_list("entry", flat=True).first() or "0-0"
    entries = _entries(client, count=None)
    return [spent for entry_id, spent in entries if _place(entry_id) > _place(cursor)]


def _recorded(budget: Budget, unflushed: Sequence[Spent]) -> int:
    owner = {"tenant_id": budget.pk} if budget.kind == "tenant" else {"api_key_id": budget.pk}
    rows = Spending.objects.filter(
        **owner, day__year=budget.month.year, day__month=budget.month.month
    ).aggregate(cost=Sum("cost_micros"), prompt=Sum("prompt_tokens"), completion=Sum("completion_tokens"))
    tokens = (rows["prompt"] or 0) + (rows["completion"] or 0)
    recorded = (rows["cost"] or 0) if budget.unit == "cost" else tokens
    return recorded + sum(spent.amount(budget.unit) for spent in unflushed if budget.counts(spent))


def _entries(client: Any, *, count: int | None) -> list[Entry]:
    return [
        (entry_id.decode(), _read(fields[b"spent"]))
        for entry_id, fields in cast(list[Any], client.xrange(_STREAM, count=count))
    ]


def _read(raw: bytes) -> Spent:
    fields = orjson.loads(raw)
    return Spent(**fields | {"day": date.fromisoformat(fields["day"])})


def _place(entry_id: str) -> tuple[int, int]:
    """An entry's place in the stream, which its id says in two numbers."""
    milliseconds, _, number = entry_id.partition("-")
    return int(milliseconds), int(number)


def _asked(ask: Callable[["redis.Redis"], T]) -> T:
    try:
        return ask(_client())
    except redis.RedisError as error:
        raise BudgetUnavailable("The ledger does not answer.") from error


def _client() -> "redis.Redis":
    if not settings.REDIS_URL:
        raise BudgetUnavailable("No ledger is configured: set REDIS_URL.")
    return _connect(settings.REDIS_URL)


@lru_cache(maxsize=4)
def _connect(url: str) -> "redis.Redis":
    return connect(url, timeout_seconds=settings.SEARCH_CACHE_TIMEOUT_SECONDS)
