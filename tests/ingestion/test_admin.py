"""The admin pages of the write side: what a content manager does; all of it goes through services and tasks."""

from pathlib import Path
from typing import Any

import pytest
from django.contrib.messages import get_messages
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from ingestion.models import Batch, IngestionTask, Source, SourceItem, StoredOriginal, SyncRun
from search.models import Document, Edition, EvaluationRun, Membership, MetadataField, QuerySet, Tenant, User
from tests.factories import accept, ingest, ingest_all

pytestmark = pytest.mark.django_db
LISTS = [
    "ingestion/source",
    "ingestion/syncrun",
    "ingestion/ingestiontask",
    "ingestion/batch",
    "search/document",
]
DIALOG = {"_form_submitted": "on"}


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(User.objects.create_superuser("boss"))
    return client


@pytest.fixture
def other() -> Tenant:
    return Tenant.objects.create(slug="other", name="Otherworld")


@pytest.fixture
def manager(client: Client, tenant: Tenant) -> Client:
    user = User.objects.create_user("manager", is_staff=True)
    Membership.objects.create(user=user, tenant=tenant, role=Membership.Role.MANAGER)
    client.force_login(user)
    return client


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "a.md").write_text("# A\n\nAbout pumps.")
    return tmp_path


def source_data(tenant: Tenant, folder: Path, **changes: Any) -> dict[str, Any]:
    inline = {"items-TOTAL_FORMS": "0", "items-INITIAL_FORMS": "0"}
    said = {"tenant": tenant.pk, "name": "Handbook", "slug": "handbook", "kind": "folder", "is_enabled": "on"}
    return said | {"config_path": str(folder)} | inline | changes


def upload_data(
    tenant: Tenant, name: str = "pump.txt", body: bytes = b"About pumps.", **changes: Any
) -> dict[str, Any]:
    return {"tenant": tenant.pk, "file": SimpleUploadedFile(name, body), "access_kind": "everyone", **changes}


def errors(response: Any) -> dict[str, list[str]]:
    return {name: list(messages) for name, messages in response.context["adminform"].form.errors.items()}


def said(response: Any) -> str:
    return " ".join(str(message) for message in get_messages(response.wsgi_request))


def source(tenant: Tenant, folder: Path, slug: str = "handbook") -> Source:
    return Source.objects.create(
        tenant=tenant, slug=slug, name=slug, kind="folder", config={"path": str(folder)}
    )


def test_a_source_is_made_from_fields_and_its_first_sync_starts(
    boss: Client, tenant: Tenant, folder: Path
) -> None:
    data = source_data(tenant, folder, config_include="*.md\r\n\r\n *.txt ", config_allow_empty="on")
    assert boss.post("/admin/ingestion/source/add/", data).status_code == 302
    made = Source.objects.get()
    assert made.config == {"path": str(folder), "include": ["*.md", "*.txt"], "allow_empty": True}
    assert SyncRun.objects.get().source == made


def test_what_the_connector_refuses_is_said_at_its_field(
    boss: Client, tenant: Tenant, folder: Path, settings: Any
) -> None:
    settings.INGESTION_FOLDER_ROOTS = ["/srv/allowed"]
    response = boss.post("/admin/ingestion/source/add/", source_data(tenant, folder))
    assert "lies outside of INGESTION_FOLDER_ROOTS" in errors(response)["config_path"][0]
    settings.INGESTION_FOLDER_ROOTS = []
    response = boss.post(
        "/admin/ingestion/source/add/", source_data(tenant, folder, config_metadata_file="no.json")
    )
    assert "can't be read" in errors(response)["config_metadata_file"][0]
    assert not Source.objects.exists()


def test_passages_over_the_embedders_window_are_refused_by_name(
    boss: Client, tenant: Tenant, folder: Path
) -> None:
    response = boss.post("/admin/ingestion/source/add/", source_data(tenant, folder, chunk_tokens="300"))
    [message] = errors(response)["chunk_tokens"]
    assert "reads 256 tokens at once" in message
    assert "MiniLM" in message


