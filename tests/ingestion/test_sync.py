"""A folder source: what a sync adds, changes, renames, deletes and leaves alone."""

import os
from pathlib import Path
from typing import Any

import pytest

from ingestion import jobs
from ingestion.connectors import open_connector
from ingestion.exceptions import SourceError
from ingestion.models import IngestionTask, Source, SourceItem, SyncRun
from ingestion.services import documents, sources, sync
from search.embeddings import get_embedder
from search.models import Document, Tenant
from tests.factories import ingest_all


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    root = tmp_path / "handbook"
    (root / "hr").mkdir(parents=True)
    (root / "hr" / "leave.md").write_text("# Leave\n\nSixteen weeks.")
    (root / "pump.txt").write_text("Prime the pump.")
    (root / "valve.txt").write_text("Open the valve.")
    return root


@pytest.fixture
def source(tenant: Tenant, folder: Path) -> Source:
    return sources.create(tenant, kind="folder", config={"path": str(folder)}, slug="hb")


def run(source: Source) -> SyncRun:
    run_ = sync.start(source)
    jobs.run_sync(run_.pk)
    run_.refresh_from_db()
    return run_


def counts(run_: SyncRun) -> dict[str, int]:
    names = ("seen", "added", "changed", "renamed", "unchanged", "deleted", "refused")
    return {name: value for name in names if (value := getattr(run_, name))}


def states() -> dict[str, str]:
    return dict(Document.objects.values_list("public_id", "state"))


