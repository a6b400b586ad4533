"""The admin pages of the read side: keys, people, profiles, and what a manager may see of which tenant."""

import re
from typing import Any

import pytest
from django.contrib import admin
from django.contrib.messages import get_messages
from django.test import Client

from search.authentication import authenticate_key
from search.models import ApiKey, Membership, Profile, SearchIndex, Tenant, TrainedReranker, User

pytestmark = pytest.mark.django_db
SCOPED = [
    "apikey",
    "document",
    "membership",
    "metadatafield",
    "profile",
    "searchindex",
    "synonymset",
    "tenant",
]


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def other() -> Tenant:
    return Tenant.objects.create(slug="other", name="Otherworld")


@pytest.fixture
def manager(tenant: Tenant) -> User:
    user = User.objects.create_user("manager", is_staff=True)
    Membership.objects.create(user=user, tenant=tenant, role=Membership.Role.MANAGER)
    return user


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def add_key(client: Client, tenant: Tenant, **changes: Any) -> Any:
    data = {"tenant": tenant.pk, "name": "app", "scopes": ["search"], "groups": "hr\nboard", **changes}
    return client.post("/admin/search/apikey/add/", data)


def test_a_new_key_is_shown_once_and_only_its_hash_is_kept(boss: Client, tenant: Tenant) -> None:
    response = add_key(boss, tenant)
    [secret] = re.findall(r"rag_[\w-]{43}", said(response))
    principal = authenticate_key(f"Bearer {secret}")
    assert (principal.groups, principal.scopes) == (("hr", "board"), frozenset({"search"}))
    key = ApiKey.objects.get()
    assert secret not in str(ApiKey.objects.values().get())
    pages = [boss.get("/admin/search/apikey/"), boss.get(f"/admin/search/apikey/{key.pk}/change/")]
    boss.get("/admin/")  # the message is read here
    assert all(secret not in boss.get(page.request["PATH_INFO"]).content.decode() for page in pages)


def test_a_keys_tenant_and_secret_can_not_be_changed(boss: Client, tenant: Tenant, other: Tenant) -> None:
    add_key(boss, tenant)
    key = ApiKey.objects.get()
    data = {
        "tenant": other.pk,
        "key_hash": "x",
        "prefix": "x",
        "name": "renamed",
        "scopes": ["ask"],
        "groups": "",
    }
    boss.post(f"/admin/search/apikey/{key.pk}/change/", data)
    changed = ApiKey.objects.get()
    assert (changed.tenant, changed.key_hash, changed.prefix) == (tenant, key.key_hash, key.prefix)
    assert (changed.name, changed.scopes, changed.groups) == ("renamed", ["ask"], [])


def test_a_revoked_key_opens_nothing(boss: Client, tenant: Tenant) -> None:
    from rest_framework.exceptions import AuthenticationFailed

    [secret] = re.findall(r"rag_[\w-]{43}", said(add_key(boss, tenant)))
    data = {"action": "revoke", "_selected_action": [ApiKey.objects.get().pk]}
    boss.post("/admin/search/apikey/", data)
    with pytest.raises(AuthenticationFailed, match="revoked"):
        authenticate_key(f"Bearer {secret}")


def profile_form(tenant: Tenant, **changes: Any) -> dict[str, Any]:
    """What the form sends when nothing is changed, and the changes."""
    from search.profile_settings import DEFAULTS, SETTINGS

    defaults = {name: "" if DEFAULTS[name] is None else DEFAULTS[name] for name in SETTINGS}
    return {"tenant": tenant.pk, "name": "careful", **defaults, **changes}


def test_saving_a_profile_makes_its_next_version(boss: Client, tenant: Tenant) -> None:
    boss.post("/admin/search/profile/add/", profile_form(tenant, vector_weight="0.25"))
    first = Profile.objects.get()
    changed = profile_form(tenant, vector_weight="", fusion="rrf")
    boss.post(f"/admin/search/profile/{first.pk}/change/", changed)
    kept = Profile.objects.order_by("version").values_list("version", "settings")
    seen = [(version, saved["vector_weight"], saved["fusion"], saved["k"]) for version, saved in kept]
    assert seen == [(1, 0.25, "min_max", 200), (2, None, "rrf", 200)]


def test_the_form_of_a_profile_shows_each_setting_with_its_help(boss: Client, tenant: Tenant) -> None:
    from html import unescape

    from search.profile_settings import SETTINGS

    page = unescape(boss.get("/admin/search/profile/add/").content.decode())
    assert all(setting.help in page for setting in SETTINGS.values())


@pytest.mark.parametrize("change", [{"vector_weight": "1.5"}, {"k": "5"}, {"k": ""}, {"fusion": "best"}])
def test_a_setting_outside_its_bounds_is_refused(boss: Client, tenant: Tenant, change: Any) -> None:
    response = boss.post("/admin/search/profile/add/", profile_form(tenant, **change))
    assert next(iter(change)) in response.context["adminform"].form.errors
    assert not Profile.objects.exists()


