"""What a document was before a change: kept for a while, offered to what the change turned red, put back."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.core.files.storage import default_storage
from django.test import Client
from django.utils import timezone

from ingestion import former, jobs
from ingestion.models import ExpectationWatch, FormerContent, Source, SourceItem, StoredOriginal
from ingestion.services import documents, restoring, sources, sync
from ingestion.services.documents import Content, DocumentFieldsInput, Incoming
from ingestion.services.restoring import PutBackRefused
from search.models import Document, Expectation, Membership, Tenant, User
from tests.factories import accept, ingest, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
LEAVE = "Annual leave is {} days a year."


def words_of(tenant: Tenant) -> Expectation:
    return Expectation.objects.create(
        tenant=tenant, question="days of annual leave", kind="contains", text="30 days"
    )


def ask(tenant: Tenant) -> None:
    ExpectationWatch.objects.filter(tenant=tenant).update(due_at=timezone.now())
    jobs.run_expectations(tenant.pk)


def state(one: Expectation) -> str:
    one.refresh_from_db()
    return one.state


@pytest.fixture
def folder(tenant: Tenant, tmp_path: Path) -> Source:
    (tmp_path / "leave.txt").write_text(LEAVE.format(30))
    source = sources.create(tenant, kind="folder", config={"path": str(tmp_path)}, slug="files")
    _sync(source)
    return source


def _sync(source: Source) -> None:
    jobs.run_sync(sync.start(source).pk)
    ingest_all(source.tenant)


def _write(source: Source, text: str) -> None:
    Path(source.config["path"], "leave.txt").write_text(text)
    _sync(source)


def test_a_pushed_document_is_put_back_as_it_was_with_its_fields_as_they_are(tenant: Tenant) -> None:
    ingest(tenant, "leave", LEAVE.format(30), metadata={"team": "hr"})
    one = words_of(tenant)
    ask(tenant)
    assert (state(one), restoring.offers(one)) == ("green", [])
    ingest(tenant, "leave", LEAVE.format(25), metadata={"team": "people"})
    ask(tenant)
    assert state(one) == "red"
    [offer] = restoring.offers(one)
    assert offer.content
    [difference] = former.differences(offer.content)
    assert (difference.before, difference.after) == ((LEAVE.format(30),), (LEAVE.format(25),))
    restoring.put_back(offer.content)
    ingest_all(tenant)
    ask(tenant)
    assert state(one) == "green"
    assert Document.objects.get().metadata == {"team": "people"}
    [kept] = FormerContent.objects.all()  # what was put back can be undone
    assert b"25" in former.original_bytes(kept)


def test_a_synced_document_gets_its_former_text_until_its_source_changes(
    tenant: Tenant, folder: Source
) -> None:
    one = words_of(tenant)
    ask(tenant)
    _write(folder, LEAVE.format(25))
    ask(tenant)
    [offer] = restoring.offers(one := Expectation.objects.get(pk=one.pk))
    assert offer.content
    restoring.put_back(offer.content)
    ingest_all(tenant)
    ask(tenant)
    assert state(one) == "green"
    _sync(folder)
    ask(tenant)
    assert state(one) == "green"  # nothing has changed there
    _write(folder, LEAVE.format(26))
    ask(tenant)
    assert state(one) == "red"
    [offer] = restoring.offers(one)
    assert offer.content
    assert former.differences(offer.content)[0].before == (LEAVE.format(30),)


def test_of_several_changes_the_edition_that_was_live_when_it_was_green_is_offered(
    tenant: Tenant, folder: Source
) -> None:
    _write(folder, LEAVE.format(28))
    _write(folder, LEAVE.format(30) + " Ask early.")
    one = words_of(tenant)
    ask(tenant)
    assert state(one) == "green"
    for days in (25, 24):
        _write(folder, LEAVE.format(days))
    ask(tenant)
    assert state(one) == "red"
    [offer] = restoring.offers(one)
    assert offer.content
    assert former.differences(offer.content)[0].before == (LEAVE.format(30) + " Ask early.",)


def test_the_newest_few_are_kept_within_their_size_and_for_a_while(tenant: Tenant, settings: Any) -> None:
    for days in range(6):
        ingest(tenant, "leave", LEAVE.format(days))
    assert [former.original_bytes(row).decode() for row in FormerContent.objects.order_by("pk")] == [
        LEAVE.format(days) for days in (2, 3, 4)
    ]
    settings.INGESTION_FORMER_BYTES = 2 * FormerContent.objects.latest("pk").size
    ingest(tenant, "leave", LEAVE.format(6))
    assert FormerContent.objects.count() == 2
    FormerContent.objects.update(replaced_at=timezone.now() - timedelta(days=91))
    former.clear_old()
    assert not FormerContent.objects.exists()


def test_nothing_is_kept_where_nothing_was_replaced(tenant: Tenant, folder: Source) -> None:
    ingest(tenant, "other", "Some text.", title="One")
    ingest(tenant, "other", "Some text.", title="Another")
    _write(folder, LEAVE.format(30))
    assert not FormerContent.objects.exists()


def test_an_uploads_file_lives_as_long_as_what_it_can_be_put_back_as(tenant: Tenant, settings: Any) -> None:
    def upload(text: str) -> str:
        content = Content(text.encode(), "text/plain", filename="leave.txt")
        accepted = documents.accept(tenant, Incoming("leave", DocumentFieldsInput(), content, in_file=True))
        ingest_all(tenant)
        return str(StoredOriginal.objects.get(document=accepted.document).file.name)

    first, second = upload(LEAVE.format(30)), upload(LEAVE.format(25))
    assert default_storage.exists(first)
    restoring.put_back(FormerContent.objects.get())
    ingest_all(tenant)
    assert not default_storage.exists(first)
    assert default_storage.exists(second)
    third = str(StoredOriginal.objects.get().file.name)
    documents.delete(Document.objects.get())
    assert not any(default_storage.exists(name) for name in (second, third))


def test_a_deletion_forgets_what_was_kept(tenant: Tenant, folder: Source) -> None:
    one = words_of(tenant)
    ask(tenant)
    _write(folder, LEAVE.format(25))
    assert FormerContent.objects.exists()
    Path(folder.config["path"], "other.txt").write_text("Another text.")
    Path(folder.config["path"], "leave.txt").unlink()
    _sync(folder)
    assert not FormerContent.objects.exists()
    ask(tenant)
    assert (state(one), one.stage) == ("red", "deleted")
    assert [offer.content for offer in restoring.offers(one)] == [None]


def test_a_document_that_is_being_ingested_is_not_put_back(tenant: Tenant) -> None:
    ingest(tenant, "leave", LEAVE.format(30))
    accept(tenant, "leave", LEAVE.format(25))
    with pytest.raises(PutBackRefused):
        restoring.put_back(FormerContent.objects.get())


def test_one_that_is_to_be_refused_is_offered_what_answers_it_now(tenant: Tenant) -> None:
    ingest(tenant, "pay", "The canteen is open at noon.", title="Notes")
    question = "What is the salary of the director?"
    one = Expectation.objects.create(tenant=tenant, question=question, kind="refused")
    ask(tenant)
    assert state(one) == "green"
    ingest(tenant, "pay", "The salary of the director is 90000 euros.", title="Notes")
    ask(tenant)
    assert (state(one), one.stage) == ("red", "answered")
    [offer] = restoring.offers(one)
    assert offer.content
    restoring.put_back(offer.content)
    ingest_all(tenant)
    ask(tenant)
    assert state(one) == "green"


def test_the_red_page_shows_what_was_changed_and_puts_it_back(
    tenant: Tenant, folder: Source, client: Client
) -> None:
    one = words_of(tenant)
    ask(tenant)
    _write(folder, LEAVE.format(25))
    ask(tenant)
    client.force_login(User.objects.create_superuser("boss"))
    page = f"/admin/search/expectation/{one.pk}/change/"
    html = client.get(page).content.decode()
    assert LEAVE.format(30) in html
    assert "still has the newer text" in html
    content = FormerContent.objects.get()
    address = f"/admin/search/expectation/{one.pk}/put-back/{content.pk}/"
    assert address in html
    assert client.get(address).status_code == 404
    assert client.post(address.replace(f"/{content.pk}/", "/99/")).status_code == 404
    stranger: Any = User.objects.create_user("manager", is_staff=True)
    other = Tenant.objects.create(slug="other", name="Other")
    Membership.objects.create(user=stranger, tenant=other, role=Membership.Role.MANAGER)
    client.force_login(stranger)
    assert client.post(address).status_code == 404
    client.force_login(User.objects.get(username="boss"))
    assert client.post(address).status_code == 302
    ingest_all(tenant)
    ask(tenant)
    assert state(one) == "green"
    assert SourceItem.objects.get().content_hash == content.content_hash
