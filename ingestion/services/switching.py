"""The two transactions of a claim: editions are opened before their chunks are written, and go live after.

Each is a few statements for all documents of the claim, so that SQLite's one write lock is held for milliseconds.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Any

from django.db import transaction
from django.db.models import F, QuerySet

from ingestion import content, outbox
from ingestion.outbox import Claim, Finished
from ingestion.services.preparation import Draft, Work
from search.models import DisabledPassage, Document, Edition, SearchIndex, Tenant
from search.types import parse_chunk_id

State = Edition.State


def open_editions(works: Sequence[Work]) -> list[Work]:
    """Commit a row for every edition before its first chunk is written, so that every id ever written is known."""
    with transaction.atomic():
        content.keep({work.document.pk: work.text for work in works if work.text is not None})
        last_numbers = _counted_up(works)
        opened = [
            replace(
                work, drafts=_opened(work.document, work.drafts, last=last_numbers.get(work.document.pk, 0))
            )
            for work in works
        ]
        Edition.objects.bulk_create([edition for work in opened for edition in work.editions])
    return opened


def _counted_up(works: Sequence[Work]) -> dict[int, int]:
    """The last edition's number by document id, after all drafts were given theirs."""
    drafts = Counter({work.document.pk: len(work.drafts) for work in works if work.drafts})
    for count in set(drafts.values()):
        ids = [document_id for document_id, number in drafts.items() if number == count]
        Document.objects.filter(pk__in=ids).update(last_edition=F("last_edition") + count)
    return dict(Document.objects.filter(pk__in=drafts).values_list("pk", "last_edition"))


def _opened(document: Document, drafts: tuple[Draft, ...], *, last: int) -> tuple[Draft, ...]:
    first = last - len(drafts) + 1
    return tuple(
        replace(
            draft,
            edition=Edition(
                document=document,
                index=draft.version,
                number=number,
                revision=document.revision,
                content_hash=draft.content_hash,
                chunk_count=len(draft.chunks),
            ),
        )
        for number, draft in enumerate(drafts, start=first)
    )


def switch(claim: Claim, tenant: Tenant, works: Sequence[Work]) -> None:
    """One transaction: the tasks still held by this claim go live, and the tenant's content version grows once."""
    if not works:
        return
    with transaction.atomic():
        held = outbox.still_held(claim)
        refused = [work for work in works if work.refusals and work.task.pk in held]
        _abandon([work for work in works if work.refusals or work.task.pk not in held])
        for work in refused:
            outbox.fail(work.task, code="refused_by_index", reason=work.refusals[0])
        _go_live([work for work in works if not work.refusals and work.task.pk in held])
        Tenant.objects.filter(pk=tenant.pk).update(content_version=F("content_version") + 1)
        SearchIndex.objects.filter(tenant=tenant).update(
            changes_since_probe=F("changes_since_probe") + len(works)
        )


def _abandon(works: Iterable[Work]) -> None:
    """Their editions never go live; their chunks are removed."""
    for edition in (edition for work in works for edition in work.editions):
        edition.state = State.RETIRED
        edition.save()  # makes the row again if who took over has removed it with the chunks known then


def _go_live(works: Sequence[Work]) -> None:
    documents = Document.objects.select_for_update().in_bulk([work.document.pk for work in works])
    deleted = {pk for pk, document in documents.items() if document.state == Document.State.DELETED}
    if deleted:
        Edition.objects.filter(document__in=deleted).update(state=State.RETIRED)
    switched = [work for work in works if work.document.pk not in deleted]
    _switch_editions(switched)
    _keep_disabled(switched)
    _update_grouped(
        Document.objects.all(),
        [(work.document.pk, _changes(documents[work.document.pk], work)) for work in works],
    )
    outbox.finish(
        [
            Finished(
                task=work.task,
                read_revision=work.document.revision,
                current_revision=documents[work.document.pk].revision,
                chunks=sum(len(draft.chunks) for draft in work.drafts),
            )
            for work in works
        ]
    )


def _switch_editions(works: Sequence[Work]) -> None:
    new = {(edition.document_id, edition.index_id): edition for work in works for edition in work.editions}
    others = Edition.objects.filter(
        document__in={document_id for document_id, _ in new},
        index__in={index_id for _, index_id in new},
        state__in=[State.WRITING, State.LIVE],
    )
    older = [
        pk
        for pk, document_id, index_id, number in others.values_list("pk", "document_id", "index_id", "number")
        if (edition := new.get((document_id, index_id))) is not None and number < edition.number
    ]
    Edition.objects.filter(pk__in=older).update(state=State.RETIRED)
    Edition.objects.filter(pk__in=[edition.pk for edition in new.values()]).update(state=State.LIVE)
    revisions = [
        (edition.pk, {"revision": work.document.revision}) for work in works for edition in work.updates
    ]
    _update_grouped(Edition.objects.all(), revisions)


def _keep_disabled(works: Sequence[Work]) -> None:
    """What a content manager switched off stays off in new editions that say it again."""
    drafts = {work.document.pk: work.drafts for work in works if work.drafts}
    passages = list(DisabledPassage.objects.filter(document__in=drafts))
    live = Edition.objects.filter(document__in={one.document_id for one in passages}, state=State.LIVE)
    numbers = set(live.values_list("document_id", "number"))
    for passage in passages:
        kept = [chunk_id for chunk_id in passage.chunk_ids if parse_chunk_id(chunk_id)[:2] in numbers]
        passage.chunk_ids = kept + [
            f"{passage.document_id}:{draft.edition.number}:{chunk.ordinal}"
            for draft in drafts[passage.document_id]
            for chunk in draft.chunks
            if draft.edition is not None and chunk.text == passage.text
        ]
    DisabledPassage.objects.bulk_update(passages, ["chunk_ids"])


def _changes(document: Document, work: Work) -> dict[str, Any]:
    """What is to be said of the document as it is now, given what was found in the revision that was read."""
    is_deleted = document.state == Document.State.DELETED
    is_current = document.revision == work.document.revision
    wanted: dict[str, Any] = {} if is_deleted else {"state": Document.State.LIVE}
    if is_current and not is_deleted:
        wanted |= {"title": work.document.title, "language": work.document.language}
    # A deletion is acknowledged once its chunks are gone: see ingest.remove_retired.
    wanted["hides_unacknowledged"] = is_deleted or (document.hides_unacknowledged and not is_current)
    return {name: value for name, value in wanted.items() if getattr(document, name) != value}


def _update_grouped(rows: "QuerySet[Any]", changes: Iterable[tuple[int, dict[str, Any]]]) -> None:
    """One statement for all rows that get the same value of a field."""
    groups: dict[tuple[str, Any], list[int]] = {}
    for pk, values in changes:
        for name, value in values.items():
            groups.setdefault((name, value), []).append(pk)
    for (name, value), pks in groups.items():
        rows.filter(pk__in=pks).update(**{name: value})
