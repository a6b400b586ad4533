"""The ledger on a real Valkey: counters that hold a budget, entries that are added up once, counters begun again."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import date
from typing import Any

import pytest
import redis as client
from django.db import connections

from search import ledger
from search.authentication import create_key
from search.exceptions import BudgetExhausted, BudgetUnavailable
from search.ledger import Budget, Spent
from search.models import LedgerCursor, Spending, Tenant

pytestmark = pytest.mark.usefixtures("redis", "transactional_db")
DAY = date(2026, 11, 25)
MONTH = date(2026, 11, 1)


@pytest.fixture
def spent(tenant: Tenant) -> Spent:
    key = create_key(tenant, name="app", scopes=["ask"], groups=[]).row
    return Spent(DAY, tenant.pk, key.pk, "mini", 90, 10, 250)


def budget(spent: Spent, limit: int, *, unit: str = "tokens", kind: str = "tenant") -> Budget:
    pk = spent.tenant_id if kind == "tenant" else spent.key_id
    assert pk is not None
    return Budget(kind, pk, unit, limit, MONTH)


def test_a_call_that_would_pass_the_limit_is_refused_and_not_counted(spent: Spent) -> None:
    bound = budget(spent, 250)
    for _ in range(2):
        ledger.reserve([bound], spent)
    with pytest.raises(BudgetExhausted, match="tenant, in tokens"):
        ledger.reserve([bound], spent)
    assert ledger.spent_of(bound) == 200
    ledger.reserve([bound], replace(spent, prompt_tokens=40))
    assert ledger.spent_of(bound) == 250


def test_all_budgets_must_have_room_or_none_is_counted(spent: Spent) -> None:
    of_tenant = budget(spent, 1000)
    of_key = budget(spent, 500, unit="cost", kind="key")
    for _ in range(2):
        ledger.reserve([of_tenant, of_key], spent)
    with pytest.raises(BudgetExhausted, match="key, in cost"):
        ledger.reserve([of_tenant, of_key], spent)
    assert (ledger.spent_of(of_tenant), ledger.spent_of(of_key)) == (200, 500)


def test_what_a_call_took_takes_the_place_of_its_estimate(spent: Spent) -> None:
    bound = budget(spent, 1000)
    ledger.reserve([bound], replace(spent, completion_tokens=800))
    ledger.settle([bound], replace(spent, completion_tokens=800), spent)
    assert ledger.spent_of(bound) == 100
    ledger.reserve([bound], spent)
    ledger.settle([bound], spent, None)
    assert ledger.spent_of(bound) == 100
    assert ledger.flush() == 1


def test_entries_are_added_up_by_day_tenant_key_and_model_once(spent: Spent) -> None:
    for one in (spent, spent, replace(spent, model="large"), replace(spent, key_id=None)):
        ledger.settle([], one, one)
    assert ledger.flush() == 4
    assert ledger.flush() == 0
    rows = Spending.objects.order_by("model", "api_key_id").values_list("model", "api_key_id", "calls")
    assert sorted(rows, key=str) == sorted(
        [("large", spent.key_id, 1), ("mini", None, 1), ("mini", spent.key_id, 2)], key=str
    )
    row = Spending.objects.get(model="mini", api_key_id=spent.key_id)
    assert (row.day, row.prompt_tokens, row.completion_tokens, row.cost_micros) == (DAY, 180, 20, 500)


def test_an_entry_that_was_added_up_but_not_removed_is_not_added_again(
    spent: Spent, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger.settle([], spent, spent)

    class Dies(client.Redis):
        def xdel(self, *_: Any) -> Any:
            raise client.ConnectionError

    real = ledger._connect
    monkeypatch.setattr(ledger, "_connect", Dies.from_url)
    with pytest.raises(BudgetUnavailable):
        ledger.flush()
    monkeypatch.setattr(ledger, "_connect", real)
    ledger.settle([], spent, spent)
    assert ledger.flush() == 2
    assert Spending.objects.get().calls == 2


def test_what_a_deleted_tenant_spent_stops_nothing(spent: Spent) -> None:
    ledger.settle([], spent, replace(spent, tenant_id=10**9))
    ledger.settle([], spent, replace(spent, key_id=10**9))
    assert ledger.flush() == 2
    assert Spending.objects.get().api_key_id is None


@pytest.mark.parametrize("flushed", [True, False, None])
def test_a_counter_that_is_lost_begins_with_what_is_recorded(
    flushed: bool | None, spent: Spent, settings: Any
) -> None:
    """All of it in the database, all in the stream, or half in each."""
    bound = budget(spent, 10_000)
    ledger.reserve([bound], spent)
    ledger.settle([bound], spent, spent)
    if flushed is None:
        ledger.flush()
    ledger.reserve([bound], spent)
    ledger.settle([bound], spent, spent)
    if flushed:
        ledger.flush()
    last_month = replace(spent, day=date(2026, 10, 31))
    ledger.settle([], last_month, last_month)
    client.Redis.from_url(settings.REDIS_URL).delete(bound.counter)
    assert ledger.spent_of(bound) == 200
    ledger.reserve([bound], spent)
    assert ledger.spent_of(bound) == 300


def test_a_call_that_ends_without_its_counter_is_in_the_next_one(spent: Spent, settings: Any) -> None:
    bound = budget(spent, 10_000)
    ledger.reserve([bound], spent)
    client.Redis.from_url(settings.REDIS_URL).flushall()
    ledger.settle([bound], spent, spent)
    ledger.reserve([bound], spent)
    assert ledger.spent_of(bound) == 200


def test_many_at_once_never_pass_the_limit(spent: Spent) -> None:
    bound = budget(spent, 1050)

    def call(_: int) -> bool:
        try:
            ledger.reserve([bound], spent)
        except BudgetExhausted:
            return False
        finally:
            connections.close_all()
        return True

    with ThreadPoolExecutor(8) as threads:
        assert sum(threads.map(call, range(40))) == 10


def test_without_redis_nothing_is_reserved(spent: Spent, settings: Any) -> None:
    for url in ("", "redis://127.0.0.1:9/0"):
        settings.REDIS_URL = url
        with pytest.raises(BudgetUnavailable):
            ledger.reserve([budget(spent, 1000)], spent)
        with pytest.raises(BudgetUnavailable):
            ledger.flush()
    assert not LedgerCursor.objects.exists()
