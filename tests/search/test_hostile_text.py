"""Highlights of hostile documents: HTML whose only tag is <mark>, whatever stands in text, title or headings."""

import html
import re

import pytest

from ingestion.services import documents
from ingestion.services.documents import Content, DocumentFieldsInput, Incoming
from search import page, services
from search.models import Tenant
from search.types import Principal, SearchRequest
from tests.factories import accept, ingest_all

pytestmark = pytest.mark.usefixtures("main_job")
PAYLOADS = (
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "</mark><svg onload=alert(1)>",
    "<mark onmouseover=alert(1)>",
    '"><iframe src=javascript:alert(1)>',
    "&lt;script&gt;alert(1)&lt;/script&gt;",
    "<a href='javascript:alert(1)'>x</a>",
    "<!-- --><style>*{}</style>",
    "{{ 7*7 }} ${7*7} <%= 7*7 %>",
    "<mark>not ours</mark>",
)


def tags(fragment: str) -> set[str]:
    return set(re.findall(r"<[^>]*>?", fragment))


def test_no_payload_leaves_a_highlight_or_a_snippet_as_markup(tenant: Tenant, principal: Principal) -> None:
    for number, payload in enumerate(PAYLOADS):
        text = f"# Heading {payload} valve\n\nThe {payload} valve {payload} opens.\n\n{payload}\n\nvalve"
        accept(tenant, f"plain{number}", text, title=f"Title {payload} valve {number}")
        literal = f"# Heading `{payload}` valve\n\nThe `{payload}` valve opens."
        fields = DocumentFieldsInput(title=f"Title {payload}")
        documents.accept(tenant, Incoming(f"md{number}", fields, Content(literal.encode(), "text/markdown")))
    ingest_all(tenant)
    hits = services.search(principal, SearchRequest("valve opens title heading alert script", top_k=50))[
        "hits"
    ]
    assert len(hits) == 2 * len(PAYLOADS)
    assert any("<script>" in heading for hit in hits for heading in hit["chunk"]["headings"])
    seen = ""
    for hit in hits:
        assert hit["highlights"]
        for fragment in hit["highlights"]:
            assert tags(fragment) <= {"<mark>", "</mark>"}, fragment
            seen += html.unescape(re.sub(r"</?mark>", "", fragment))
        for snippet in page.hit_view(hit, document_url="/d").snippets:
            assert tags(snippet) <= {"<mark>", "</mark>"}, snippet
    assert "<script>" in seen  # as text, it is still there
    assert "onerror" in seen
