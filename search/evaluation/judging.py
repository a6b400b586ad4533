"""Judged queries as records: kept from files, from readers' feedback and by hand.

A person's grade stands before that of a file, and a file's before readers' thumbs.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from hashlib import sha256

from search.evaluation.imports import Imported, ImportedQuery
from search.models import Document, Feedback, JudgedQuery, Judgement, QuerySet

_AT_ONCE = 500  # rows of one write transaction
_HELPFUL, _UNHELPFUL = 2, 0
Origin = Judgement.Origin
_BY_STRENGTH = (Origin.MANUAL, Origin.IMPORT, Origin.FEEDBACK, Origin.CLICK)


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
    """Take readers' thumbs on results as grades: 2 where more found a document helpful than not, else 0.

    Only ratings whose query was kept count; a query that the set does not have is added.
    """
    rows = Feedback.objects.filter(tenant_id=query_set.tenant_id).exclude(query="").exclude(document="")
    votes: dict[str, dict[str, int]] = {}
    for query, document, rating in rows.values_list("query", "document", "rating").iterator():
        of_query = votes.setdefault(query, {})
        of_query[document] = of_query.get(document, 0) + rating
    known = dict(query_set.queries.values_list("text", "public_id"))
    imported = [_voted(text, known.get(text), of_query) for text, of_query in votes.items()]
    _keep_queries(query_set, [query for query in imported if query.text not in known])
    return _keep_grades(query_set, imported, Origin.FEEDBACK)


def _voted(text: str, public_id: str | None, votes: Mapping[str, int]) -> ImportedQuery:
    grades = {name: _HELPFUL if vote > 0 else _UNHELPFUL for name, vote in votes.items() if vote}
    name = public_id or f"feedback-{sha256(text.encode()).hexdigest()[:12]}"
    return ImportedQuery(name, text, grades=grades)
