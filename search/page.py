"""Pure: a search's or an answer's JSON → what the templates show.

Whatever comes from documents is plain text here and escaped by the templates; `_marked` alone gives HTML.
"""

import html
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

import nh3
from django.utils.html import escape, format_html
from django.utils.safestring import SafeString, mark_safe

from search.exceptions import InvalidRequest, SearchError
from search.page_facets import field_label, value_text
from search.page_query import MAX_PAGE, PAGE_SIZE, PageQuery, sort_fields
from search.reading import DocumentPart, Passage
from search.types import FieldSchema, FieldType, Mode

_MAX_CHIPS = 6
_SNIPPET_CHARACTERS = 320
_WEB_URL = re.compile(r"https?://", re.IGNORECASE)
_MARK_TAG = re.compile(r"</?mark>")
_MARKER = re.compile(r"\[(\d{1,3})\]")

MODES = (
    (Mode.HYBRID, "Best match", "Words and meaning together"),
    (Mode.LEXICAL, "Words", "Only passages that hold your words"),
    (Mode.VECTOR, "Meaning", "Passages close in meaning, whatever their words"),
)
_SORT_ENDS = {
    FieldType.DATE: ("oldest first", "newest first"),
    FieldType.NUMBER: ("lowest first", "highest first"),
}
NOTICES = {
    "embedding_unavailable": "Search by meaning is taking a break, so these results match your words only.",
    "rerank_deadline": "The finer ordering of results was not ready in time; they are in their first order.",
    "rewrite_unavailable": "Your words could not be rewritten; they were searched as you typed them.",
    "rerank_unavailable": "The finer ordering of results is not to be had; they are in their first order.",
    "partial_results": "Part of the index did not answer, so some results may be missing.",
    "counts_unavailable": "The counts beside the filters are being brought up to date.",
    "cache_unavailable": "The cache is not reachable; answers may take a little longer.",
    "generation_unavailable": "The language model is not reachable, so here is what was found instead of an answer.",
    "generation_fallback": "The usual language model did not answer; another one wrote this.",
    "budget_exhausted": "This month's budget for answers is used up, so here is what was found instead of an answer.",
    "budget_unavailable": "The budget for answers can't be told now, so here is what was found instead of an answer.",
    "follow_up_by_rule": "The question before yours was added to it, since the language model did not rewrite it.",
    "rerank_not_configured": "No finer ordering is set up; results are in their first order.",
    "citation_removed": "A reference that its source did not support was taken out of the answer.",
    "answer_uncited": "The answer names no source, so treat it with care.",
    "answer_unsupported": "Sentences that their sources do not support are marked, or were left out.",
    "answer_cut": "The answer was cut at its longest allowed length.",
}
# By the reason of search.support, as the tooltip of a marked sentence
UNSUPPORTED = {
    "number": "The source gives another number.",
    "unit": "The source gives another unit.",
    "date": "The source gives another date.",
    "name": "The source does not name this.",
    "negation": "The source says the opposite.",
    "word": "The source has another word here.",
    "missing": "The source does not say this.",
    "uncited": "No source says this.",
}
_UNSUPPORTED_HTML = '<span class="unsupported" title="{}">{}<span class="visually-hidden"> ({})</span></span>'
_SCORES = {"lexical": "Words (BM25)", "vector": "Meaning (cosine)", "fused": "Combined", "rerank": "Reranked"}


@dataclass(frozen=True, slots=True)
class PassageView:
    """A further passage of a result's document."""

    href: str
    headings: tuple[str, ...]
    page: int | None
    snippets: tuple[SafeString, ...]


@dataclass(frozen=True, slots=True)
class HitView:
    """A result as it is shown. `href` is where its title leads; `original` the document's own address, if
    it has one."""

    public_id: str
    title: str
    href: str
    original: str
    headings: tuple[str, ...]
    page: int | None
    snippets: tuple[SafeString, ...]
    chips: tuple[tuple[str, str], ...]
    scores: tuple[tuple[str, str], ...]
    more: tuple[PassageView, ...]
    is_pinned: bool = False


