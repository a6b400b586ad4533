"""Expectations on the real node: each kind green and red, its stage named rightly, an outage never taken for a loss."""

from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ingestion.services import documents
from search import answers
from search.exceptions import Unavailable
from search.expectations import SENTENCES, Lost, check, forget_verdict, keep
from search.models import Document, Expectation, Tenant
from search.stages import Stage
from tests.factories import accept, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
LEAVE = "Annual leave is 30 days a year. Ask your manager for leave two weeks ahead."


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    accept(tenant, "leave", LEAVE, title="Annual leave")
    for number in range(12):
        accept(tenant, f"valve{number}", f"A valve of size {number} is greased in spring.")
    ingest_all(tenant)
    return tenant


def expectation(tenant: Tenant, question: str = "How many days of annual leave?", **said: Any) -> Expectation:
    if public_id := said.pop("document", None):
        said["document"] = Document.objects.get(tenant=tenant, public_id=public_id)
    return Expectation.objects.create(tenant=tenant, question=question, **said)


def stage_of(one: Expectation, **options: Any) -> str:
    fresh = Expectation.objects.select_related("tenant", "document").get(pk=one.pk)
    return check(fresh, **options).stage


def test_what_holds_is_green_and_names_its_witnesses(corpus: Tenant) -> None:
    leave = Document.objects.get(public_id="leave").pk
    for said in (
        {"kind": "finds", "document": "leave"},
        {"kind": "cites", "document": "leave"},
        {"kind": "contains", "text": "30 Days"},
    ):
        verdict = check(expectation(corpus, **said))
        assert (verdict.stage, verdict.witnesses) == ("", (leave,)), said
    assert check(expectation(corpus, "Who won the chess game in Reykjavik?", kind="refused")).holds


def test_a_document_that_is_gone_changed_or_closed_is_named_by_the_stage_that_lost_it(corpus: Tenant) -> None:
    one = expectation(corpus, kind="finds", document="leave", within=3)
    ingest(corpus, "leave", LEAVE, title="Annual leave", access=["hr"])
    assert stage_of(one) == Stage.ACCESS
    ingest(corpus, "leave", LEAVE, title="Annual leave", expires_at=timezone.now() - timedelta(days=1))
    assert stage_of(one) == Stage.EXPIRED
    documents.delete(Document.objects.get(public_id="leave"))
    assert stage_of(one) == Stage.DELETED
    ingest(corpus, "leave", LEAVE, title="Annual leave")
    assert stage_of(one) == ""


def test_a_document_behind_others_is_below_the_page(corpus: Tenant) -> None:
    one = expectation(corpus, "A valve of size 3 is greased in spring.", document="valve4", within=1)
    verdict = check(one)
    assert verdict.stage == Stage.BELOW_PAGE
    assert verdict.found == "valve3"


def test_words_that_an_answer_no_longer_has_are_not_said_or_lost_with_their_document(corpus: Tenant) -> None:
    one = expectation(corpus, kind="contains", text="30 days")
    keep(one, check(one), marks="1")
    ingest(corpus, "leave", LEAVE.replace("30", "130"), title="Annual leave")
    assert stage_of(one) == Lost.NOT_SAID
    documents.delete(Document.objects.get(public_id="leave"))
    assert stage_of(one) == Stage.DELETED


def test_an_answer_from_another_document_does_not_cite_this_one(corpus: Tenant) -> None:
    one = expectation(corpus, kind="cites", document="valve4")
    assert stage_of(one) in (Lost.NOT_CITED, Stage.BELOW_PAGE)
    assert "30 days" in check(one).found


def test_what_must_be_refused_is_red_once_a_document_answers_it(corpus: Tenant) -> None:
    one = expectation(corpus, "What is the salary of the director?", kind="refused")
    assert check(one).holds
    pay = ingest(corpus, "pay", "The salary of the director is 90000 euros.", title="Salaries").document
    verdict = check(one)
    assert (verdict.stage, verdict.witnesses) == (Lost.ANSWERED, (pay.pk,))
    assert "90000" in verdict.found


def test_a_question_that_can_no_longer_be_asked_says_so(corpus: Tenant) -> None:
    verdict = check(expectation(corpus, kind="finds", document="leave", profile="gone"))
    assert verdict.stage == Lost.NOT_ASKABLE
    assert "gone" in verdict.found


def test_an_outage_is_put_off_and_never_red(corpus: Tenant, opensearch: str, settings: Any) -> None:
    finds = expectation(corpus, kind="finds", document="leave")
    cites = expectation(corpus, kind="cites", document="leave")
    slow = {"BACKEND": "tests.fakes.FakeReranker", "OPTIONS": {"seconds_per_passage": 0.2}}
    settings.SEARCH_RERANKER, settings.SEARCH_RERANK_DEADLINE_SECONDS = slow, 0.01
    for one in (finds, cites):
        with pytest.raises(Unavailable, match="rerank_deadline"):
            check(one)
    settings.SEARCH_RERANKER = None
    settings.OPENSEARCH_URL = "http://127.0.0.1:1"
    for one in (finds, cites):
        with pytest.raises(Unavailable):
            check(one)


def test_a_green_answer_from_the_same_passages_is_not_generated_again(
    corpus: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[str] = []
    generate = answers.generate_answer

    def counted(prepared: Any) -> dict[str, Any]:
        asked.append(prepared.question.request.question)
        return generate(prepared)

    monkeypatch.setattr(answers, "generate_answer", counted)
    one = expectation(corpus, kind="contains", text="30 days")
    keep(one, check(one), marks="1")
    ingest(corpus, "leave", LEAVE, title="Annual leave", metadata={"team": "hr"})
    assert stage_of(one) == ""
    assert len(asked) == 1
    ingest(corpus, "leave", LEAVE.replace("30 days", "thirty days"), title="Annual leave")
    assert stage_of(one) == Lost.NOT_SAID
    assert len(asked) == 2


def test_a_verdict_on_what_was_changed_meanwhile_is_not_kept(corpus: Tenant) -> None:
    one = expectation(corpus, kind="contains", text="30 days")
    verdict = check(one)
    changed = Expectation.objects.get(pk=one.pk)
    changed.text = "40 days"
    forget_verdict(changed)
    changed.save()
    keep(one, verdict, marks="1")
    changed.refresh_from_db()
    assert (changed.state, changed.marks) == ("untried", "")


def test_red_since_stays_and_green_at_moves_on(corpus: Tenant) -> None:
    one = expectation(corpus, kind="contains", text="40 days")
    keep(one, check(one), marks="1")
    one.refresh_from_db()
    since = one.red_since
    assert since
    keep(one, check(one), marks="2")
    one.refresh_from_db()
    assert (one.red_since, one.green_at, one.marks) == (since, None, "2")
    ingest(corpus, "leave", LEAVE.replace("30", "40"), title="Annual leave")
    keep(one, check(one), marks="3")
    one.refresh_from_db()
    assert (one.state, one.red_since, one.found) == ("green", None, "")
    assert one.green_at


def test_every_stage_has_its_sentence() -> None:
    assert {*Stage, *Lost} == set(SENTENCES)
