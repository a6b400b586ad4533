"""The page's view models, without a server: addresses, facets, snippets, answers."""

from typing import Any

import pytest
from django.http import QueryDict

from search import page, page_facets
from search.context import without_overlap
from search.exceptions import InvalidRequest, OpenSearchUnavailable
from search.filters import schema_of
from search.page_query import PageQuery, facet_fields
from search.support import Reason
from search.types import Mode

SCHEMA = schema_of([("team", "keyword"), ("year", "number"), ("draft", "boolean"), ("due", "date")])


def query_of(address: str) -> PageQuery:
    return PageQuery.from_params(QueryDict(address), max_characters=100)


def hit(**changes: Any) -> dict[str, Any]:
    document = {"id": "a/b c?.md", "title": "Title", "url": "", "metadata": {}} | changes.pop("document", {})
    chunk = {"id": "1:1:4", "ordinal": 4, "text": "Some text.", "headings": [], "page": None} | changes.pop(
        "chunk", {}
    )
    scores = {"lexical": 1.0, "vector": None, "fused": 0.5, "rerank": None}
    return {"document": document, "chunk": chunk, "score": 1.0, "scores": scores, "highlights": []} | changes


def test_an_address_becomes_a_typed_filter() -> None:
    query = query_of("q=pump&f.team=hr&f.team=it&f.year=2025&f.year=..2000&f.draft=true&f.due=2024")
    assert query.facet_filters(SCHEMA) == {
        "draft": [True],
        "due": ["2024"],
        "team": ["hr", "it"],
        "year": [2025, "..2000"],
    }


def test_an_address_survives_the_way_through_a_query() -> None:
    query = query_of("q=a%26b&mode=lexical&f.team=h%26r&page=3")
    assert query_of(query.url()[1:]) == query


@pytest.mark.parametrize(
    "address",
    ["q=x&mode=magic", "q=x&page=0", "q=x&page=-1", "q=x&page=²", "q=x&page=99999999999", "q=" + "x" * 101],
)
def test_an_address_that_the_page_would_not_make_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequest):
        query_of(address)


@pytest.mark.parametrize("address", ["q=x&f.gone=1", "q=x&f.year=abc"])
def test_a_filter_on_a_lost_field_or_of_a_wrong_type_is_refused(address: str) -> None:
    with pytest.raises(InvalidRequest):
        query_of(address).search_request(SCHEMA)


def test_built_in_fields_are_counted_first_and_dates_by_year() -> None:
    assert facet_fields(SCHEMA) == [
        "source",
        "media_type",
        "language",
        "published_at",
        "draft",
        "due",
        "team",
        "year",
    ]
    intervals = {facet.field: facet.interval for facet in query_of("q=x").search_request(SCHEMA).facets}
    assert (intervals["due"], intervals["year"]) == ("year", None)


def test_ticked_values_are_selections_that_leave_their_own_counts_alone() -> None:
    request = query_of("q=x&f.team=hr&f.year=2025").search_request(SCHEMA)
    assert request.facet_filters == {"team": ["hr"], "year": [2025]}
    assert request.filters is None


def test_a_facet_that_does_not_divide_the_results_is_left_out() -> None:
    counted = {
        "source": [{"value": "one", "count": 9}],
        "team": [{"value": "hr", "count": 2}, {"value": "it", "count": 7}],
        "year": [{"value": 2024.0, "count": 1}, {"value": 2025.0, "count": 1}],
    }
    views = page_facets.facet_views(counted, query_of("q=x"), SCHEMA)
    assert [(view.name, [(value.label, value.count) for value in view.values]) for view in views] == [
        ("team", [("it", 7), ("hr", 2)])
    ]


def test_a_number_of_too_many_values_takes_a_range() -> None:
    counted = {"year": [{"value": float(year), "count": 1} for year in range(1950, 2000)]}
    [view] = page_facets.facet_views(counted, query_of("q=x"), SCHEMA)
    assert (view.is_range, view.start, view.end) == (True, "", "")
    query = query_of("q=x&from.year=1960&to.year=1970")
    assert query.facet_filters(SCHEMA) == {"year": ["1960..1970"]}
    assert query_of(query.url()[1:]) == query
    [view] = page_facets.facet_views({"year": []}, query, SCHEMA)
    assert (view.is_range, view.start, view.end) == (True, "1960", "1970")
    assert query_of("q=x&from.year=&to.year=").facet_filters(SCHEMA) is None


def test_the_page_offers_to_sort_by_dates_and_numbers() -> None:
    offered = dict(page.sorts(SCHEMA))
    assert offered["-published_at"] == "Published, newest first"
    assert offered["year"] == "Year, lowest first"
    assert "team" not in offered
    assert query_of("q=x&sort=-year").search_request(SCHEMA).sort == "-year"
    assert query_of("q=x&sort=-year&mode=vector").search_request(SCHEMA).sort == "relevance"


def test_further_passages_of_a_document_are_shown_with_their_place() -> None:
    passage = {
        "chunk": {"id": "1:1:5", "ordinal": 5, "text": "t", "headings": ["Title", "Care"], "page": 3},
        "highlights": ["<mark>t</mark>", "more"],
    }
    [more] = page.hit_view(hit(more=[passage]), document_url="/d").more
    assert (more.href, more.headings, more.page) == ("/d?id=a%2Fb+c%3F.md&at=5#passage-5", ("Care",), 3)
    assert more.snippets == ("<mark>t</mark>",)