def test_an_overlap_over_a_third_is_refused(boss: Client, tenant: Tenant, folder: Path) -> None:
    response = boss.post("/admin/ingestion/source/add/", source_data(tenant, folder, overlap_tokens="200"))
    assert "third" in errors(response)["overlap_tokens"][0]


def test_changing_a_source_keeps_its_tenant_slug_and_kind(
    boss: Client, tenant: Tenant, other: Tenant, folder: Path
) -> None:
    made = source(tenant, folder)
    data = source_data(other, folder, slug="moved", name="New name", config_exclude="drafts")
    assert boss.post(f"/admin/ingestion/source/{made.pk}/change/", data).status_code == 302
    made.refresh_from_db()
    assert (made.tenant, made.slug, made.name) == (tenant, "handbook", "New name")
    assert made.config == {"path": str(folder), "exclude": ["drafts"]}


def test_a_button_asks_first_and_only_its_post_syncs(boss: Client, tenant: Tenant, folder: Path) -> None:
    made = source(tenant, folder)
    address = f"/admin/ingestion/source/{made.pk}/sync-now/"
    assert boss.get(address).status_code == 200
    assert not SyncRun.objects.exists()
    assert boss.post(address, DIALOG).status_code == 302
    boss.post(address, DIALOG)
    assert SyncRun.objects.count() == 1  # the open one is joined


def test_a_sync_that_waits_is_cancelled(boss: Client, tenant: Tenant, folder: Path) -> None:
    made = source(tenant, folder)
    run = SyncRun.objects.create(source=made)
    boss.post(f"/admin/ingestion/source/{made.pk}/cancel-sync/", DIALOG)
    run.refresh_from_db()
    assert run.state == SyncRun.State.CANCELLED


def test_sources_are_never_deleted_as_rows(boss: Client, tenant: Tenant, folder: Path) -> None:
    made = source(tenant, folder)
    assert boss.post(f"/admin/ingestion/source/{made.pk}/delete/", {"post": "yes"}).status_code == 403


def test_a_sources_page_shows_progress_and_refused_items_and_follows_a_running_sync(
    boss: Client, tenant: Tenant, folder: Path
) -> None:
    made = source(tenant, folder)
    SourceItem.objects.create(source=made, external_id="bad.pdf", reason="Its type is not supported.")
    run = SyncRun.objects.create(source=made, state=SyncRun.State.RUNNING, seen=12, added=3)
    body = boss.get(f"/admin/ingestion/source/{made.pk}/change/").content.decode()
    assert "12 seen, 3 added" in body
    assert "Its type is not supported." in body
    assert 'hx-trigger="every 2s"' in body
    SyncRun.objects.filter(pk=run.pk).update(state=SyncRun.State.DONE)
    assert 'hx-trigger="every' not in boss.get("/admin/ingestion/source/").content.decode()


def test_an_upload_is_accepted_with_its_task_and_original(boss: Client, tenant: Tenant) -> None:
    MetadataField.objects.create(tenant=tenant, name="code", type="keyword")
    typed = "code = 0042\r\nyear = 2025\r\ntags = a\r\ntags = b\r\nfinal = true"
    data = upload_data(tenant, title="Pumps", metadata=typed, access_kind="groups", groups="hr\r\nboard")
    assert boss.post("/admin/search/document/add/", data).status_code == 302
    document = Document.objects.get()
    assert (document.public_id, document.title, document.access) == ("pump.txt", "Pumps", ["hr", "board"])
    assert document.metadata == {"code": "0042", "year": 2025, "tags": ["a", "b"], "final": True}
    assert IngestionTask.objects.get().document == document
    with StoredOriginal.objects.get().file.open() as original:
        assert original.read() == b"About pumps."