def hit_view(hit: Mapping[str, Any], *, document_url: str) -> HitView:
    document, chunk = hit["document"], hit["chunk"]
    return HitView(
        public_id=document["id"],
        title=document["title"] or document["id"],
        href=passage_url(document_url, document["id"], chunk["ordinal"]),
        original=web_url(document["url"]),
        headings=_path(chunk["headings"], document["title"]),
        page=chunk["page"],
        snippets=_snippets(document, hit),
        chips=chips(document["metadata"]),
        scores=tuple(
            (_SCORES[name], f"{score:.3f}") for name, score in hit["scores"].items() if score is not None
        ),
        more=tuple(_passage_view(document, more, document_url) for more in hit.get("more", ())),
        is_pinned=hit.get("curated") == "pinned",
    )


def _passage_view(document: Mapping[str, Any], passage: Mapping[str, Any], document_url: str) -> PassageView:
    chunk = passage["chunk"]
    return PassageView(
        href=passage_url(document_url, document["id"], chunk["ordinal"]),
        headings=_path(chunk["headings"], document["title"]),
        page=chunk["page"],
        snippets=_snippets(document, passage)[:1],
    )


def _path(headings: Sequence[str], title: str) -> tuple[str, ...]:
    """Where a passage stands; the title is shown already."""
    return tuple(heading for heading in headings if heading.strip().casefold() != title.strip().casefold())


def _snippets(document: Mapping[str, Any], passage: Mapping[str, Any]) -> tuple[SafeString, ...]:
    said = {document["title"].strip(), *(heading.strip() for heading in passage["chunk"]["headings"])}
    fragments = [_without(said, fragment) for fragment in passage["highlights"]]
    if any(fragments):
        return tuple(_marked(fragment) for fragment in fragments if fragment)
    text = passage["chunk"]["text"]
    short = text if len(text) <= _SNIPPET_CHARACTERS else text[:_SNIPPET_CHARACTERS].rsplit(" ", 1)[0] + " …"
    return (SafeString(escape(short)),)


def _without(said: set[str], fragment: str) -> str:
    """A fragment without the title and headings, which the engine's text ends with and the page shows above."""
    blocks = [block.strip() for block in fragment.split("\n\n")]
    return " ".join(block for block in blocks if html.unescape(_MARK_TAG.sub("", block)) not in said)


def _marked(fragment: str) -> SafeString:
    """The engine's escaped fragment; whatever it holds, no tag but <mark> and no attribute comes through."""
    return mark_safe(nh3.clean(fragment, tags={"mark"}, attributes={}))  # noqa: S308


def passage_url(document_url: str, public_id: str, ordinal: int) -> str:
    """Where a passage stands in its document. Ids may hold anything, so they go into the query string."""
    return f"{document_url}?{urlencode({'id': public_id, 'at': ordinal})}#passage-{ordinal}"


def sorts(schema: FieldSchema) -> tuple[tuple[str, str], ...]:
    """(value, label) of each order that the page offers."""
    offered = [("relevance", "Best match")]
    for name in sort_fields(schema):
        rising, falling = _SORT_ENDS[schema[name].type]
        label = "Published" if name == "published_at" else field_label(name)
        offered += [(f"-{name}", f"{label}, {falling}"), (name, f"{label}, {rising}")]
    return tuple(offered)


def web_url(url: str) -> str:
    """An address that may be linked: no javascript:, no data:."""
    return url if _WEB_URL.match(url) else ""


