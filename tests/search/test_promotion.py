"""Versions of profiles: which one is live, what the gate lets through, and the way back."""

import time
from typing import Any

import pytest
from django.test import Client

from search import promotion, services
from search.evaluation import lab
from search.exceptions import InvalidRequest, Unavailable
from search.models import (
    Document,
    EvaluationRun,
    Expectation,
    JudgedQuery,
    Judgement,
    Profile,
    QuerySet,
    RunRow,
    SearchIndex,
    Tenant,
    TrainedReranker,
)
from search.profile_settings import version_settings
from search.promotion import PromotionRefused
from search.tenants import live_target
from search.types import Principal, RetrievalSettings, SearchRequest
from tests.factories import accept, authorization, ingest_all

pytestmark = pytest.mark.django_db
QUERIES = 8
PLATFORM = RetrievalSettings()


@pytest.fixture
def indexed(tenant: Tenant) -> Tenant:
    tenant.live_index = SearchIndex.objects.create(
        tenant=tenant, number=1, name="acme-v1", variant="m", dimension=3, chunking_version="1", state="live"
    )
    tenant.save()
    return tenant


@pytest.fixture
def query_set(indexed: Tenant) -> QuerySet:
    return judged(indexed, "questions")


def judged(tenant: Tenant, name: str, *, queries: int = QUERIES) -> QuerySet:
    """Queries whose only relevant document is `right`."""
    query_set = QuerySet.objects.create(tenant=tenant, name=name)
    for number in range(queries):
        query = JudgedQuery.objects.create(
            query_set=query_set, public_id=f"q{number}", text=f"question {number}"
        )
        Judgement.objects.create(query=query, document="right", grade=1)
    return query_set


def run(query_set: QuerySet, settings: RetrievalSettings, *, rank: int, index: str = "acme-v1") -> None:
    """A finished run that found the right document at a rank."""
    row = EvaluationRun.objects.create(
        query_set=query_set,
        profile_name=settings.name,
        profile_version=settings.version,
        settings={},
        index=index,
        variant="m",
        state="done",
    )
    ranking = [*(f"wrong{number}" for number in range(rank - 1)), "right"]
    for query in query_set.queries.all():
        RunRow.objects.create(run=row, query=query, ranking=ranking, milliseconds=1.0)


def draft(tenant: Tenant, name: str = "default", **settings: Any) -> Profile:
    return promotion.new_version(tenant, name, settings)


def live(tenant: Tenant, name: str = "default", **settings: Any) -> Profile:
    """A version that went live past no gate."""
    version = draft(tenant, name, **settings)
    version.predecessor = before = promotion.live_version(tenant.pk, name)
    promotion._go_live(version, in_place_of=before)
    return version


def states(tenant: Tenant) -> list[str]:
    rows = Profile.objects.filter(tenant=tenant).order_by("name", "version")
    return [f"{row} {row.state}" for row in rows]


def reasons(profile: Profile) -> str:
    with pytest.raises(PromotionRefused) as refused:
        promotion.promote(profile)
    return str(refused.value)


def test_versions_are_numbered_by_name_and_start_as_drafts(tenant: Tenant) -> None:
    for name in ("default", "default", "manuals"):
        draft(tenant, name, k=100)
    assert states(tenant) == ["default@1 draft", "default@2 draft", "manuals@1 draft"]


def test_a_version_takes_only_settings_that_fit(tenant: Tenant) -> None:
    with pytest.raises(InvalidRequest):
        draft(tenant, k=5)
    assert not Profile.objects.exists()


def test_without_a_query_set_nothing_goes_live(indexed: Tenant) -> None:
    assert "make a query set with judgements first" in reasons(draft(indexed))
    with pytest.raises(PromotionRefused):
        promotion.evaluate(draft(indexed))


