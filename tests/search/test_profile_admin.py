"""The admin page of profiles: what its buttons do and say, and what it shows beside what is live."""

from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.test import Client

from search import promotion
from search.models import (
    EvaluationRun,
    JudgedQuery,
    Judgement,
    Membership,
    Profile,
    QuerySet,
    SearchIndex,
    Tenant,
    TrainedReranker,
    User,
)
from search.reranking.learning import OWN_LIVE

pytestmark = pytest.mark.django_db
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def draft(tenant: Tenant) -> Profile:
    """A draft of a tenant with an index and a judged query set."""
    tenant.live_index = SearchIndex.objects.create(
        tenant=tenant, number=1, name="acme-v1", variant="m", dimension=3, chunking_version="1", state="live"
    )
    tenant.save()
    query_set = QuerySet.objects.create(tenant=tenant, name="questions")
    query = JudgedQuery.objects.create(query_set=query_set, public_id="q", text="a question")
    Judgement.objects.create(query=query, document="right", grade=1)
    return promotion.new_version(tenant, "default", {"fusion": "rrf"}, note="ranks")


def page(version: Profile) -> str:
    return f"/admin/search/profile/{version.pk}/change/"


def press(client: Client, version: Profile, button: str) -> str:
    """Confirm a button's dialog; what the page then says."""
    address = f"/admin/search/profile/{version.pk}/{button}/"
    assert client.get(address).status_code == 200  # the dialog alone does nothing
    response = client.post(address, DIALOG)
    assert response.status_code == 302
    said = [str(message) for message in get_messages(response.wsgi_request)]
    return said[-1] if said else response.headers["Location"]


def buttons(client: Client, version: Profile) -> set[str]:
    html = client.get(page(version)).content.decode()
    names = ("evaluate", "go-live", "roll-back", "duplicate")
    return {name for name in names if f"/{version.pk}/{name}/" in html}


def test_evaluating_starts_runs_of_this_version_and_of_what_it_would_replace(
    boss: Client, draft: Profile
) -> None:
    assert press(boss, draft, "evaluate") == "Started 2 runs; their figures appear here."
    runs = EvaluationRun.objects.order_by("profile_version").values_list("profile_name", "profile_version")
    assert list(runs) == [("default", 0), ("default", 1)]
    assert "Evaluations are under way." in boss.get(page(draft)).content.decode()


def test_going_live_unevaluated_is_refused_with_what_to_do(boss: Client, draft: Profile) -> None:
    assert "questions: default@1 has not been evaluated" in press(boss, draft, "go-live")
    draft.refresh_from_db()
    assert draft.state == "draft"
    assert "may not go live" in boss.get(page(draft)).content.decode()


def test_a_live_version_can_be_rolled_back_and_any_other_go_live(boss: Client, draft: Profile) -> None:
    assert buttons(boss, draft) == {"evaluate", "go-live", "duplicate"}
    promotion._go_live(draft, in_place_of=None)
    assert buttons(boss, draft) == {"roll-back", "duplicate"}
    assert press(boss, draft, "roll-back") == "The platform's defaults hold again."
    draft.refresh_from_db()
    assert draft.state == "retired"


def test_a_duplicate_opens_the_form_with_the_settings_of_its_version(boss: Client, draft: Profile) -> None:
    address = press(boss, draft, "duplicate")
    form = boss.get(address).context["adminform"].form
    shown = [form.get_initial_for_field(form.fields[name], name) for name in ("fusion", "note", "k")]
    assert shown == ["rrf", "ranks", 200]
    assert Profile.objects.count() == 1


def test_settings_stand_beside_those_that_hold_now(boss: Client, draft: Profile) -> None:
    response = boss.get(page(draft))
    assert response.context["beside"] == "the platform's defaults"
    differing = {label for label, value, other in response.context["settings_rows"] if value != other}
    assert differing == {"fusion"}


def test_a_manager_of_another_tenant_reaches_no_button(client: Client, draft: Profile) -> None:
    user: Any = User.objects.create_user("manager", is_staff=True)
    other = Tenant.objects.create(slug="other", name="Other")
    Membership.objects.create(user=user, tenant=other, role=Membership.Role.MANAGER)
    client.force_login(user)
    for button in ("evaluate", "go-live", "roll-back", "duplicate"):
        assert client.post(f"/admin/search/profile/{draft.pk}/{button}/", DIALOG).status_code == 404
    assert not EvaluationRun.objects.exists()


def test_an_unknown_reranker_is_an_error_of_its_field(boss: Client, draft: Profile) -> None:
    shown = boss.get(page(draft)).context["adminform"].form.initial
    filled = {name: "" if value is None else value for name, value in shown.items()}
    answer = boss.post(page(draft), filled | {"note": "", "rerank_model": "own@9"})
    assert answer.status_code == 200
    assert "There is no trained reranker &#x27;own@9&#x27;" in answer.content.decode()
    assert Profile.objects.count() == 1


def test_a_trained_reranker_comes_into_a_draft_of_what_is_live(boss: Client, draft: Profile) -> None:
    Profile.objects.filter(pk=draft.pk).update(state=Profile.State.LIVE)
    reranker = TrainedReranker.objects.create(
        tenant=draft.tenant, features=[], model={}, query_count=20, before=0.5, after=0.6, p=0.01
    )
    address = f"/admin/search/trainedreranker/{reranker.pk}/draft/"
    assert boss.get(address).status_code == 200  # the dialog alone does nothing
    assert Profile.objects.count() == 1
    response = boss.post(address, DIALOG)
    made = Profile.objects.get(version=2)
    assert response.headers["Location"] == page(made)
    assert made.state == Profile.State.DRAFT
    assert made.settings == {
        "fusion": "rrf",
        "rerank_model": "own@1",
        "rerank_window": OWN_LIVE.window,
        "rerank_blend": OWN_LIVE.blend,
    }
