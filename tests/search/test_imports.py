"""Judged queries from BEIR, TREC and CSV files, and what is kept of them."""

import pytest

from search.evaluation import judging
from search.evaluation.datasets import DatasetError
from search.evaluation.imports import ImportedQuery, TextFile, read_beir, read_csv, read_trec
from search.models import Document, Feedback, JudgedQuery, Judgement, QuerySet, Tenant

QUERIES = TextFile(
    "queries.jsonl",
    '{"_id": "1", "text": "water"}\n\n'
    '{"_id": 2, "text": "oil", "language": "en", "filters": {"field": "year", "op": "eq", "value": 1}}\n'
    '{"_id": "3", "text": "air", "answerable": false}\n',
)
QRELS = TextFile("test.tsv", "query-id\tcorpus-id\tscore\n1\tp1\t2\n1\tp2\t0\n2\tp/3 x\t-1\n")
TOPICS = TextFile(
    "topics",
    "<top>\n<num> Number: 301\n<title> Topic: international\n organized crime\n<desc> ...\n</top>\n"
    "<top>\n<num>302</num>\n<title>polio</title>\n</top>\n",
)
TREC_QRELS = TextFile("qrels", "301 0 FT1 1\n301 0 FT2 -2\n302 Q0 FT3 4\n")
TABLE = TextFile(
    "judged.csv",
    "query,document,grade,language,unanswerable\n"
    '"pumps, and valves",a,3,en,\n"pumps, and valves",b,0,en,\nwho,,,,yes\n',
)


def test_a_beir_folder_gives_queries_with_grades() -> None:
    first, second, third = read_beir(QUERIES, QRELS)
    assert (first.id, first.text, first.grades) == ("1", "water", {"p1": 2, "p2": 0})
    assert (second.language, second.grades) == ("en", {"p/3 x": 0})
    assert second.filters == {"field": "year", "op": "eq", "value": 1}
    assert (first.is_unanswerable, third.is_unanswerable) == (False, True)


def test_trec_topics_are_read_in_their_old_and_their_closed_form() -> None:
    first, second = read_trec(TOPICS, TREC_QRELS)
    assert (first.id, first.text) == ("301", "international organized crime")
    assert (first.grades, second.text, second.grades) == ({"FT1": 1, "FT2": 0}, "polio", {"FT3": 4})


def test_trec_topics_may_be_lines() -> None:
    (only,) = read_trec(TextFile("topics.tsv", "7\twhat is a pump\n"), TextFile("qrels", "7 0 d 1"))
    assert (only.id, only.text, only.grades) == ("7", "what is a pump", {"d": 1})


def test_in_a_table_equal_texts_are_one_query() -> None:
    first, second = read_csv(TABLE)
    assert (first.text, first.grades, first.language) == ("pumps, and valves", {"a": 3, "b": 0}, "en")
    assert (second.text, second.is_unanswerable, second.grades) == ("who", True, {})


