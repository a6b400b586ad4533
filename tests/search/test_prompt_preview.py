"""The preview of a prompt in the admin: what a model would be sent, for whom, and whether it would be sent at all."""

import pytest
from django.test import Client

from search import promotion
from search.authentication import create_key
from search.models import Membership, Profile, Tenant, User
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")


@pytest.fixture
def version(tenant: Tenant) -> Profile:
    accept(tenant, "leave", "Parental leave lasts sixteen weeks.", title="Leave")
    accept(tenant, "board", "Parental leave of board members lasts 20 weeks.", access=["board"])
    ingest_all(tenant)
    return promotion.new_version(tenant, "default", {"instructions": "Say <we>, not they."}, note="tone")


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


def preview(client: Client, version: Profile, **asked: str) -> str:
    return client.get(f"/admin/search/profile/{version.pk}/prompt/", asked).content.decode()


def test_the_prompt_is_shown_with_the_profiles_instructions_as_text(boss: Client, version: Profile) -> None:
    shown = preview(boss, version, q="How long does parental leave last?")
    assert "Say &lt;we&gt;, not they." in shown
    assert "&lt;passage number=&quot;1&quot;" in shown
    assert "Parental leave lasts sixteen weeks." in shown
    assert "reaches the threshold" in shown


def test_a_question_that_would_be_refused_is_said_to_be(boss: Client, version: Profile) -> None:
    assert "It would not be sent:" in preview(boss, version, q="Which penguins breed in Patagonia?")


def test_it_is_previewed_as_someone_of_chosen_groups(boss: Client, version: Profile) -> None:
    create_key(version.tenant, name="board", scopes=["ask"], groups=["board"])
    assert "20 weeks" not in preview(boss, version, q="parental leave")
    assert "20 weeks" in preview(boss, version, q="parental leave", group="board")


def test_before_the_first_document_it_says_so(boss: Client, tenant: Tenant) -> None:
    version = promotion.new_version(tenant, "default", {}, note="")
    assert "This tenant has no documents yet." in preview(boss, version, q="leave")


def test_another_tenants_profile_is_not_there(client: Client, version: Profile) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    user = User.objects.create_user("manager", is_staff=True)
    Membership.objects.create(user=user, tenant=other, role=Membership.Role.MANAGER)
    client.force_login(user)
    assert client.get(f"/admin/search/profile/{version.pk}/prompt/").status_code == 404
