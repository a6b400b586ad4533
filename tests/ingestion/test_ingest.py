"""From acceptance to a live edition, on the real node: what goes live, what is kept, and what is done again."""

import threading
from typing import Any

import pytest
from django.utils import timezone

from ingestion import jobs, outbox, vectors
from ingestion.exceptions import DocumentRefused
from ingestion.models import IngestionTask, StoredVector
from ingestion.services import documents, ingest, rebuild, reconcile
from ingestion.services.documents import DocumentFieldsInput
from search import index, services
from search.embeddings import get_embedder
from search.models import Document, Edition, SearchIndex, Tenant
from search.types import Mode, Principal, SearchRequest
from tests.factories import accept, ingest_all
from tests.factories import ingest as ingest_document

pytestmark = pytest.mark.usefixtures("main_job")


def chunk_keys(tenant: Tenant) -> set[tuple[int, int, int]]:
    tenant.refresh_from_db()
    assert tenant.live_index is not None
    index.refresh(tenant.live_index.name)
    return {
        (chunk.document_id, chunk.edition, chunk.ordinal)
        for chunk in index.iter_chunks(tenant.live_index.name)
    }


def found(principal: Principal, query: str, **options: Any) -> list[str]:
    body = services.search(principal, SearchRequest(query, **options))
    return [hit["document"]["id"] for hit in body["hits"]]


def test_an_accepted_document_goes_live_with_its_chunks(tenant: Tenant) -> None:
    accepted = ingest_document(tenant, "a", "The valve opens slowly. " * 200)
    assert (accepted.document.state, accepted.task.state) == ("live", "done")
    edition = Edition.objects.get(document=accepted.document)
    assert edition.state == "live"
    assert chunk_keys(tenant) == {
        (accepted.document.pk, edition.number, n) for n in range(edition.chunk_count)
    }
    assert edition.chunk_count == accepted.task.chunks > 3


def test_an_empty_document_is_live_without_chunks(tenant: Tenant) -> None:
    accepted = ingest_document(tenant, "empty", "")
    assert (accepted.document.state, accepted.task.chunks) == ("live", 0)


def test_a_changed_text_makes_a_new_edition_and_removes_the_old_one(
    tenant: Tenant, principal: Principal
) -> None:
    ingest_document(tenant, "a", "The old valve text.")
    accepted = ingest_document(tenant, "a", "The new pump text.")
    (edition,) = Edition.objects.filter(document=accepted.document)
    assert (edition.number, edition.state, accepted.document.revision) == (2, "live", 2)
    assert chunk_keys(tenant) == {(accepted.document.pk, 2, 0)}
    assert found(principal, "pump", highlight=False) == ["a"]


