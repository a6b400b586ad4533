"""A sync: list the source, compare marks, accept what changed, and delete what a complete listing no longer has.

Steps are committed as they go and can be repeated, so that a killed sync is taken up by another worker from the start.
"""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import islice
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.utils import timezone

from ingestion import content, doorbell, outbox
from ingestion.connectors import Connector, Item, open_connector
from ingestion.exceptions import DocumentRefused, LeaseLost, SourceError, SourceItemError
from ingestion.heartbeat import heartbeat
from ingestion.models import IngestionTask, Source, SourceItem, SyncRun
from ingestion.parsers.media_types import EXTENSIONS
from ingestion.services import documents
from ingestion.services.documents import DocumentFieldsInput
from search.filters import parse_date
from search.models import Document

State = SyncRun.State
ITEMS_AT_ONCE = 200
ACCEPTED_AT_ONCE = 20  # a transaction: SQLite's one write lock is held well under 100 ms
_TEXT_FIELDS = ("title", "url", "language")
_DATE_FIELDS = ("published_at", "visible_from", "expires_at")


@dataclass(frozen=True, slots=True)
class Found:
    """An item whose marks changed: its bytes' hash, and what the source says of it."""

    item: Item
    media_type: str
    content_hash: str
    size: int


def start(source: Source) -> SyncRun:
    """The source's open sync, made or joined."""
    with transaction.atomic():
        run_ = SyncRun.objects.filter(source=source, state__in=[State.PENDING, State.RUNNING]).first()
        run_ = run_ or SyncRun.objects.create(source=source)
        doorbell.ring_for_sync(run_.pk)
        return run_


def due_runs() -> list[int]:
    """Syncs that wait, or whose worker's lease has run out."""
    due = Q(state=State.PENDING) | Q(state=State.RUNNING, leased_until__lt=timezone.now())
    return list(SyncRun.objects.filter(due).values_list("pk", flat=True))


def tenant_of(sync_run_id: int) -> int:
    return SyncRun.objects.values_list("source__tenant_id", flat=True).get(pk=sync_run_id)


def request_cancel(run_: SyncRun) -> None:
    """A waiting sync ends at once, a running one at its next step; what it accepted stays."""
    SyncRun.objects.filter(pk=run_.pk, state=State.PENDING).update(
        state=State.CANCELLED, finished_at=timezone.now()
    )
    SyncRun.objects.filter(pk=run_.pk, state=State.RUNNING).update(cancel_requested=True)


def run(sync_run_id: int) -> None:
    """Run a sync to its end, unless another worker holds it."""
    leased = _lease(sync_run_id)
    if leased is None:
        return
    run_, token = leased
    with heartbeat(lambda: _renew(run_.pk, token)):
        try:
            connector = open_connector(run_.source.kind, run_.source.config)
            state = _Sync(run_, token, connector).run()
        except SourceError as error:
            _end(run_.pk, State.FAILED, reason=str(error))
        except LeaseLost:
            return
        else:
            _end(run_.pk, state, reason="")


def fail(sync_run_id: int, reason: str) -> None:
    """An error that nobody foresaw: tried again by the next sweep, failed after INGESTION_MAX_ATTEMPTS."""
    spent = SyncRun.objects.filter(pk=sync_run_id, attempts__gte=settings.INGESTION_MAX_ATTEMPTS)
    if spent.exists():
        _end(sync_run_id, State.FAILED, reason=reason)
    else:
        retried = SyncRun.objects.filter(pk=sync_run_id, state=State.RUNNING)
        retried.update(state=State.PENDING, lease_token=None, reason=reason)


def _lease(sync_run_id: int) -> tuple[SyncRun, uuid.UUID] | None:
    token, now = uuid.uuid4(), timezone.now()
    free = Q(state=State.PENDING) | Q(state=State.RUNNING, leased_until__lt=now)
    taken = SyncRun.objects.filter(free, pk=sync_run_id).update(
        state=State.RUNNING,
        lease_token=token,
        leased_until=_lease_end(now),
        attempts=F("attempts") + 1,
        started_at=now,
        **dict.fromkeys(("seen", "added", "changed", "renamed", "unchanged", "deleted", "refused"), 0),
    )
    return (SyncRun.objects.select_related("source__tenant").get(pk=sync_run_id), token) if taken else None


def _lease_end(now: datetime) -> datetime:
    return now + timedelta(seconds=settings.INGESTION_LEASE_SECONDS)


def _renew(sync_run_id: int, token: uuid.UUID) -> bool:
    held = SyncRun.objects.filter(pk=sync_run_id, lease_token=token, state=State.RUNNING)
    return held.update(leased_until=_lease_end(timezone.now())) > 0


def _end(sync_run_id: int, state: SyncRun.State, *, reason: str) -> None:
    SyncRun.objects.filter(pk=sync_run_id).update(
        state=state, reason=reason, lease_token=None, finished_at=timezone.now()
    )