@pytest.mark.parametrize(
    ("field", "changes"),
    [
        ("file", {"name": "tool.exe"}),
        ("file", {"name": "fake.pdf", "body": b"no pdf"}),
        ("metadata", {"metadata": "no equals sign"}),
        ("metadata", {"metadata": "bad name! = 1"}),
        ("metadata", {"metadata": "year = soon"}),
        ("groups", {"access_kind": "groups"}),
        ("groups", {"access_kind": "groups", "groups": "*"}),
        ("public_id", {"public_id": "handbook/a.md"}),
    ],
)
def test_an_upload_that_would_be_refused_says_so_at_its_field(
    boss: Client, tenant: Tenant, field: str, changes: dict[str, Any]
) -> None:
    MetadataField.objects.create(tenant=tenant, name="year", type="number")
    Document.objects.create(tenant=tenant, public_id="handbook/a.md", source_key="handbook")
    response = boss.post("/admin/search/document/add/", upload_data(tenant, **changes))
    assert list(errors(response)) == [field]
    assert not IngestionTask.objects.exists()


def test_an_upload_over_the_limit_is_refused(boss: Client, tenant: Tenant, settings: Any) -> None:
    settings.INGESTION_MAX_DOCUMENT_BYTES = 5
    response = boss.post("/admin/search/document/add/", upload_data(tenant))
    assert "5 are taken" in errors(response)["file"][0]


def test_changing_a_document_is_its_next_revision(boss: Client, tenant: Tenant) -> None:
    document = accept(tenant, "a", "Text.", title="Old", metadata={"year": 2024}).document
    data = {"title": "New", "metadata": "year = 2025", "access_kind": "nobody"}
    assert boss.post(f"/admin/search/document/{document.pk}/change/", data).status_code == 302
    document.refresh_from_db()
    assert (document.title, document.metadata, document.access) == ("New", {"year": 2025}, [])
    assert document.revision == 2
    assert document.hides_unacknowledged


def test_opening_and_saving_a_document_changes_nothing_of_it(boss: Client, tenant: Tenant) -> None:
    said_of_it = {
        "title": "T",
        "metadata": {"year": 2024.5, "tags": ["a", "b"], "on": False},
        "access": ["hr"],
    }
    document = accept(tenant, "a", "Text.", **said_of_it).document
    form = boss.get(f"/admin/search/document/{document.pk}/change/").context["adminform"].form
    data = {name: form[name].value() for name in form.fields if form[name].value() is not None}
    data["metadata"] = form.fields["metadata"].prepare_value(data["metadata"])
    data["groups"] = form.fields["groups"].prepare_value(data["groups"])
    assert boss.post(f"/admin/search/document/{document.pk}/change/", data).status_code == 302
    document.refresh_from_db()
    assert {name: getattr(document, name) for name in said_of_it} == said_of_it


def test_a_sources_document_is_only_read_here(boss: Client, tenant: Tenant) -> None:
    document = Document.objects.create(
        tenant=tenant, public_id="handbook/a.md", source_key="handbook", title="A"
    )
    address = f"/admin/search/document/{document.pk}/change/"
    assert boss.get(address).status_code == 200
    assert boss.post(address, {"title": "B"}).status_code == 403


def test_deleting_a_document_keeps_its_row_and_opens_a_task(boss: Client, tenant: Tenant) -> None:
    document = accept(tenant, "a", "Text.").document
    address = f"/admin/search/document/{document.pk}/delete-document/"
    assert boss.get(address).status_code == 200
    document.refresh_from_db()
    assert document.state == Document.State.PENDING
    boss.post(address, DIALOG)
    document.refresh_from_db()
    assert document.state == Document.State.DELETED
    assert IngestionTask.objects.get().priority == IngestionTask.Priority.DELETE
    assert boss.post(f"/admin/search/document/{document.pk}/delete/", {"post": "yes"}).status_code == 403