def test_what_was_not_evaluated_does_not_go_live(query_set: QuerySet) -> None:
    version = draft(query_set.tenant)
    assert "questions: default@1 has not been evaluated" in reasons(version)
    run(query_set, promotion.settings_of(version), rank=1)
    assert "questions: default@0 has not been evaluated" in reasons(version)  # the platform's defaults


def test_a_run_on_another_index_version_does_not_count(query_set: QuerySet) -> None:
    version = draft(query_set.tenant)
    run(query_set, PLATFORM, rank=2)
    run(query_set, promotion.settings_of(version), rank=1, index="acme-v0")
    assert "has not been evaluated on the index that serves" in reasons(version)


def test_a_first_version_is_compared_with_the_platforms_defaults(query_set: QuerySet) -> None:
    version = draft(query_set.tenant, vector_weight=0.2)
    run(query_set, PLATFORM, rank=2)
    run(query_set, promotion.settings_of(version), rank=1)
    promotion.promote(version)
    assert states(query_set.tenant) == ["default@1 live"]
    target = live_target(query_set.tenant_id)
    assert target is not None
    assert target.profile == version_settings("default", 1, {"vector_weight": 0.2})


def test_a_worse_version_is_refused_with_its_figures(query_set: QuerySet) -> None:
    first, second = live(query_set.tenant), draft(query_set.tenant, k=50)
    run(query_set, promotion.settings_of(first), rank=1)
    run(query_set, promotion.settings_of(second), rank=3)
    assert reasons(second) == (
        "default@2 does not go live. questions: ndcg@10 0.500 is significantly worse than 1.000 (-0.500, p 0.00781)."
    )
    assert states(query_set.tenant) == ["default@1 live", "default@2 draft"]


def test_each_query_set_is_asked_and_every_reason_said(query_set: QuerySet) -> None:
    tenant = query_set.tenant
    other, few = judged(tenant, "other"), judged(tenant, "few", queries=4)
    first, second = live(tenant), draft(tenant)
    for one, ranks in ((query_set, (3, 1)), (other, (1, 4)), (few, (2, 1))):
        run(one, promotion.settings_of(first), rank=ranks[0])
        run(one, promotion.settings_of(second), rank=ranks[1])
    said = reasons(second)
    assert "few: 4 judged queries prove nothing" in said
    assert "other: ndcg@10 0.431 is significantly worse" in said
    assert "questions:" not in said


def test_an_equal_version_may_go_live_and_the_last_run_counts(query_set: QuerySet) -> None:
    first, second = live(query_set.tenant), draft(query_set.tenant, k=50)
    run(query_set, promotion.settings_of(first), rank=1)
    run(query_set, promotion.settings_of(second), rank=9)
    run(query_set, promotion.settings_of(second), rank=1)
    promotion.promote(second)
    assert states(query_set.tenant) == ["default@1 retired", "default@2 live"]


def test_a_rollback_makes_the_version_before_live_again_and_ends_at_the_defaults(indexed: Tenant) -> None:
    for k in (50, 60, 70):
        live(indexed, k=k)
    seen = [promotion.roll_back(indexed, "default") for _ in range(3)]
    assert [str(version) for version in seen] == ["default@2", "default@1", "None"]
    target = live_target(indexed.pk)
    assert target is not None
    assert target.profile == PLATFORM
    with pytest.raises(PromotionRefused, match="No version of 'default' is live"):
        promotion.roll_back(indexed, "default")


def test_a_named_profile_leaves_the_default_alone_and_never_rolls_back_to_nothing(indexed: Tenant) -> None:
    live(indexed, "manuals", k=50)
    target = live_target(indexed.pk)
    assert target is not None
    assert target.profile == PLATFORM
    with pytest.raises(PromotionRefused, match="Nothing was live before manuals@1"):
        promotion.roll_back(indexed, "manuals")
    assert states(indexed) == ["manuals@1 live"]


def test_a_named_profiles_first_version_would_replace_the_default(indexed: Tenant) -> None:
    default = live(indexed, k=50)
    assert promotion.replaced_by(draft(indexed, "manuals")) == promotion.settings_of(default)