@pytest.mark.usefixtures("main_job")
def test_a_first_sync_adds_everything_and_a_second_does_nothing(
    source: Source, tenant: Tenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert counts(run(source)) == {"seen": 3, "added": 3}
    ingest_all(tenant)
    assert states() == {"hb/hr/leave.md": "live", "hb/pump.txt": "live", "hb/valve.txt": "live"}
    tasks = IngestionTask.objects.count()
    assert counts(run(source)) == {"seen": 3, "unchanged": 3}
    assert IngestionTask.objects.count() == tasks


@pytest.mark.usefixtures("main_job")
def test_one_edited_one_deleted_one_renamed_give_exactly_those_changes(
    source: Source, tenant: Tenant, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(source)
    ingest_all(tenant)
    leave = Document.objects.get(public_id="hb/hr/leave.md").pk
    (folder / "pump.txt").write_text("Prime the pump twice.")
    (folder / "valve.txt").unlink()
    (folder / "hr" / "leave.md").rename(folder / "parental.md")
    assert counts(run(source)) == {"seen": 2, "changed": 1, "renamed": 1, "deleted": 1}
    embedded: list[str] = []
    embed = get_embedder().embed_passages

    def recorded(texts: list[str]) -> Any:
        embedded.extend(texts)
        return embed(texts)

    monkeypatch.setattr(get_embedder(), "embed_passages", recorded)
    ingest_all(tenant)
    assert len(embedded) == 1
    assert Document.objects.get(public_id="hb/parental.md").pk == leave
    assert states() == {"hb/parental.md": "live", "hb/pump.txt": "live", "hb/valve.txt": "deleted"}


@pytest.mark.usefixtures("redis", "transactional_db")
def test_a_touched_file_with_the_same_bytes_is_unchanged(source: Source, folder: Path) -> None:
    run(source)
    os.utime(folder / "pump.txt", (1, 1))
    assert counts(run(source)) == {"seen": 3, "unchanged": 3}


@pytest.mark.usefixtures("redis", "transactional_db")
def test_a_file_that_comes_back_is_added_again(source: Source, folder: Path) -> None:
    run(source)
    (folder / "pump.txt").rename(folder.parent / "pump.txt")
    assert counts(run(source))["deleted"] == 1
    (folder.parent / "pump.txt").rename(folder / "pump.txt")
    assert counts(run(source))["added"] == 1
    assert Document.objects.get(public_id="hb/pump.txt").state == "pending"


@pytest.mark.usefixtures("redis", "transactional_db")
def test_an_emptied_folder_deletes_nothing_unless_it_is_allowed(source: Source, folder: Path) -> None:
    run(source)
    for path in [*folder.rglob("*.txt"), *folder.rglob("*.md")]:
        path.unlink()
    failed = run(source)
    assert failed.state == "failed"
    assert "allow_empty" in failed.reason
    assert "deleted" not in states().values()
    source.config = {**source.config, "allow_empty": True}
    source.save()
    assert counts(run(source)) == {"deleted": 3}


@pytest.mark.usefixtures("redis", "transactional_db")
def test_a_folder_that_is_gone_fails_and_deletes_nothing(source: Source, folder: Path) -> None:
    run(source)
    folder.rename(folder.parent / "elsewhere")
    failed = run(source)
    assert (failed.state, "is not there" in failed.reason) == ("failed", True)
    assert "deleted" not in states().values()


@pytest.mark.usefixtures("redis", "transactional_db")
def test_include_and_exclude_patterns_hold(tenant: Tenant, folder: Path) -> None:
    config = {"path": str(folder), "include": ["*.md", "*.txt"], "exclude": ["hr", "valve*"]}
    run(sources.create(tenant, kind="folder", config=config, slug="some"))
    assert set(states()) == {"some/pump.txt"}


@pytest.mark.usefixtures("redis", "transactional_db")
def test_a_link_that_leads_out_of_the_folder_is_passed_over(source: Source, folder: Path) -> None:
    secret = folder.parent / "secret.txt"
    secret.write_text("outside")
    (folder / "link.txt").symlink_to(secret)
    run(source)
    assert "hb/link.txt" not in states()


@pytest.mark.usefixtures("redis", "transactional_db")
def test_the_metadata_file_gives_fields_and_its_change_is_noticed(tenant: Tenant, folder: Path) -> None:
    sidecar = folder.parent / "metadata.json"
    sidecar.write_text('{"pump.txt": {"title": "Pump", "metadata": {"year": 2024}, "access": ["ops"]}}')
    config = {"path": str(folder), "metadata_file": "../metadata.json"}
    source = sources.create(tenant, kind="folder", config=config, slug="hb")
    run(source)
    pump = Document.objects.get(public_id="hb/pump.txt")
    assert (pump.title, pump.metadata, pump.access) == ("Pump", {"year": 2024}, ["ops"])
    sidecar.write_text('{"pump.txt": {"title": "Pump", "metadata": {"year": 2025}, "access": ["ops"]}}')
    assert counts(run(source)) == {"seen": 3, "changed": 1, "unchanged": 2}


@pytest.mark.usefixtures("redis", "transactional_db")
def test_an_item_with_bad_metadata_is_refused_by_name_and_the_others_are_taken(
    tenant: Tenant, folder: Path
) -> None:
    (folder.parent / "metadata.json").write_text('{"pump.txt": {"colour": "red"}}')
    config = {"path": str(folder), "metadata_file": "../metadata.json"}
    refused = run(sources.create(tenant, kind="folder", config=config, slug="hb"))
    assert counts(refused) == {"seen": 3, "added": 2, "refused": 1}
    assert "colour" in SourceItem.objects.get(external_id="pump.txt").reason


@pytest.mark.usefixtures("redis", "transactional_db")
def test_a_cancelled_sync_stops_and_deletes_nothing(source: Source, folder: Path) -> None:
    run(source)
    (folder / "pump.txt").unlink()
    waiting = sync.start(source)
    sync.request_cancel(waiting)
    jobs.run_sync(waiting.pk)
    waiting.refresh_from_db()
    assert waiting.state == "cancelled"
    assert "deleted" not in states().values()


@pytest.mark.usefixtures("redis", "transactional_db")
def test_a_synced_document_can_not_be_written_through_the_api(source: Source, tenant: Tenant) -> None:
    from ingestion.exceptions import SyncedDocument
    from tests.factories import accept

    run(source)
    with pytest.raises(SyncedDocument):
        accept(tenant, "hb/pump.txt", "Other text.")
    with pytest.raises(SyncedDocument):
        documents.change(Document.objects.get(public_id="hb/pump.txt"), documents.DocumentFieldsInput())


@pytest.mark.parametrize(
    ("config", "named"),
    [({}, "path"), ({"path": "/tmp", "include": "*.md"}, "include"), ({"path": "/tmp", "depth": 3}, "depth")],
)
def test_a_bad_config_is_refused_by_the_key_that_is_wrong(config: dict[str, Any], named: str) -> None:
    with pytest.raises(SourceError, match=named):
        open_connector("folder", config)