def test_the_delete_action_takes_what_was_selected_and_nothing_else(boss: Client, tenant: Tenant) -> None:
    first, second = accept(tenant, "a", "Text.").document, accept(tenant, "b", "Text.").document
    data = {"action": "delete_documents", "_selected_action": [first.pk]}
    assert "Deleted 1 document" in said(boss.post("/admin/search/document/", data))
    assert set(Document.objects.values_list("pk", "state")) == {(first.pk, "deleted"), (second.pk, "pending")}


def test_djangos_own_deletion_is_offered_nowhere(boss: Client, tenant: Tenant) -> None:
    accept(tenant, "a", "Text.")
    assert all(b"delete_selected" not in boss.get(f"/admin/{name}/").content for name in LISTS)


def test_a_failed_document_says_why_and_is_mended_here(boss: Client, tenant: Tenant) -> None:
    task = accept(tenant, "a", "Text.").task
    IngestionTask.objects.filter(pk=task.pk).update(
        state="failed", reason="The file is encrypted.", attempts=3
    )
    for address in (
        "/admin/search/document/",
        f"/admin/search/document/{task.document_id}/change/",
        "/admin/",
    ):
        assert "The file is encrypted." in boss.get(address).content.decode()
    boss.post(f"/admin/search/document/{task.document_id}/ingest-again/", DIALOG)
    task.refresh_from_db()
    assert (task.state, task.attempts) == ("pending", 0)


def test_tasks_are_tried_again_and_cancelled_by_actions(boss: Client, tenant: Tenant) -> None:
    task = accept(tenant, "a", "Text.").task
    address = "/admin/ingestion/ingestiontask/"
    boss.post(address, {"action": "cancel", "_selected_action": [task.pk]})
    task.refresh_from_db()
    assert task.state == "cancelled"
    boss.post(address, {"action": "retry", "_selected_action": [task.pk]})
    task.refresh_from_db()
    assert task.state == "pending"


def test_tasks_syncs_and_batches_are_only_read(boss: Client, tenant: Tenant, folder: Path) -> None:
    task = accept(tenant, "a", "Text.").task
    run = SyncRun.objects.create(source=source(tenant, folder))
    batch = Batch.objects.create(tenant=tenant)
    rows = {"ingestiontask": task.pk, "syncrun": run.pk, "batch": batch.pk}
    for name, pk in rows.items():
        assert boss.get(f"/admin/ingestion/{name}/{pk}/change/").status_code == 200
        assert boss.post(f"/admin/ingestion/{name}/{pk}/change/", {"state": "done"}).status_code == 403
        assert boss.get(f"/admin/ingestion/{name}/add/").status_code == 403


@pytest.mark.parametrize(("name", "is_taken"), [("team", True), ("bad name", False), ("1st", False)])
def test_a_metadata_field_needs_a_name_that_documents_may_use(
    boss: Client, tenant: Tenant, name: str, is_taken: bool
) -> None:
    boss.post("/admin/search/metadatafield/add/", {"tenant": tenant.pk, "name": name, "type": "keyword"})
    assert MetadataField.objects.filter(name=name).exists() is is_taken


def test_a_metadata_fields_type_is_never_changed(boss: Client, tenant: Tenant) -> None:
    field = MetadataField.objects.create(tenant=tenant, name="team", type="keyword")
    response = boss.post(f"/admin/search/metadatafield/{field.pk}/change/", {"type": "number"})
    assert response.status_code == 403


def test_the_first_page_counts_what_one_manages(
    manager: Client, tenant: Tenant, other: Tenant, folder: Path
) -> None:
    accept(tenant, "a", "Text.")
    accept(other, "b", "Text.")
    SyncRun.objects.create(source=source(other, folder, "theirs"))
    nightly_run(other, "Theirs", is_regression=True)
    nightly_run(tenant, "Was worse", is_regression=True)
    nightly_run(tenant, "Was worse", is_regression=False)
    nightly_run(tenant, "Is worse", is_regression=True)
    response = manager.get("/admin/")
    assert {card["title"]: card["count"] for card in response.context["cards"]} == {
        "Live documents": 0,
        "Pending documents": 1,
        "Failed documents": 0,
        "Open tasks": 1,
        "Red expectations": 0,
        "Query sets that got worse": 1,
    }
    assert "theirs" not in response.content.decode()


