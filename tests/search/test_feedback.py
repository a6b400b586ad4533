"""Readers' ratings through the API and the page, and what is remembered of their queries."""

from typing import Any
from uuid import uuid4

import pytest
from django.test import Client

from search.models import Feedback, Tenant
from search.tenants import forget_tenants
from tests.factories import authorization, ingest

pytestmark = pytest.mark.usefixtures("main_job")


@pytest.fixture
def corpus(tenant: Tenant) -> Tenant:
    forget_tenants()
    Tenant.objects.filter(pk=tenant.pk).update(keeps_queries=True, is_public=True)
    ingest(tenant, "leave", "Parental leave lasts sixteen weeks and is fully paid.")
    ingest(tenant, "secret", "Parental leave of the board lasts a year.", access=["board"])
    return tenant


def post(client: Client, tenant: Tenant, path: str, body: dict[str, Any], **key: Any) -> Any:
    return client.post(
        f"/api/v1/{path}", body, content_type="application/json", headers=authorization(tenant, **key)
    )


def searched(client: Client, tenant: Tenant) -> str:
    return str(post(client, tenant, "search", {"query": "parental leave"}).json()["request_id"])


def test_a_rating_is_kept_with_the_words_of_its_search(corpus: Tenant, client: Client) -> None:
    request_id = searched(client, corpus)
    body = {"request_id": request_id, "document": "leave", "rating": "up", "comment": "yes"}
    response = post(client, corpus, "feedback", body)
    assert response.status_code == 201
    assert response.json() == {"request_id": request_id, "document": "leave", "rating": 1}
    kept = Feedback.objects.get()
    assert (kept.kind, kept.query, kept.document) == ("search", "parental leave", "leave")
    assert (kept.rating, kept.comment) == (Feedback.Rating.UP, "yes")


def test_an_answer_is_rated_as_a_whole(corpus: Tenant, client: Client) -> None:
    answer = post(client, corpus, "ask", {"question": "How long is parental leave?"}).json()
    assert (
        post(client, corpus, "feedback", {"request_id": answer["request_id"], "rating": -1}).status_code
        == 201
    )
    kept = Feedback.objects.get()
    assert (kept.kind, kept.query, kept.document, kept.rating) == (
        "ask",
        "How long is parental leave?",
        "",
        -1,
    )


def test_a_second_rating_takes_the_place_of_the_first(corpus: Tenant, client: Client) -> None:
    request_id = searched(client, corpus)
    for rating in ("up", "down"):
        post(client, corpus, "feedback", {"request_id": request_id, "document": "leave", "rating": rating})
    assert Feedback.objects.get().rating == Feedback.Rating.DOWN
    assert Feedback.objects.get().query == "parental leave"


def test_a_tenant_that_keeps_no_queries_has_ratings_without_words(corpus: Tenant, client: Client) -> None:
    Tenant.objects.update(keeps_queries=False)
    forget_tenants()
    request_id = searched(client, corpus)
    Tenant.objects.update(keeps_queries=True)  # too late: the words were never written
    forget_tenants()
    post(client, corpus, "feedback", {"request_id": request_id, "rating": "up"})
    assert (Feedback.objects.get().query, Feedback.objects.get().kind) == ("", "")


def test_words_asked_before_a_tenant_stopped_to_keep_them_are_not_used(
    corpus: Tenant, client: Client
) -> None:
    request_id = searched(client, corpus)
    Tenant.objects.update(keeps_queries=False)
    forget_tenants()
    post(client, corpus, "feedback", {"request_id": request_id, "rating": "up"})
    assert Feedback.objects.get().query == ""


def test_words_of_another_tenant_are_never_kept(corpus: Tenant, client: Client) -> None:
    request_id = searched(client, corpus)
    other = Tenant.objects.create(slug="other", name="Other", keeps_queries=True)
    post(client, other, "feedback", {"request_id": request_id, "rating": "up"})
    assert Feedback.objects.get(tenant=other).query == ""


def test_a_cached_response_is_rated_under_its_own_id(corpus: Tenant, client: Client) -> None:
    first, second = searched(client, corpus), searched(client, corpus)
    assert first != second
    post(client, corpus, "feedback", {"request_id": second, "rating": "up"})
    assert Feedback.objects.get().query == "parental leave"


@pytest.mark.parametrize("document", ["nothing", "secret"])
def test_a_document_that_one_may_not_see_is_unknown(document: str, corpus: Tenant, client: Client) -> None:
    body = {"request_id": str(uuid4()), "document": document, "rating": "up"}
    response = post(client, corpus, "feedback", body)
    assert (response.status_code, response.json()["fields"]) == (400, {"document": ["Unknown document."]})
    assert post(client, corpus, "feedback", body, groups=("board",)).status_code == (
        201 if document == "secret" else 400
    )