def chips(metadata: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """(field, value) pairs to show; a field that repeats the title says nothing."""
    shown = [
        (name, value) for name, value in metadata.items() if name != "title" and value not in (None, [], "")
    ]
    return tuple((field_label(name), _chip_text(value)) for name, value in shown[:_MAX_CHIPS])


def _chip_text(value: Any) -> str:
    values = value if isinstance(value, list) else [value]
    text = ", ".join(
        {"true": "Yes", "false": "No"}.get(part := value_text(item), part) for item in values[:4]
    )
    return text if len(text) <= 60 else f"{text[:59]}…"


@dataclass(frozen=True, slots=True)
class SourceView:
    """A citation in the list under an answer."""

    number: str
    title: str
    href: str
    original: str
    quote: str


@dataclass(frozen=True, slots=True)
class AnswerView:
    request_id: str
    text: SafeString
    refused: bool
    is_extract: bool
    sources: tuple[SourceView, ...]
    notices: tuple[str, ...]
    cached: str


def answer_view(body: Mapping[str, Any], *, document_url: str) -> AnswerView:
    sources = source_views(body["citations"], document_url=document_url)
    return AnswerView(
        request_id=body["request_id"],
        text=_checked_text(body, {source.number for source in sources}),
        refused=body["refused"],
        is_extract=body["generator"] == "extractive",
        sources=sources,
        notices=notices(body["degraded"]),
        cached=_given_before(body),
    )


def _given_before(body: Mapping[str, Any]) -> str:
    """Of an answer from a cache: when it was given, and to which question; `answer.js` says the same."""
    cached = body.get("cached")
    if not cached:
        return ""
    question = "this question" if body["cache"] == "response" else f"“{cached['question']}”"
    return f"Given {_ago(cached['age_seconds'])} to {question}"


def _ago(seconds: float) -> str:
    for unit, length in (("hour", 3600), ("minute", 60)):
        if count := int(seconds // length):
            return f"{count} {unit}{'' if count == 1 else 's'} ago"
    return "a moment ago"


def source_views(citations: Sequence[Mapping[str, Any]], *, document_url: str) -> tuple[SourceView, ...]:
    """One line a marker, in the markers' order."""
    by_number = {citation["marker"].strip("[]"): citation for citation in reversed(citations)}
    return tuple(
        SourceView(
            number=number,
            title=citation["document"]["title"] or citation["document"]["id"],
            href=passage_url(document_url, citation["document"]["id"], citation["chunk"]["ordinal"]),
            original=web_url(citation["url"] or ""),
            quote=citation["quote"],
        )
        for number, citation in sorted(by_number.items(), key=lambda item: int(item[0]))
    )


def _checked_text(body: Mapping[str, Any], numbers: set[str]) -> SafeString:
    """The answer with its sentences marked that have no support."""
    text, parts = body["answer"], []
    for one in body["unsupported"]:
        before, found, rest = text.partition(one["sentence"])
        if found and not one["removed"]:
            why = UNSUPPORTED[one["reason"]]
            marked = format_html(_UNSUPPORTED_HTML, why, _cited(found, numbers), why)
            parts += [_cited(before, numbers), marked]
            text = rest
    return SafeString("".join([*parts, _cited(text, numbers)]))


def _cited(text: str, numbers: set[str]) -> SafeString:
    """The answer with its markers linked to the sources; everything else is escaped."""

    def link(match: "re.Match[str]") -> str:
        number = match[1]
        if number not in numbers:
            return match[0]
        return format_html('<a class="cite" href="#source-{0}" aria-label="Source {0}">{0}</a>', number)

    return SafeString(_MARKER.sub(link, escape(text)))


def notices(degraded: Sequence[str]) -> tuple[str, ...]:
    return tuple(NOTICES.get(reason, f"Something had to be left out ({reason}).") for reason in degraded)


@dataclass(frozen=True, slots=True)
class Paging:
    previous: str = ""
    next: str = ""


def paging(query: PageQuery, *, hits: int, total: Mapping[str, Any]) -> Paging:
    """Links to the pages beside this one. A full page of a bounded total may have one behind it."""
    may_go_on = hits == PAGE_SIZE and (total["relation"] == "gte" or total["value"] > query.page * PAGE_SIZE)
    return Paging(
        previous=replace(query, page=query.page - 1).url() if query.page > 1 else "",
        next=replace(query, page=query.page + 1).url() if may_go_on and query.page < MAX_PAGE else "",
    )


@dataclass(frozen=True, slots=True)
class Problem:
    """Why there are no results, for a reader."""

    title: str
    text: str
    may_pass: bool


def problem(error: SearchError) -> Problem:
    if isinstance(error, InvalidRequest):
        return Problem("This search can't be run", error.detail, may_pass=False)
    text = (
        "The search engine is not answering right now. Your documents are safe; please try again in a moment."
    )
    return Problem("Search is taking a short break", text, may_pass=True)


@dataclass(frozen=True, slots=True)
class DocumentView:
    title: str
    public_id: str
    original: str
    chips: tuple[tuple[str, str], ...]
    passages: tuple[Passage, ...]
    count: int
    previous: str
    next: str


def document_view(part: DocumentPart, *, document_url: str) -> DocumentView:
    document = part.document
    last = part.first + len(part.passages)
    return DocumentView(
        title=document.title or document.public_id,
        public_id=document.public_id,
        original=web_url(document.url),
        chips=chips(document.metadata),
        passages=tuple(
            replace(passage, headings=_path(passage.headings, document.title)) for passage in part.passages
        ),
        count=part.count,
        previous=passage_url(document_url, document.public_id, part.first - 1) if part.first else "",
        next=passage_url(document_url, document.public_id, last) if last < part.count else "",
    )