class _Sync:
    """One pass. Items are handled some hundred at a time, in short transactions; reading files happens
    outside of them."""

    def __init__(self, run_: SyncRun, token: uuid.UUID, connector: Connector) -> None:
        self.run_, self.token, self.connector = run_, token, connector
        self.source, self.tenant = run_.source, run_.source.tenant
        self.maybe_renamed: list[Found] = []

    def run(self) -> SyncRun.State:
        listing = self.connector.items()
        while part := list(islice(listing, ITEMS_AT_ONCE)):
            if self._is_cancelled():
                return State.CANCELLED
            self._compare(part)
        self._refuse_empty_listing()
        self._add_renamed()
        self._delete_gone()
        return State.DONE

    def _is_cancelled(self) -> bool:
        row = (
            SyncRun.objects.filter(pk=self.run_.pk, lease_token=self.token)
            .values_list("cancel_requested")
            .first()
        )
        if row is None:
            raise LeaseLost("Another worker runs this sync.")
        return bool(row[0])

    def _compare(self, part: list[Item]) -> None:
        """Unchanged marks cost nothing more; changed ones are read and hashed, outside of the transaction."""
        known = {row.external_id: row for row in self._rows([item.external_id for item in part])}
        same = [item for item in part if _same_marks(item, known.get(item.external_id))]
        changed = [item for item in part if not _same_marks(item, known.get(item.external_id))]
        found = [entry for item in changed if (entry := self._read(item)) is not None]
        with transaction.atomic():
            self._mark_seen([item.external_id for item in same])
            self._count(seen=len(part), unchanged=len(same))
        for start_ in range(0, len(found), ACCEPTED_AT_ONCE):
            with transaction.atomic():
                for entry in found[start_ : start_ + ACCEPTED_AT_ONCE]:
                    self._accept(entry, known.get(entry.item.external_id))

    def _accept(self, entry: Found, row: SourceItem | None) -> None:
        if row is not None and row.document_id is not None and not row.is_gone:
            self._accept_change(row, entry)
        elif self._same_content(entry).exists():
            self.maybe_renamed.append(entry)  # known only once the listing is complete
        else:
            self._add(entry)

    def _rows(self, external_ids: list[str]) -> Iterator[SourceItem]:
        rows = SourceItem.objects.filter(source=self.source, external_id__in=external_ids)
        return rows.select_related("document").iterator()

    def _mark_seen(self, external_ids: list[str]) -> None:
        SourceItem.objects.filter(source=self.source, external_id__in=external_ids).update(
            last_seen_run=self.run_
        )

    def _count(self, **counts: int) -> None:
        SyncRun.objects.filter(pk=self.run_.pk).update(**{name: F(name) + by for name, by in counts.items()})

    def _read(self, item: Item) -> Found | None:
        """Hash an item's bytes; an item that is refused is recorded with its reason."""
        media_type = EXTENSIONS.get("." + item.external_id.rsplit(".", 1)[-1].lower(), "")
        if refusal := item.refusal or ("" if media_type else "Its type is not supported."):
            self._refuse(item, refusal)
            return None
        try:
            data = self.connector.read(item.external_id)
        except SourceItemError as error:
            self._refuse(item, str(error))
            return None
        return Found(item, media_type, content.content_hash(data, media_type), len(data))

    def _refuse(self, item: Item, reason: str) -> None:
        """What was live of it stays: the file may be readable again at the next sync."""
        SourceItem.objects.update_or_create(
            source=self.source,
            external_id=item.external_id,
            defaults={"reason": reason, "last_seen_run": self.run_, "mtime_ns": 0, "is_gone": False},
        )
        self._count(refused=1)

    def _accept_change(self, row: SourceItem, entry: Found) -> None:
        unchanged = row.content_hash == entry.content_hash and row.fields_hash == fields_hash(
            entry.item.fields
        )
        if unchanged:
            self._count(unchanged=1)
        elif self._write(row, entry, document=row.document):
            self._count(changed=1)
        self._save_marks(row, entry)

    def _write(self, row: SourceItem, entry: Found, *, document: Document | None) -> bool:
        """Accept an item's document. False when it is refused, which is recorded on the item."""
        public_id = f"{self.source.slug}/{entry.item.external_id}"
        document = document or Document.objects.filter(tenant=self.tenant, public_id=public_id).first()
        document = document or Document(tenant=self.tenant)
        document.public_id, document.source_key = public_id, self.source.slug
        document.media_type = entry.media_type
        try:
            with transaction.atomic():
                fields = input_fields(
                    entry.item.fields, default_url=self.connector.url(entry.item.external_id)
                )
                row.document = documents.save(document, fields)
                outbox.open_tasks(
                    [row.document],
                    priority=IngestionTask.Priority.CHANGE,
                    sizes={row.document.pk: entry.size},
                )
                row.reason = ""
        except DocumentRefused as error:
            row.reason = str(error)
            self._count(refused=1)
            return False
        doorbell.ring_for_tasks(self.tenant.pk)
        return True

    def _save_marks(self, row: SourceItem, entry: Found) -> None:
        row.mtime_ns, row.size = entry.item.mtime_ns, entry.item.size
        row.content_hash, row.fields_hash = entry.content_hash, fields_hash(entry.item.fields)
        row.last_seen_run, row.is_gone = self.run_, False
        row.save()

    def _refuse_empty_listing(self) -> None:
        """An unmounted folder looks empty; taking it at its word would delete everything."""
        known = SourceItem.objects.filter(source=self.source, is_gone=False, document__isnull=False)
        listed = SyncRun.objects.values_list("seen", flat=True).get(pk=self.run_.pk)
        if not listed and known.exists() and not self.source.config.get("allow_empty"):
            raise SourceError(
                f"Nothing was found where {known.count()} documents were: nothing is deleted. If it is meant to be "
                'empty, set "allow_empty": true in the config and sync again.'
            )

    def _add_renamed(self) -> None:
        for start_ in range(0, len(self.maybe_renamed), ACCEPTED_AT_ONCE):
            if self._is_cancelled():
                return
            with transaction.atomic():
                for entry in self.maybe_renamed[start_ : start_ + ACCEPTED_AT_ONCE]:
                    gone = self._same_content(entry).exclude(last_seen_run=self.run_).first()
                    self._rename(gone, entry) if gone else self._add(entry)

    def _add(self, entry: Found) -> None:
        row = SourceItem.objects.filter(source=self.source, external_id=entry.item.external_id).first()
        row = row or SourceItem(source=self.source, external_id=entry.item.external_id)
        if self._write(row, entry, document=row.document):
            self._count(added=1)
        self._save_marks(row, entry)

    def _same_content(self, entry: Found) -> "QuerySet[SourceItem]":
        """Items that hold the same bytes; one that the listing no longer has was renamed to this."""
        same = SourceItem.objects.filter(
            source=self.source, content_hash=entry.content_hash, is_gone=False, document__isnull=False
        )
        return same.select_related("document")

    def _rename(self, row: SourceItem, entry: Found) -> None:
        """The Document stays, under its new id; its chunks are updated in place and nothing is embedded."""
        stale = SourceItem.objects.filter(source=self.source, external_id=entry.item.external_id).exclude(
            pk=row.pk
        )
        stale.delete()
        row.external_id = entry.item.external_id
        if self._write(row, entry, document=row.document):
            self._count(renamed=1)
        self._save_marks(row, entry)

    def _delete_gone(self) -> None:
        while not self._is_cancelled():
            gone = SourceItem.objects.filter(source=self.source, is_gone=False).exclude(
                last_seen_run=self.run_
            )
            part = list(gone.select_related("document")[:ACCEPTED_AT_ONCE])
            if not part:
                return
            with transaction.atomic():
                for row in part:
                    self._delete(row)

    def _delete(self, row: SourceItem) -> None:
        if row.document is not None and row.document.state != Document.State.DELETED:
            documents.delete(row.document)
            self._count(deleted=1)
        row.is_gone, row.content_hash, row.mtime_ns = True, "", 0
        row.save()


