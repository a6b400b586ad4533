"""Putting back what a document was made from before its content changed.

What was pushed is accepted again. A source's document gets its former text, until the source changes it the next time.
"""

from dataclasses import dataclass

from django.db import transaction

from ingestion import doorbell, former, outbox
from ingestion.exceptions import IngestionError
from ingestion.models import FormerContent, IngestionTask, SourceItem, StoredElements
from ingestion.services import documents
from ingestion.services.documents import Content, Incoming
from search.models import Document, Expectation


class PutBackRefused(IngestionError):
    """A former content that can't be put back now; the message says why."""

    code = "put_back_refused"
    status = 409


@dataclass(frozen=True, slots=True)
class Offer:
    """A document that may have turned an expectation red, and its content of when that held; None: as it is now."""

    document: Document
    content: FormerContent | None


def offers(expectation: Expectation) -> list[Offer]:
    """What could be put back for a red expectation: the documents that it names, or that bore it out."""
    if expectation.state != Expectation.State.RED:
        return []
    keys = [expectation.document_id] if expectation.document_id else expectation.witnesses
    suspects = Document.objects.filter(pk__in=keys).order_by("title", "pk")
    return [Offer(document, _live_when_green(document, expectation)) for document in suspects]


def _live_when_green(document: Document, expectation: Expectation) -> FormerContent | None:
    """The first that was replaced since it was last green; if it never was, the last."""
    kept = FormerContent.objects.filter(document=document)
    if expectation.green_at is None:
        return kept.order_by("-pk").first()
    return kept.filter(replaced_at__gte=expectation.green_at).order_by("pk").first()


def put_back(content: FormerContent) -> IngestionTask:
    """Open the task that makes a document what it was. What it is now is kept in turn.

    Raises PutBackRefused, DocumentRefused.
    """
    with transaction.atomic():
        document = Document.objects.select_for_update().get(pk=content.document_id)
        if document.tasks.filter(state__in=IngestionTask.OPEN).exists():
            raise PutBackRefused(f"{document} is being ingested. Try again when that is done.")
        task = _push_again(document, content) if content.was_pushed else _give_text(document, content)
        former.remove([content])
        return task


def _push_again(document: Document, content: FormerContent) -> IngestionTask:
    data = former.original_bytes(content)
    incoming = Incoming(
        document.public_id,
        documents.fields_of(document),
        Content(data, content.media_type, content.filename),
        in_file=bool(content.file),
    )
    return documents.accept(document.tenant, incoming).task


def _give_text(document: Document, content: FormerContent) -> IngestionTask:
    """The text and its hash are put where the source's are, so that the task finds them and no sync sees a change."""
    now = StoredElements.objects.get(document=document)
    former.keep_elements([now])
    now.content_hash, now.data = content.content_hash, content.elements
    now.save()
    SourceItem.objects.filter(document=document).update(content_hash=content.content_hash)
    document.revision += 1
    document.save(update_fields=["revision", "updated_at"])
    [task] = outbox.open_tasks([document], priority=IngestionTask.Priority.CHANGE)
    doorbell.ring_for_tasks(document.tenant_id)
    return task
