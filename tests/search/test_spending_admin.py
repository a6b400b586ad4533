"""The admin's page of spending, and the budgets of tenants and keys."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from search import ledger
from search.authentication import create_key
from search.ledger import Spent
from search.models import ApiKey, Membership, Spending, Tenant, User

pytestmark = pytest.mark.usefixtures("redis", "transactional_db")
TODAY = datetime.now(UTC).date()


@pytest.fixture
def admin_client(db: None) -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root", password="x"))
    return client


def spend(tenant: Tenant, *, day: date = TODAY, model: str = "mini", **fields: Any) -> Spending:
    figures = {"calls": 2, "prompt_tokens": 1500, "completion_tokens": 200, "cost_micros": 1_230_000}
    return Spending.objects.create(tenant=tenant, day=day, model=model, **figures | fields)


def page(client: Client, **params: str) -> str:
    response = client.get(reverse("spending"), params)
    assert response.status_code == 200
    return response.content.decode()


def test_a_month_is_shown_by_model_tenant_key_and_day(admin_client: Client, tenant: Tenant) -> None:
    key = create_key(tenant, name="chatbot", scopes=["ask"], groups=[]).row
    spend(tenant, api_key=key)
    spend(tenant, model="large")
    told = page(admin_client)
    for shown in ("mini", "large", "Acme · chatbot", "Acme · readers of the page", str(TODAY.year), "2.46"):
        assert shown in told
    assert "3,000" in told or "3000" in told


def test_another_month_and_one_tenant_may_be_chosen(admin_client: Client, tenant: Tenant) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    spend(tenant, day=date(2025, 3, 4), model="old-one")
    spend(other, model="new-one")
    assert "old-one" not in page(admin_client)
    assert "old-one" in page(admin_client, month="2025-03")
    assert "new-one" in page(admin_client)
    assert "new-one" not in page(admin_client, tenant="acme")
    assert "new-one" in page(admin_client, month="nonsense", tenant="nonsense")


def test_budgets_are_shown_with_what_is_spent_or_that_it_is_not_known(
    admin_client: Client, tenant: Tenant, settings: Any
) -> None:
    Tenant.objects.update(monthly_token_budget=1000, monthly_cost_budget=Decimal("2.50"))
    create_key(tenant, name="app", scopes=["ask"], groups=[], budgets={"monthly_token_budget": 400})
    key = ApiKey.objects.get()
    spent = Spent(TODAY, tenant.pk, key.pk, "mini", 280, 20, 500_000)
    ledger.settle([], spent, spent)
    told = page(admin_client)
    assert all(shown in told for shown in ("30 %", "20 %", "75 %", "Acme · app"))
    settings.REDIS_URL = ""
    assert page(admin_client).count("the ledger does not answer") == 3


def test_a_manager_sees_the_spending_of_their_tenants_alone(tenant: Tenant) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    spend(tenant, model="mine")
    spend(other, model="theirs")
    Tenant.objects.update(monthly_token_budget=1000)
    manager = User.objects.create_user("mia", password="x", is_staff=True)
    Membership.objects.create(user=manager, tenant=tenant, role=Membership.Role.MANAGER)
    client = Client()
    client.force_login(manager)
    for told in (page(client), page(client, tenant="other")):
        assert "mine" in told
        assert "theirs" not in told
        assert "Other" not in told


def test_nobody_else_sees_it(client: Client) -> None:
    assert client.get(reverse("spending")).status_code == 302


def test_budgets_are_set_with_a_key_and_a_tenant(admin_client: Client, tenant: Tenant) -> None:
    fields = {"tenant": tenant.pk, "name": "app", "scopes": ["ask"], "groups": ""}
    budget = {"monthly_token_budget": "5000", "monthly_cost_budget": "1.25"}
    response = admin_client.post(
        reverse("admin:search_apikey_add"), fields | budget | {"expires_at_0": "", "expires_at_1": ""}
    )
    assert response.status_code == 302
    key = ApiKey.objects.get()
    assert (key.monthly_token_budget, key.monthly_cost_budget) == (5000, Decimal("1.25"))
    url = reverse("admin:search_tenant_change", args=[tenant.pk])
    data = {"name": "Acme", "slug": "acme", "language": "en", "monthly_cost_budget": "-1"}
    assert "greater than or equal to 0" in admin_client.post(url, data).content.decode()
    assert admin_client.post(url, data | {"monthly_cost_budget": "9.50"}).status_code == 302
    tenant.refresh_from_db()
    assert tenant.monthly_cost_budget == Decimal("9.50")