def test_index_versions_are_only_read(boss: Client, tenant: Tenant) -> None:
    index = SearchIndex.objects.create(
        tenant=tenant, number=1, name="i", variant="v", dimension=1, chunking_version="1"
    )
    address = f"/admin/search/searchindex/{index.pk}/change/"
    assert boss.get(address).status_code == 200
    assert boss.post(address, {"name": "x"}).status_code == 403
    assert boss.get("/admin/search/searchindex/add/").status_code == 403


def test_a_trained_reranker_shows_its_gain_and_its_telling_features(boss: Client, tenant: Tenant) -> None:
    reranker = TrainedReranker.objects.create(
        tenant=tenant,
        features=["coverage"],
        model={},
        query_count=40,
        before=0.5,
        after=0.53,
        p=0.004,
        folds=[{"queries": 8, "before": 0.5, "after": 0.53}],
        importances=[["coverage", 0.0123]],
    )
    page = boss.get(f"/admin/search/trainedreranker/{reranker.pk}/change/").content.decode()
    assert "nDCG@10 0.500 → 0.530 (+0.030, not by chance: p 0.004)" in page
    assert all(shown in page for shown in ("coverage", "+0.0123", "0.530"))
    assert boss.get("/admin/search/trainedreranker/").status_code == 200
    assert boss.get("/admin/search/trainedreranker/add/").status_code == 403


def test_tenants_and_keys_are_never_deleted_as_rows(boss: Client, tenant: Tenant) -> None:
    add_key(boss, tenant)
    assert boss.post(f"/admin/search/tenant/{tenant.pk}/delete/", {"post": "yes"}).status_code == 403
    assert (
        boss.post(f"/admin/search/apikey/{ApiKey.objects.get().pk}/delete/", {"post": "yes"}).status_code
        == 403
    )


@pytest.mark.parametrize("name", SCOPED)
def test_every_list_and_form_opens(boss: Client, tenant: Tenant, name: str) -> None:
    assert boss.get(f"/admin/search/{name}/").status_code == 200
    assert boss.get(f"/admin/search/{name}/?q=x").status_code == 200
    assert boss.get(f"/admin/search/{name}/add/").status_code == (403 if name == "searchindex" else 200)


@pytest.mark.parametrize("name", SCOPED)
def test_a_manager_never_reads_another_tenants_name(
    client: Client, manager: User, tenant: Tenant, other: Tenant, name: str
) -> None:
    client.force_login(manager)
    for address in (f"/admin/search/{name}/", f"/admin/search/{name}/add/"):
        assert "Otherworld" not in client.get(address).content.decode()
    filtered = client.get(f"/admin/search/{name}/?tenant={other.pk}", follow=True)
    assert "Otherworld" not in filtered.content.decode()


def test_a_manager_can_not_open_or_fill_another_tenant(
    client: Client, manager: User, tenant: Tenant, other: Tenant
) -> None:
    foreign = Profile.objects.create(tenant=other, name="theirs")
    client.force_login(manager)
    assert client.get(f"/admin/search/profile/{foreign.pk}/change/").status_code == 302
    assert client.get(f"/admin/search/tenant/{other.pk}/change/").status_code == 302
    add_key(client, other)
    assert not ApiKey.objects.exists()
    add_key(client, tenant)
    assert ApiKey.objects.get().tenant == tenant


def test_a_manager_sees_no_users_and_makes_no_members(client: Client, manager: User, tenant: Tenant) -> None:
    client.force_login(manager)
    assert client.get("/admin/search/user/").status_code == 403
    assert client.get("/admin/search/membership/add/").status_code == 403
    autocomplete = {"app_label": "search", "model_name": "membership", "field_name": "user", "term": ""}
    assert client.get("/admin/autocomplete/", autocomplete).status_code == 403


def test_a_manager_changes_groups_but_not_whose_membership_it_is(
    client: Client, manager: User, tenant: Tenant, other: Tenant
) -> None:
    reader = User.objects.create_user("reader")
    row = Membership.objects.create(user=reader, tenant=tenant)
    client.force_login(manager)
    data = {"user": manager.pk, "tenant": other.pk, "role": "reader", "groups": "hr\n\n hr \nboard"}
    client.post(f"/admin/search/membership/{row.pk}/change/", data)
    row.refresh_from_db()
    assert (row.user, row.tenant, row.groups) == (reader, tenant, ["hr", "board"])


def test_staff_without_a_tenant_manages_nothing(client: Client, tenant: Tenant) -> None:
    user = User.objects.create_user("staff", is_staff=True)
    Membership.objects.create(user=user, tenant=tenant, role=Membership.Role.READER)
    client.force_login(user)
    assert "You manage no tenant yet" in client.get("/admin/").content.decode()
    assert all(client.get(f"/admin/search/{name}/").status_code == 403 for name in SCOPED)


def test_every_admin_page_of_ours_is_scoped_to_tenants() -> None:
    from search.managing import TenantScopedAdmin

    ours = [model for model in admin.site._registry if model._meta.app_label in ("search", "ingestion")]
    free = {
        model.__name__ for model in ours if not isinstance(admin.site._registry[model], TenantScopedAdmin)
    }
    assert free == {"User"}