def test_a_ticked_value_stays_visible_when_nothing_has_it_any_more() -> None:
    [view] = page_facets.facet_views({"team": []}, query_of("q=x&f.team=hr"), SCHEMA)
    assert [(value.value, value.is_selected) for value in view.values] == [("hr", True)]


def test_a_value_without_text_has_a_name() -> None:
    counted = {"source": [{"value": "", "count": 2}, {"value": "site", "count": 3}]}
    [view] = page_facets.facet_views(counted, query_of("q=x&f.source="), SCHEMA)
    assert [(value.label, value.is_selected) for value in view.values] == [("site", False), ("(none)", True)]


def test_a_snippet_keeps_no_tag_but_mark() -> None:
    evil = '<mark>a</mark><script>alert(1)</script><img src=x onerror=alert(1)><mark onclick="x()">b</mark>'
    shown = page.hit_view(hit(highlights=[evil]), document_url="/d").snippets
    assert shown == ("<mark>a</mark><mark>b</mark>",)


def test_a_hit_without_highlights_shows_its_escaped_text() -> None:
    shown = page.hit_view(hit(chunk={"text": "<b>x</b> " + "word " * 200}), document_url="/d").snippets
    assert shown[0].startswith("&lt;b&gt;x&lt;/b&gt; word")
    assert shown[0].endswith(" …")


def test_a_snippet_leaves_out_the_title_and_headings_that_are_shown_above() -> None:
    fragment = "Wipe the <mark>lens</mark>.\n\nTitle\n\nCare of <mark>lenses</mark>"
    view = page.hit_view(
        hit(highlights=[fragment], chunk={"headings": ["Care of lenses"]}), document_url="/d"
    )
    assert view.snippets == ("Wipe the <mark>lens</mark>.",)


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "data:text/html,x", "//evil.example", " JavaScript:x", "/x"]
)
def test_only_web_addresses_are_linked(url: str) -> None:
    assert page.hit_view(hit(document={"url": url}), document_url="/d").original == ""


def test_an_id_of_any_characters_leads_to_its_document() -> None:
    assert page.hit_view(hit(), document_url="/d").href == "/d?id=a%2Fb+c%3F.md&at=4#passage-4"


def test_an_answer_links_its_markers_and_escapes_the_rest() -> None:
    citation = {
        "marker": "[1]",
        "document": {"id": "x", "title": "<i>T</i>", "url": "", "metadata": {}},
        "chunk": {"id": "1:1:0", "ordinal": 0},
        "quote": "q",
        "url": "",
    }
    body = {"answer": "<b>Yes</b> [1], no [2].", "citations": [citation], "refused": False}
    body |= {"request_id": "r", "generator": "extractive", "degraded": [], "unsupported": []}
    view = page.answer_view(body, document_url="/d")
    assert view.text == (
        '&lt;b&gt;Yes&lt;/b&gt; <a class="cite" href="#source-1" aria-label="Source 1">1</a>, no [2].'
    )
    assert [source.href for source in view.sources] == ["/d?id=x&at=0#passage-0"]


@pytest.mark.parametrize(
    ("cache", "seconds", "told"),
    [
        ("response", 3.2, "Given a moment ago to this question"),
        ("semantic", 61.0, "Given 1 minute ago to “What is <it>?”"),
        ("semantic", 7300.0, "Given 2 hours ago to “What is <it>?”"),
    ],
)
def test_an_answer_from_a_cache_says_its_age_and_its_question(cache: str, seconds: float, told: str) -> None:
    body = {"answer": "It runs.", "citations": [], "refused": False, "request_id": "r", "generator": "m"}
    body |= {"degraded": [], "unsupported": [], "cache": cache}
    assert page.answer_view(body, document_url="/d").cached == ""
    body["cached"] = {"question": "What is <it>?", "age_seconds": seconds}
    assert page.answer_view(body, document_url="/d").cached == told


def test_a_sentence_without_support_is_marked_and_says_why() -> None:
    one = {"sentence": "It costs <b>9</b>.", "reason": "number", "removed": False}
    gone = {"sentence": "It is red.", "reason": "word", "removed": True}
    body = {"answer": "It runs. It costs <b>9</b>. So.", "citations": [], "refused": False}
    body |= {"request_id": "r", "generator": "m", "degraded": [], "unsupported": [gone, one]}
    assert page.answer_view(body, document_url="/d").text == (
        'It runs. <span class="unsupported" title="The source gives another number.">It costs &lt;b&gt;9&lt;/b&gt;.'
        '<span class="visually-hidden"> (The source gives another number.)</span></span> So.'
    )


def test_every_reason_of_the_checker_has_its_words() -> None:
    assert set(page.UNSUPPORTED) == set(Reason)


def test_an_unknown_reason_is_still_said() -> None:
    assert page.notices(["something_new"]) == ("Something had to be left out (something_new).",)


def test_there_is_no_next_page_behind_the_last_hit() -> None:
    query = PageQuery("x", Mode.HYBRID)
    assert page.paging(query, hits=10, total={"value": 10, "relation": "eq"}).next == ""
    assert page.paging(query, hits=10, total={"value": 11, "relation": "eq"}).next == "?q=x&page=2"


def test_an_outage_is_told_kindly_and_a_mistake_exactly() -> None:
    assert "try again" in page.problem(OpenSearchUnavailable("10.0.0.3:9200 refused")).text
    assert page.problem(InvalidRequest("There is no page 0.")).text == "There is no page 0."


def test_neighbouring_passages_do_not_repeat_what_they_share() -> None:
    assert without_overlap("One. Two is here. Three too.", "Three too. Four.") == "Four."
    assert without_overlap("One.", "Another.") == "Another."