def test_profiles_of_tenants_do_not_touch_each_other(indexed: Tenant) -> None:
    other = Tenant.objects.create(slug="other", name="Other")
    live(other, k=50)
    live(indexed, k=60)
    promotion.roll_back(other, "default")
    assert states(indexed) == ["default@1 live"]


PARAPHRASES = {
    "Parental leave lasts sixteen weeks.": "how long may new mothers stay at home",
    "Train tickets of second class are refunded.": "who pays for my rail journey",
    "The pump must be primed before its first start.": "preparing a device that moves water",
    "Invoices are settled within thirty days.": "when do suppliers get their money",
    "Dogs are welcome on Fridays.": "bringing my pet to work",
    "The cafeteria closes at two.": "until when is lunch served",
    "Passwords expire after ninety days.": "how often must login secrets be renewed",
    "Smoke detectors are inspected every spring.": "checking fire alarms yearly",
}


@pytest.mark.usefixtures("main_job")
def test_a_worse_profile_is_measured_and_refused_and_a_better_one_taken_back_at_once(
    tenant: Tenant, principal: Principal, client: Client
) -> None:
    query_set = QuerySet.objects.create(tenant=tenant, name="paraphrases")
    for text, question in PARAPHRASES.items():
        accept(tenant, text, text)
        query = JudgedQuery.objects.create(query_set=query_set, public_id=text, text=question)
        Judgement.objects.create(query=query, document=text, grade=1)
    ingest_all(tenant)
    worse, better = draft(tenant, vector_weight=0.0), draft(tenant, vector_weight=0.8)
    for version in (worse, better):
        for started in promotion.evaluate(version):
            assert lab.carry_on(started).state == "done"
    worse.refresh_from_db()
    assert worse.state == "evaluated"

    key = authorization(tenant, scopes=("profiles",))
    refused = client.post("/api/v1/profiles/default/versions/1/promote", headers=key)
    assert (refused.status_code, refused.json()["code"]) == (409, "promotion_refused")
    assert "paraphrases: ndcg@10" in refused.json()["detail"]

    def top_score() -> tuple[float, str]:
        body = services.search(principal, SearchRequest("is the first train refunded in spring"))
        return body["hits"][1]["score"], body["cache"]

    before, cached = top_score(), top_score()
    assert (before[1], cached[1]) == ("none", "response")
    promoted = client.post("/api/v1/profiles/default/versions/2/promote", headers=key)
    assert (promoted.status_code, promoted.json()["state"]) == (200, "live")
    after = top_score()
    assert after[1] == "none"
    assert after[0] != before[0]
    started_at = time.perf_counter()
    back = client.post("/api/v1/profiles/default/rollback", headers=key)
    assert top_score() == (before[0], "response")  # what was stored for these settings holds again
    assert time.perf_counter() - started_at < 2
    assert (back.status_code, back.json()) == (200, {"live": None})