def test_the_same_text_again_embeds_and_writes_no_edition(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    ingest_document(tenant, "a", "The valve text.")
    monkeypatch.setattr(get_embedder(), "embed_passages", _must_not_embed)
    accepted = ingest_document(tenant, "a", "The valve text.", metadata={"year": 2025})
    (edition,) = Edition.objects.filter(document=accepted.document)
    assert (edition.number, edition.revision, accepted.task.state) == (1, 2, "done")


def _must_not_embed(texts: list[str]) -> None:
    raise AssertionError("nothing was to be embedded")


def test_metadata_is_replaced_in_place_and_the_vector_stays(tenant: Tenant, principal: Principal) -> None:
    accepted = ingest_document(tenant, "a", "The valve text.", metadata={"area": "ops", "old": "x"})
    documents.change(accepted.document, DocumentFieldsInput(metadata={"area": "hr"}))
    ingest_all(tenant)
    hr, gone = {"field": "area", "op": "eq", "value": "hr"}, {"field": "old", "op": "exists", "value": True}
    from search.types import Mode

    assert found(principal, "something about a valve", mode=Mode.VECTOR, filters=hr) == ["a"]
    assert found(principal, "valve", filters=gone) == []


def test_an_id_of_the_senders_own_is_no_title_but_stands_in_for_one(
    tenant: Tenant, principal: Principal
) -> None:
    accepted = ingest_document(tenant, "x/4711", "The valve opens.")
    assert accepted.document.title == ""
    body = services.search(principal, SearchRequest("valve"))
    assert body["hits"][0]["document"]["title"] == "x/4711"
    assert found(principal, "4711", mode=Mode.LEXICAL) == []


def test_the_same_passage_is_embedded_once_in_a_tenant(tenant: Tenant) -> None:
    accept(tenant, "a", "The same text.", title="Same")
    accept(tenant, "b", "The same text.", title="Same")
    ingest_all(tenant)
    assert StoredVector.objects.filter(tenant=tenant).count() == 1


def test_a_deletion_removes_every_chunk_and_is_then_acknowledged(tenant: Tenant) -> None:
    accepted = ingest_document(tenant, "a", "The valve text.")
    documents.delete(accepted.document)
    accepted.document.refresh_from_db()
    assert accepted.document.hides_unacknowledged
    ingest_all(tenant)
    accepted.document.refresh_from_db()
    assert (accepted.document.state, accepted.document.hides_unacknowledged) == ("deleted", False)
    assert chunk_keys(tenant) == set()


def test_a_document_deleted_before_it_was_ingested_stays_deleted(
    tenant: Tenant, principal: Principal
) -> None:
    accepted = accept(tenant, "a", "The valve text.")
    documents.delete(accepted.document)
    ingest_all(tenant)
    accepted.document.refresh_from_db()
    assert (accepted.document.state, accepted.document.hides_unacknowledged) == ("deleted", False)
    assert found(principal, "valve") == []


def test_a_deleted_id_can_be_used_again_and_gets_a_higher_edition(
    tenant: Tenant, principal: Principal
) -> None:
    first = ingest_document(tenant, "a", "The valve text.")
    documents.delete(first.document)
    ingest_all(tenant)
    second = ingest_document(tenant, "a", "The pump text.")
    assert second.document.pk == first.document.pk
    assert Edition.objects.get(document=second.document).number == 2
    assert found(principal, "pump") == ["a"]


def test_a_change_accepted_while_a_task_runs_is_done_as_well(
    tenant: Tenant, principal: Principal, monkeypatch: pytest.MonkeyPatch
) -> None:
    accept(tenant, "a", "The first text about valves.")
    write = index.bulk

    def change_while_writing(name: str, operations: Any) -> list[index.ItemError]:
        monkeypatch.setattr(index, "bulk", write)
        accept(tenant, "a", "The second text about pumps.")
        return write(name, operations)

    monkeypatch.setattr(index, "bulk", change_while_writing)
    claim = outbox.claim(tenant.pk)
    assert claim is not None
    jobs.run_claim(claim)
    task = IngestionTask.objects.get()
    assert task.state == "pending"
    ingest_all(tenant)
    assert found(principal, "pumps") == ["a"]
    assert IngestionTask.objects.get().state == "done"


def test_a_zombie_whose_lease_was_lost_goes_live_with_nothing(tenant: Tenant) -> None:
    accepted = accept(tenant, "a", "The valve text.")
    zombie = outbox.claim(tenant.pk)
    assert zombie is not None
    IngestionTask.objects.update(leased_until=timezone.now())
    ingest_all(tenant)
    live = Edition.objects.get(document=accepted.document, state="live")
    ingest.run(zombie, jobs.parser(), stopping=threading.Event())
    assert Edition.objects.get(document=accepted.document) == live
    assert chunk_keys(tenant) == {(accepted.document.pk, live.number, 0)}


def test_a_task_whose_worker_died_three_times_is_dead_and_can_be_tried_again(tenant: Tenant) -> None:
    accept(tenant, "a", "The valve text.")
    for _ in range(3):
        assert outbox.claim(tenant.pk) is not None
        IngestionTask.objects.update(leased_until=timezone.now())
    assert outbox.claim(tenant.pk) is None
    task = IngestionTask.objects.get()
    assert (task.state, task.code, task.attempts) == ("dead", "worker_died", 3)
    assert Document.objects.get().state == "failed"
    assert outbox.retry(IngestionTask.objects.all()) == 1
    ingest_all(tenant)
    assert Document.objects.get().state == "live"


def test_what_failed_before_is_claimed_alone(tenant: Tenant) -> None:
    for name in "abc":
        accept(tenant, name, f"Text {name}.")
    IngestionTask.objects.filter(document__public_id="a").update(attempts=1)
    sizes = []
    while claim := outbox.claim(tenant.pk):
        sizes.append(len(claim.tasks))
    assert sorted(sizes) == [1, 2]


def test_an_outage_of_the_engine_spends_no_attempt(tenant: Tenant, settings: Any) -> None:
    ingest_document(tenant, "first", "Makes the index.")
    accept(tenant, "a", "The valve text.")
    url, settings.OPENSEARCH_URL = settings.OPENSEARCH_URL, "http://127.0.0.1:9"
    claim = outbox.claim(tenant.pk)
    assert claim is not None
    jobs.run_claim(claim)
    task = IngestionTask.objects.get(document__public_id="a")
    assert (task.state, task.attempts, task.code) == ("pending", 0, "opensearch_unavailable")
    settings.OPENSEARCH_URL = url
    IngestionTask.objects.update(due_at=timezone.now())
    ingest_all(tenant)
    assert Document.objects.get(public_id="a").state == "live"


def test_a_worker_that_is_stopped_gives_its_tasks_back_and_spends_no_attempt(
    tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in "abc":
        accept(tenant, name, f"The text {name}.")
    stopping = threading.Event()
    embed = vectors.vectors_for

    def stop_before_embedding(*args: Any, **options: Any) -> Any:
        stopping.set()
        return embed(*args, **options)

    monkeypatch.setattr(ingest, "vectors_for", stop_before_embedding)
    claim = outbox.claim(tenant.pk)
    assert claim is not None
    ingest.run(claim, jobs.parser(), stopping=stopping)
    states = IngestionTask.objects.values_list("state", "attempts", "code").distinct()
    assert list(states) == [("pending", 0, "worker_stopped")]
    again = outbox.claim(tenant.pk)
    assert again is not None
    assert len(again.tasks) == 3
    ingest.run(again, jobs.parser(), stopping=threading.Event())
    assert set(Document.objects.values_list("state", flat=True)) == {"live"}


def test_a_corrupt_file_fails_at_once_and_its_neighbours_go_live(tenant: Tenant) -> None:
    from ingestion.services.documents import Content, Incoming

    broken = Content(b"%PDF-1.7 broken", "application/pdf", "broken.pdf")
    documents.accept(tenant, Incoming("broken", DocumentFieldsInput(), broken, in_file=True))
    accept(tenant, "good", "The valve text.")
    ingest_all(tenant)
    task = IngestionTask.objects.get(document__public_id="broken")
    assert (task.state, task.code) == ("failed", "corrupt")
    assert task.reason
    assert Document.objects.get(public_id="good").state == "live"


def test_a_field_of_another_type_is_refused_by_name(tenant: Tenant) -> None:
    accept(tenant, "a", "Text.", metadata={"year": 2025})
    with pytest.raises(DocumentRefused) as error:
        accept(tenant, "b", "Text.", metadata={"year": "soon"})
    assert error.value.fields is not None
    assert "metadata.year" in error.value.fields
    assert not Document.objects.filter(public_id="b").exists()


def test_a_rebuild_swaps_once_complete_keeps_writes_and_rolls_back(
    tenant: Tenant, principal: Principal
) -> None:
    ingest_document(tenant, "a", "The valve text.")
    version = rebuild.start(tenant).version
    assert not rebuild.finish(version)
    accept(tenant, "b", "A pump written meanwhile.")
    ingest_all(tenant)
    assert rebuild.finish(version)
    tenant.refresh_from_db()
    assert tenant.live_index == version
    assert found(principal, "pump")[0] == "b"
    accept(tenant, "c", "A gasket written after the swap.")
    ingest_all(tenant)
    assert rebuild.roll_back(tenant).number == 1
    assert found(principal, "gasket")[0] == "c"
    assert rebuild.drop_retired(tenant) == [version.name]
    assert SearchIndex.objects.count() == 1


def test_reconcile_finds_and_repairs_seeded_drift_and_nothing_else(
    tenant: Tenant, principal: Principal
) -> None:
    kept = ingest_document(tenant, "a", "The valve text.")
    lost = ingest_document(tenant, "b", "The pump text.")
    tenant.refresh_from_db()
    assert tenant.live_index is not None
    name = tenant.live_index.name
    clean = reconcile.run(tenant)
    assert (clean.orphan_chunks, clean.incomplete_editions, clean.drifted_documents) == (0, 0, 0)
    index.bulk(name, index.delete_operations([f"{lost.document.pk}:1:0"]))
    source = {"document_id": kept.document.pk, "edition": 9, "ordinal": 0, "document": "a"}
    index.bulk(name, [index.Operation("index", f"{kept.document.pk}:9:0", source)])
    Document.objects.filter(pk=kept.document.pk).update(access=["hr"])
    report = reconcile.run(tenant)
    assert (report.orphan_chunks, report.incomplete_editions, report.drifted_documents) == (1, 1, 1)
    ingest_all(tenant)
    assert found(principal, "pump")[0] == "b"
    again = reconcile.run(tenant)
    assert (again.orphan_chunks, again.incomplete_editions, again.drifted_documents) == (0, 0, 0)