@pytest.mark.parametrize(
    ("queries", "qrels", "message"),
    [
        ('{"_id": "1", "text": "a"}\n{oops', "1\td\t1", r"queries:2: not JSON"),
        ('{"_id": "1"}', "1\td\t1", r"queries:1: text is missing"),
        ('{"_id": "1", "text": "a"}\n' * 2, "1\td\t1", r"queries:2: the query '1' is there twice"),
        ('{"_id": "1", "text": "a"}', "1\td", r"qrels:1: expected query-id"),
        ('{"_id": "1", "text": "a"}', "1\td\t1\n9\td\t1", r"qrels:2: there is no query '9'"),
        ('{"_id": "1", "text": "a"}', "1\td\tgood", r"qrels:1: the grade 'good'"),
        ('{"_id": "1", "text": "a"}', "1\td\t5", r"qrels:1: the grade 5 is over 4"),
        ('["no object"]', "", r"queries:1: not an object"),
    ],
)
def test_a_wrong_line_of_beir_is_named(queries: str, qrels: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_beir(TextFile("queries", queries), TextFile("qrels", qrels))


@pytest.mark.parametrize(
    ("table", "message"),
    [
        ("", "the column 'query' is missing"),
        ("query,grade\n", r"t:1: the column 'document' is missing"),
        ("query,document,grade,colour\n", r"t:1: there is no column 'colour'"),
        ("query,document,grade\n\na,b\n", r"t:3: expected 3 cells and found 2"),
        ("query,document,grade\n,b,1\n", r"t:2: the query is missing"),
        ("query,document,grade\na,,\n", r"t:2: the document is missing"),
        ("query,document,grade\na,b,x\n", r"t:2: the grade 'x'"),
        ("query_id,query,document,grade\n1,a,b,1\n1,c,d,1\n", r"t:3: the query '1' has another text"),
        ('query,document,grade,filters\na,b,1,"{""field"""\n', r"t:2: not JSON"),
        ('query,document,grade\n"a,b,1\n', r"t:\d: not CSV"),
    ],
)
def test_a_wrong_line_of_a_table_is_named(table: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_csv(TextFile("t", table))


@pytest.mark.parametrize(
    ("topics", "qrels", "message"),
    [
        ("<top><title>x</title></top>", "", "topics:1: the topic has no <num>"),
        ("\n<top><num>1</num></top>", "", "topics:2: the topic has no <title>"),
        ("no tab here", "", "topics:1: expected a number and a text"),
        ("1\tx", "1 0 d", "qrels:1: expected topic"),
    ],
)
def test_a_wrong_line_of_trec_is_named(topics: str, qrels: str, message: str) -> None:
    with pytest.raises(DatasetError, match=message):
        read_trec(TextFile("topics", topics), TextFile("qrels", qrels))


@pytest.fixture
def query_set(tenant: Tenant) -> QuerySet:
    for name in ("p1", "p2"):
        Document.objects.create(tenant=tenant, public_id=name)
    return QuerySet.objects.create(tenant=tenant, name="Set")


def grades(query_set: QuerySet, public_id: str) -> dict[str, tuple[int, str]]:
    rows = Judgement.objects.filter(query__query_set=query_set, query__public_id=public_id)
    return {
        document: (grade, origin)
        for document, grade, origin in rows.values_list("document", "grade", "origin")
    }


def test_what_was_imported_is_kept_and_documents_that_are_not_there_are_named(query_set: QuerySet) -> None:
    kept = judging.keep(query_set, read_beir(QUERIES, QRELS))
    assert (kept.queries, kept.judgements, kept.unknown_documents) == (3, 3, ("p/3 x",))
    assert grades(query_set, "1") == {"p1": (2, "import"), "p2": (0, "import")}
    assert query_set.queries.get(public_id="3").is_unanswerable


def test_an_import_may_be_repeated(query_set: QuerySet) -> None:
    judging.keep(query_set, read_beir(QUERIES, QRELS))
    changed = [ImportedQuery("1", "clear water", grades={"p1": 4})]
    judging.keep(query_set, changed)
    assert query_set.queries.count() == 3
    assert query_set.queries.get(public_id="1").text == "clear water"
    assert grades(query_set, "1")["p1"] == (4, "import")


def test_a_persons_grade_stands(query_set: QuerySet) -> None:
    judging.keep(query_set, read_beir(QUERIES, QRELS))
    query = query_set.queries.get(public_id="1")
    judging.judge(query, "p1", 1)
    judging.keep(query_set, read_beir(QUERIES, QRELS))
    assert grades(query_set, "1")["p1"] == (1, "manual")
    judging.judge(query, "p1", None)
    assert "p1" not in grades(query_set, "1")


def thumb(tenant: Tenant, number: int, query: str, document: str, rating: int) -> None:
    request_id = f"00000000-0000-0000-0000-{number:012d}"
    Feedback.objects.create(
        tenant=tenant, request_id=request_id, query=query, document=document, rating=rating
    )


def test_readers_thumbs_become_grades_by_majority(query_set: QuerySet, tenant: Tenant) -> None:
    made = JudgedQuery.objects.create(
        query_set=query_set,
        public_id="q",
        text="water",
        filters={"field": "x", "op": "exists", "value": True},
    )
    judging.judge(made, "by hand", 4)
    votes = [("p1", 1), ("p1", 1), ("p1", -1), ("p2", -1), ("draw", 1), ("draw", -1), ("by hand", -1)]
    for number, (document, rating) in enumerate(votes):
        thumb(tenant, number, "water", document, rating)
    thumb(tenant, 90, "new words", "p1", 1)
    thumb(tenant, 91, "", "p1", 1)  # its query was not kept
    thumb(Tenant.objects.create(slug="other", name="Other"), 92, "foreign", "p1", 1)
    kept = judging.keep_feedback(query_set)
    assert kept.judgements == 3
    assert grades(query_set, "q") == {
        "by hand": (4, "manual"),
        "p1": (2, "feedback"),
        "p2": (0, "feedback"),
    }
    made.refresh_from_db()
    assert made.filters is not None
    assert set(query_set.queries.values_list("text", flat=True)) == {"water", "new words"}


def test_clicks_become_the_weakest_grades(query_set: QuerySet, tenant: Tenant) -> None:
    made = JudgedQuery.objects.create(query_set=query_set, public_id="q", text="water")
    judging.judge(made, "by hand", 4)
    Judgement.objects.create(query=made, document="imported", grade=0, origin=Judgement.Origin.IMPORT)
    votes = [("p1", 0), ("p1", 0), ("p2", 0), ("p2", -1), ("draw", 1), ("draw", -1), ("draw", 0)]
    votes += [("by hand", 0), ("imported", 0)]
    for number, (document, rating) in enumerate(votes):
        thumb(tenant, number, "water", document, rating)
    thumb(tenant, 90, "new words", "p1", 0)
    kept = judging.keep_feedback(query_set)
    assert (kept.queries, kept.judgements) == (2, 4)
    graded = {
        "by hand": (4, "manual"),
        "imported": (0, "import"),
        "p1": (1, "click"),
        "p2": (0, "feedback"),
        "draw": (1, "click"),
    }
    assert grades(query_set, "q") == graded
    thumb(tenant, 91, "water", "p1", 1)
    judging.keep_feedback(query_set)
    assert grades(query_set, "q") == graded | {"p1": (2, "feedback")}