def _same_marks(item: Item, row: SourceItem | None) -> bool:
    if row is None or row.is_gone or item.refusal or row.reason:
        return False
    marks = (row.mtime_ns, row.size, row.fields_hash)
    return marks == (item.mtime_ns, item.size, fields_hash(item.fields))


def fields_hash(fields: Mapping[str, Any]) -> str:
    return (
        hashlib.sha256(json.dumps(fields, sort_keys=True, default=str).encode()).hexdigest() if fields else ""
    )


def input_fields(fields: Mapping[str, Any], *, default_url: str) -> DocumentFieldsInput:
    """What a source says of an item, checked. Raises DocumentRefused, naming the field."""
    known = {*_TEXT_FIELDS, *_DATE_FIELDS, "metadata", "access"}
    if unknown := set(fields) - known:
        raise DocumentRefused(
            f"A document has no {', '.join(sorted(unknown))}; it has {', '.join(sorted(known))}."
        )
    access = fields.get("access")
    if not isinstance(fields.get("metadata", {}), dict) or not isinstance(access, list | None):
        raise DocumentRefused("metadata is an object, and access a list of groups.")
    return DocumentFieldsInput(
        title=str(fields.get("title", "")),
        url=str(fields.get("url", default_url)),
        metadata=fields.get("metadata", {}),
        access=access,
        language=str(fields.get("language", "")),
        **{name: _moment(name, fields.get(name)) for name in _DATE_FIELDS},
    )


def _moment(name: str, value: Any) -> datetime | None:
    if value is None:
        return None
    parsed = parse_date(value) if isinstance(value, str) else None
    if parsed is None:
        raise DocumentRefused(f"{name}: {value!r} is not an ISO date.", fields={name: ["Not an ISO date."]})
    if isinstance(parsed, datetime):
        return parsed
    return datetime(parsed.year, parsed.month, parsed.day, tzinfo=timezone.get_default_timezone())