@pytest.mark.usefixtures("main_job")
def test_a_version_with_which_something_expected_would_not_hold_is_refused_by_name(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(promotion, "verdicts", lambda profile: [])
    for text in PARAPHRASES:
        accept(tenant, text, text)
    ingest_all(tenant)
    train = Document.objects.get(public_id__startswith="Train")
    question = PARAPHRASES[train.public_id]
    one = Expectation.objects.create(tenant=tenant, question=question, document=train, within=1)
    Expectation.objects.create(tenant=tenant, question="off", kind="cites", document=train, is_enabled=False)
    by_words, by_meaning = draft(tenant, vector_weight=0.0), draft(tenant, vector_weight=0.8)
    assert f"1 of what must hold would not. “{question}”:" in reasons(by_words)
    assert promotion.promote(by_meaning).state == "live"
    named = draft(tenant, "manuals", vector_weight=0.0)
    assert promotion.promote(named).state == "live"  # no expectation is asked with this profile
    one.profile = "manuals"
    one.save()
    assert question in reasons(draft(tenant, "manuals", vector_weight=0.0))


@pytest.mark.usefixtures("main_job")
def test_no_version_goes_live_while_expectations_cannot_be_asked(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch, settings: Any
) -> None:
    monkeypatch.setattr(promotion, "verdicts", lambda profile: [])
    accept(tenant, "a", "A text.")
    ingest_all(tenant)
    Expectation.objects.create(tenant=tenant, question="text", document=Document.objects.get())
    settings.OPENSEARCH_URL = "http://127.0.0.1:1"
    with pytest.raises(Unavailable):
        promotion.promote(draft(tenant, vector_weight=0.8))


def test_the_api_lists_and_makes_versions_of_the_keys_tenant_alone(
    client: Client, query_set: QuerySet
) -> None:
    tenant = query_set.tenant
    other = Tenant.objects.create(slug="other", name="Other")
    draft(other, "theirs")
    key = authorization(tenant, scopes=("profiles",))
    body = {"settings": {"fusion": "rrf", "k": 100}, "note": "ranks"}
    made = client.post("/api/v1/profiles/manuals/versions", body, "application/json", headers=key)
    assert made.status_code == 201
    assert made.json() | {"created_at": None} == {
        "name": "manuals",
        "version": 1,
        "state": "draft",
        "note": "ranks",
        "settings": {"fusion": "rrf", "k": 100},
        "predecessor": None,
        "created_at": None,
        "live_at": None,
    }
    assert client.get("/api/v1/profiles", headers=key).json() == {
        "profiles": [
            {"name": "manuals", "live": None, "versions": [{"version": 1, "state": "draft", "note": "ranks"}]}
        ]
    }
    shown = client.get("/api/v1/profiles/manuals/versions/1", headers=key).json()
    assert [one["may_go_live"] for one in shown["evaluations"]] == [False]
    started = client.post("/api/v1/profiles/manuals/versions/1/evaluate", headers=key)
    assert (started.status_code, len(started.json()["runs"])) == (202, 2)
    assert len(client.get("/api/v1/profiles/manuals/versions", headers=key).json()["versions"]) == 1
    for path in ("theirs/versions", "theirs/versions/1", "manuals/versions/9"):
        assert client.get(f"/api/v1/profiles/{path}", headers=key).status_code == 404
    wrong = client.post(
        "/api/v1/profiles/manuals/versions", {"settings": {"k": 5}}, "application/json", headers=key
    )
    assert (wrong.status_code, list(wrong.json()["fields"])) == (400, ["settings.k"])


def test_a_key_without_the_scope_changes_no_profile(client: Client, tenant: Tenant) -> None:
    key = authorization(tenant)
    assert client.get("/api/v1/profiles", headers=key).status_code == 403
    assert client.post("/api/v1/profiles/default/rollback", headers=key).status_code == 403


def test_a_version_that_names_an_unknown_reranker_is_refused_by_its_name(tenant: Tenant) -> None:
    for named in ("own@7", "nonsense"):
        with pytest.raises(InvalidRequest, match=f"'{named}'") as refused:
            draft(tenant, rerank_model=named)
        assert list(refused.value.fields or ()) == ["settings.rerank_model"]
    other = Tenant.objects.create(slug="other", name="Other")
    trained(other, "own", 7)
    with pytest.raises(InvalidRequest, match="'own@7'"):  # another tenant's
        draft(tenant, rerank_model="own@7")
    trained(tenant, "own", 7)
    for named in ("own@7", "none", ""):
        assert draft(tenant, rerank_model=named).settings["rerank_model"] == named


def trained(tenant: Tenant, name: str, version: int) -> TrainedReranker:
    return TrainedReranker.objects.create(
        tenant=tenant,
        name=name,
        version=version,
        features=[],
        model={},
        query_count=20,
        before=0,
        after=0,
        p=1,
    )
