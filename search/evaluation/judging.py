"""Judged queries as records: kept from files, from readers' feedback and by hand.

A person's grade stands before that of a file, a file's before readers' thumbs, and thumbs before clicks.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from hashlib import sha256

from django.db.models import QuerySet as Rows
from django.db.models import Sum

from search.evaluation.imports import Imported, ImportedQuery
from search.models import Document, Feedback, JudgedQuery, Judgement, QuerySet

_AT_ONCE = 500  # rows of one write transaction
_HELPFUL, _OPENED, _UNHELPFUL = 2, 1, 0
Origin = Judgement.Origin
_BY_STRENGTH = (Origin.MANUAL, Origin.IMPORT, Origin.FEEDBACK, Origin.CLICK)
_Grades = dict[str, dict[str, int]]  # of a document, by its id, by the words of the query


@dataclass(frozen=True, slots=True)
class Kept:
    """What an import left: how many queries and judgements, and judged documents that the tenant does not have."""

    queries: int
    judgements: int
    unknown_documents: tuple[str, ...]


def keep(query_set: QuerySet, imported: Imported) -> Kept:
    """Write queries and grades of files into a set; what is there under the same ids is brought up to date."""
    _keep_queries(query_set, imported)
    return _keep_grades(query_set, imported, Origin.IMPORT)


def _keep_grades(query_set: QuerySet, imported: Imported, origin: str) -> Kept:
    """Grades of a weaker origin give way to these, those of a stronger one stand."""
    ids = dict(query_set.queries.values_list("public_id", "pk"))
    grades = {
        (ids[query.id], document): grade for query in imported for document, grade in query.grades.items()
    }
    stronger = _BY_STRENGTH[: _BY_STRENGTH.index(origin)]
    standing = Judgement.objects.filter(query__query_set=query_set, origin__in=stronger)
    for pair in standing.values_list("query_id", "document"):
        grades.pop(pair, None)
    Judgement.objects.bulk_create(
        [
            Judgement(query_id=query_id, document=document, grade=grade, origin=origin)
            for (query_id, document), grade in grades.items()
        ],
        batch_size=_AT_ONCE,
        update_conflicts=True,
        unique_fields=["query", "document"],
        update_fields=["grade", "origin", "updated_at"],
    )
    return Kept(len(imported), len(grades), _unknown(query_set, {document for _, document in grades}))


def _keep_queries(query_set: QuerySet, imported: Iterable[ImportedQuery]) -> None:
    rows = [
        JudgedQuery(
            query_set=query_set,
            public_id=query.id,
            text=query.text,
            filters=query.filters,
            language=query.language,
            is_unanswerable=query.is_unanswerable,
        )
        for query in imported
    ]
    JudgedQuery.objects.bulk_create(
        rows,
        batch_size=_AT_ONCE,
        update_conflicts=True,
        unique_fields=["query_set", "public_id"],
        update_fields=["text", "filters", "language", "is_unanswerable"],
    )


def _unknown(query_set: QuerySet, documents: set[str]) -> tuple[str, ...]:
    """Judged documents that the tenant does not have, in the order of their ids."""
    missing, names = set(documents), sorted(documents)
    for start in range(0, len(names), _AT_ONCE):
        part = names[start : start + _AT_ONCE]
        known = Document.objects.filter(tenant_id=query_set.tenant_id, public_id__in=part)
        missing -= set(known.values_list("public_id", flat=True))
    return tuple(sorted(missing))


def judge(query: JudgedQuery, document: str, grade: int | None) -> None:
    """A person's grade of a document; None takes it back."""
    if grade is None:
        query.judgements.filter(document=document).delete()
        return
    Judgement.objects.update_or_create(
        query=query, document=document, defaults={"grade": grade, "origin": Origin.MANUAL}
    )


def keep_feedback(query_set: QuerySet) -> Kept:
    """Take what readers said and did as grades: 2 where more found a document helpful than not, 0 where fewer did,
    and 1 where they only opened it. What was not opened is not judged: it may not have been seen.

    Only ratings whose query was kept count; a query that the set does not have is added.
    """
    rows = Feedback.objects.filter(tenant_id=query_set.tenant_id).exclude(query="").exclude(document="")
    found = {Origin.FEEDBACK: _by_thumbs(rows), Origin.CLICK: _by_clicks(rows)}
    known = dict(query_set.queries.values_list("text", "public_id"))
    names = {text: known.get(text) or _name(text) for grades in found.values() for text in grades}
    _keep_queries(query_set, [ImportedQuery(names[text], text) for text in names if text not in known])
    kept = [
        _keep_grades(
            query_set,
            [ImportedQuery(names[text], text, grades=of_query) for text, of_query in grades.items()],
            origin,
        )
        for origin, grades in found.items()
    ]
    unknown = {document for one in kept for document in one.unknown_documents}
    return Kept(len(names), sum(one.judgements for one in kept), tuple(sorted(unknown)))


def _by_thumbs(rows: "Rows[Feedback]") -> _Grades:
    votes = (
        rows.exclude(rating=Feedback.Rating.CLICK).values("query", "document").annotate(vote=Sum("rating"))
    )
    grades: _Grades = {}
    for vote in votes.exclude(vote=0).order_by():
        grade = _HELPFUL if vote["vote"] > 0 else _UNHELPFUL
        grades.setdefault(vote["query"], {})[vote["document"]] = grade
    return grades


def _by_clicks(rows: "Rows[Feedback]") -> _Grades:
    grades: _Grades = {}
    clicks = rows.filter(rating=Feedback.Rating.CLICK).values_list("query", "document").distinct()
    for query, document in clicks.order_by():
        grades.setdefault(query, {})[document] = _OPENED
    return grades


def _name(text: str) -> str:
    return f"feedback-{sha256(text.encode()).hexdigest()[:12]}"