@pytest.mark.parametrize(
    ("body", "field"),
    [
        ({"rating": "up"}, "request_id"),
        ({"request_id": "7", "rating": "up"}, "request_id"),
        ({"request_id": str(uuid4())}, "rating"),
        ({"request_id": str(uuid4()), "rating": "good"}, "rating"),
        ({"request_id": str(uuid4()), "rating": True}, "rating"),
        ({"request_id": str(uuid4()), "rating": [1]}, "rating"),
        ({"request_id": str(uuid4()), "rating": 1, "comment": "x" * 2001}, "comment"),
        ({"request_id": str(uuid4()), "rating": 1, "stars": 5}, "stars"),
    ],
)
def test_a_wrong_rating_is_a_400_that_names_the_field(
    body: dict[str, Any], field: str, corpus: Tenant, client: Client
) -> None:
    response = post(client, corpus, "feedback", body)
    assert response.status_code == 400
    assert field in response.json()["fields"]


def test_a_rating_needs_the_scope_of_search_or_ask(corpus: Tenant, client: Client) -> None:
    body = {"request_id": str(uuid4()), "rating": "up"}
    assert post(client, corpus, "feedback", body, scopes=("documents",)).status_code == 403
    assert post(client, corpus, "feedback", body, scopes=("ask",)).status_code == 201
    assert client.post("/api/v1/feedback", body, content_type="application/json").status_code == 401


def test_a_thumb_on_the_page_leads_back_to_it(corpus: Tenant, client: Client) -> None:
    page = client.get("/t/acme/", {"q": "parental leave"})
    request_id = page.context["result"]["request_id"]
    assert request_id in page.content.decode()
    form = {"request_id": request_id, "up": "leave", "next": "/t/acme/?q=parental+leave"}
    response = client.post("/t/acme/feedback", form)
    assert (response.status_code, response["Location"]) == (302, "/t/acme/?q=parental+leave")
    kept = Feedback.objects.get()
    assert (kept.query, kept.document, kept.rating) == ("parental leave", "leave", 1)


def test_a_thumb_leads_to_no_other_site(corpus: Tenant, client: Client) -> None:
    form = {"request_id": str(uuid4()), "down": "", "next": "https://evil.example/"}
    assert client.post("/t/acme/feedback", form)["Location"] == "/t/acme/"


def test_a_thumb_by_script_needs_no_page(corpus: Tenant, client: Client) -> None:
    form = {"request_id": str(uuid4()), "down": ""}
    headers = {"X-Requested-With": "fetch"}
    assert client.post("/t/acme/feedback", form, headers=headers).status_code == 204


@pytest.mark.parametrize(
    "form",
    [
        {"up": "leave"},
        {"request_id": "x", "up": ""},
        {"request_id": str(uuid4())},
        {"request_id": str(uuid4()), "up": "", "down": ""},
        {"request_id": str(uuid4()), "up": "leave", "click": "leave"},
    ],
)
def test_a_thumb_that_the_page_would_not_send_is_a_400(
    form: dict[str, str], corpus: Tenant, client: Client
) -> None:
    assert client.post("/t/acme/feedback", form).status_code == 400


def test_a_private_page_takes_no_thumb_of_a_stranger(corpus: Tenant, client: Client) -> None:
    Tenant.objects.update(is_public=False)
    assert client.post("/t/acme/feedback", {"request_id": str(uuid4()), "up": ""}).status_code == 404


def test_a_click_is_kept_with_its_words_and_gives_way_to_a_thumb(corpus: Tenant, client: Client) -> None:
    request_id = searched(client, corpus)
    for rating, kept in (("click", 0), ("up", 1), ("click", 1)):
        body = {"request_id": request_id, "document": "leave", "rating": rating}
        response = post(client, corpus, "feedback", body)
        assert (response.status_code, response.json()["rating"]) == (201, kept)
        row = Feedback.objects.get()
        assert (row.rating, row.query, row.document) == (kept, "parental leave", "leave")


def test_a_click_that_says_nothing_is_refused(corpus: Tenant, client: Client) -> None:
    request_id = searched(client, corpus)
    for body in (
        {"request_id": request_id, "rating": "click"},  # on no document
        {"request_id": str(uuid4()), "document": "leave", "rating": "click"},  # of a search that nobody made
        {"request_id": request_id, "document": "secret", "rating": "click"},
    ):
        assert post(client, corpus, "feedback", body).status_code == 400
    Tenant.objects.update(keeps_queries=False)
    forget_tenants()
    assert (
        post(
            client,
            corpus,
            "feedback",
            {"request_id": searched(client, corpus), "document": "leave", "rating": "click"},
        ).status_code
        == 400
    )
    assert not Feedback.objects.exists()


def test_the_page_tells_of_clicks_only_where_queries_are_kept(corpus: Tenant, client: Client) -> None:
    page = client.get("/t/acme/", {"q": "parental leave"})
    assert "data-keeps-clicks" in page.content.decode()
    form = {"request_id": page.context["result"]["request_id"], "click": "leave", "next": "/t/acme/"}
    assert client.post("/t/acme/feedback", form).status_code == 204
    assert (Feedback.objects.get().rating, Feedback.objects.get().query) == (0, "parental leave")
    Tenant.objects.update(keeps_queries=False)
    forget_tenants()
    assert "data-keeps-clicks" not in client.get("/t/acme/", {"q": "parental leave"}).content.decode()