def nightly_run(tenant: Tenant, name: str, *, is_regression: bool) -> None:
    query_set, _ = QuerySet.objects.get_or_create(tenant=tenant, name=name, runs_nightly=True)
    EvaluationRun.objects.create(
        query_set=query_set,
        mode="hybrid",
        profile_name="default",
        settings={},
        is_nightly=True,
        is_regression=is_regression,
        state=EvaluationRun.State.DONE,
    )


@pytest.mark.parametrize("name", LISTS)
def test_a_manager_never_reads_of_another_tenant(
    manager: Client, tenant: Tenant, other: Tenant, folder: Path, name: str
) -> None:
    theirs = accept(other, "their-document", "Text.", title="Their title")
    made = source(other, folder, "their-source")
    run = SyncRun.objects.create(source=made)
    batch = Batch.objects.create(tenant=other)
    rows = dict(zip(LISTS, (made.pk, run.pk, theirs.task.pk, batch.pk, theirs.document.pk), strict=True))
    listed = manager.get(f"/admin/{name}/").content.decode()
    assert not any(text in listed for text in ("Otherworld", "Their title", "their-", str(batch.uuid)))
    assert manager.get(f"/admin/{name}/{rows[name]}/change/").status_code == 302  # to the start: not there


def test_a_manager_can_not_act_on_another_tenant(
    manager: Client, tenant: Tenant, other: Tenant, folder: Path
) -> None:
    theirs, made = accept(other, "theirs", "Text."), source(other, folder, "theirs")
    assert (
        manager.post(f"/admin/search/document/{theirs.document.pk}/delete-document/", DIALOG).status_code
        == 404
    )
    assert manager.post(f"/admin/ingestion/source/{made.pk}/sync-now/", DIALOG).status_code == 404
    manager.post(
        "/admin/search/document/", {"action": "delete_documents", "_selected_action": [theirs.document.pk]}
    )
    manager.post(
        "/admin/ingestion/ingestiontask/", {"action": "cancel", "_selected_action": [theirs.task.pk]}
    )
    manager.post("/admin/search/document/add/", upload_data(other, "mine.txt"))
    manager.post("/admin/ingestion/source/add/", source_data(other, folder))
    assert list(Document.objects.values_list("public_id", "state")) == [("theirs", "pending")]
    assert IngestionTask.objects.get().state == "pending"
    assert Source.objects.count() == 1
    assert not SyncRun.objects.exists()


def test_a_manager_works_in_the_own_tenant_without_any_other_right(
    manager: Client, tenant: Tenant, folder: Path
) -> None:
    assert manager.post("/admin/search/document/add/", upload_data(tenant)).status_code == 302
    assert manager.post("/admin/ingestion/source/add/", source_data(tenant, folder)).status_code == 302
    assert (Document.objects.get().tenant, Source.objects.get().tenant) == (tenant, tenant)


def test_what_is_deleted_here_is_gone_from_the_next_search(
    main_job: None, boss: Client, tenant: Tenant
) -> None:
    Tenant.objects.update(is_public=True)
    document = ingest(tenant, "pump.txt", "The pump hums.", title="Pumps").document
    assert b"Pumps" in boss.get("/t/acme/", {"q": "pump"}).content
    boss.post(f"/admin/search/document/{document.pk}/delete-document/", DIALOG)
    assert b"Pumps" not in boss.get("/t/acme/", {"q": "pump"}).content
    ingest_all(tenant)
    assert not Edition.objects.exists()
