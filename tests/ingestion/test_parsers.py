"""What the parsers make of real bytes, through the process that ingestion uses."""

import io
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path, PurePath

import docx
import pytest
from docx.oxml import parse_xml
from docx.oxml.ns import nsdecls

from ingestion.exceptions import CorruptFile, EncryptedFile, ParserLimit, UnsupportedType
from ingestion.parsers import Element, ParsedDocument, ParserChild, media_type_of
from ingestion.parsers.encodings import decode_text
from ingestion.parsers.media_types import DOCX, HTML, MARKDOWN, PDF, TEXT
from ingestion.parsers.offline import UnstructuredElement, partition_docx, partition_html, partition_text
from ingestion.parsers.pdf import is_sane_title, join_lines, layout_of, without_running_heads
from ingestion.parsers.pdf_lines import Line

# Only behind `offline`, which keeps them from the network.
from unstructured.partition.docx import partition_docx as whole_partition_docx  # isort: skip
from unstructured.partition.html import partition_html as whole_partition_html  # isort: skip
from unstructured.partition.text import partition_text as whole_partition_text  # isort: skip

SAMPLE = Path(__file__).resolve().parents[2] / "sample"
Parse = Callable[[str | bytes, str], ParsedDocument]


@pytest.fixture(scope="module")
def parse() -> Iterator[Parse]:
    with ParserChild(memory_bytes=1 << 30, timeout_seconds=60, output_bytes=1 << 24) as child:

        def parsed(data: str | bytes, media_type: str) -> ParsedDocument:
            return child.parse(data.encode() if isinstance(data, str) else data, media_type)

        yield parsed


def texts(document: ParsedDocument, kind: str | None = None) -> list[str]:
    return [element.text for element in document.elements if kind is None or element.kind == kind]


def titles(document: ParsedDocument) -> list[tuple[int | None, str]]:
    return [(element.level, element.text) for element in document.elements if element.kind == "title"]


# Media types


@pytest.mark.parametrize(
    ("name", "head", "expected"),
    [
        ("a.md", b"# A", MARKDOWN),
        ("A.MARKDOWN", b"# A", MARKDOWN),
        ("a.txt", b"", TEXT),
        ("a.htm", b"<p>", HTML),
        ("a.pdf", b"junk before\n%PDF-1.4", PDF),
        ("a.docx", b"PK\x03\x04", DOCX),
        ("README", b"Read this.", TEXT),
        ("page", b"  <!DOCTYPE html><html>", HTML),
        ("wide.txt", b"\xff\xfea\x00", TEXT),
    ],
)
def test_a_media_type_follows_from_name_and_content(name: str, head: bytes, expected: str) -> None:
    assert media_type_of(name, head) == expected


@pytest.mark.parametrize("name", ["a.pdf", "a.docx"])
def test_text_under_the_name_of_a_binary_format_is_corrupt(name: str) -> None:
    with pytest.raises(CorruptFile):
        media_type_of(name, b"only text")


@pytest.mark.parametrize("head", [b"%PDF-1.7", b"PK\x03\x04", b"\x89PNG\r\n\x1a\n" + b"\0" * 20])
def test_a_binary_format_under_the_name_of_text_is_corrupt(head: bytes) -> None:
    with pytest.raises(CorruptFile):
        media_type_of("a.txt", head)


@pytest.mark.parametrize("name", ["a.xlsx", "a.exe", "archive.tar.gz"])
def test_an_unknown_extension_is_unsupported(name: str) -> None:
    with pytest.raises(UnsupportedType, match=PurePath(name).suffix):
        media_type_of(name, b"x")


# Encodings


@pytest.mark.parametrize(
    "encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32", "cp1252", "latin-1"]
)
def test_text_in_every_common_encoding_is_read(encoding: str) -> None:
    assert decode_text("Die Größe änderte sich: café.".encode(encoding)) == "Die Größe änderte sich: café."


def test_a_declared_encoding_is_believed_where_utf_8_does_not_fit() -> None:
    assert decode_text("Привет".encode("cp1251"), declared="windows-1251") == "Привет"


def test_japanese_without_a_mark_is_recognised() -> None:
    text = "これは日本語の文章です。文字コードを推定します。" * 5
    assert decode_text(text.encode("shift_jis")) == text


def test_line_ends_are_one_kind_and_control_characters_gone() -> None:
    assert decode_text(b"a\r\nb\rc\x00\x07d\te") == "a\nb\ncd\te"


def test_binary_bytes_under_the_name_of_text_are_corrupt() -> None:
    with pytest.raises(CorruptFile):
        decode_text(bytes(range(256)) * 8 + b"\x00\xff\x00\x00" * 400)


# HTML


PAGE = """<!DOCTYPE html><html lang="en-GB"><head><title>Pumps - Kestrow</title>
<meta name="description" content="All about pumps">
<meta property="article:published_time" content="2026-03-01">
<style>p {color: red}</style><script>var tracked = 1;</script></head><body>
<header><a href="/">Kestrow logo</a></header><nav><ul><li>Home menu</li></ul></nav>
<div class="cookie-banner">We use cookies</div><div hidden>Hidden words</div>
<main><h1>Pumps</h1><p>The <b>P-200</b> moves <code>40 l</code>.<br>It is quiet.</p>
<h2>Models</h2><table><caption>Two models</caption><tr><th>Name</th><th>Flow</th></tr>
<tr><td>P-<b>200</b></td><td>40, or 45</td></tr></table>
<ul><li>First item<ul><li>Inner item</li></ul></li><li>Last item</li></ul>
<pre><code>if ok:
    start()

    stop()</code></pre><details><summary>More</summary><p>Details are kept.</p></details>
<figure><figcaption>A figure's caption</figcaption></figure><aside>Related links</aside></main>
<footer>Imprint</footer></body></html>"""


def test_unstructured_makes_the_same_elements_without_its_further_steps() -> None:
    def seen(found: list[UnstructuredElement]) -> list[tuple[str, str, int | None, str | None]]:
        return [
            (item.category, item.text, item.metadata.category_depth, item.metadata.text_as_html)
            for item in found
        ]

    prose = "A Heading\n\nThe pump moves 40 l.\n\n- one\n- two\n\nIT IS QUIET\n"
    paths = list(SAMPLE.rglob("*.docx"))
    assert paths
    pairs = [
        (partition_html(text=PAGE), whole_partition_html(text=PAGE)),
        (partition_text(text=prose), whole_partition_text(text=prose)),
        *((partition_docx(str(path)), whole_partition_docx(str(path))) for path in paths),
    ]
    for bare, whole in pairs:
        assert len(bare) > 2
        assert seen(bare) == seen(whole)


def test_html_keeps_the_content_and_drops_the_page_around_it(parse: Parse) -> None:
    whole = "\n".join(texts(parse(PAGE, HTML)))
    for kept in ("P-200 moves 40 l. It is quiet.", "Details are kept.", "A figure's caption", "Last item"):
        assert kept in whole
    for dropped in ("logo", "menu", "cookies", "Hidden", "Imprint", "tracked", "color", "Related"):
        assert dropped not in whole


def test_html_gives_headings_tables_lists_and_code_with_their_form(parse: Parse) -> None:
    document = parse(PAGE, HTML)
    assert titles(document) == [(1, "Pumps"), (2, "Models")]
    assert texts(document, "table") == ["Two models\nName | Flow\nP-200 | 40, or 45"]
    assert texts(document, "list_item") == ["First item", "Inner item", "Last item"]
    assert texts(document, "code") == ["if ok:\n    start()\n\n    stop()"]


def test_html_gives_its_title_language_and_metadata(parse: Parse) -> None:
    document = parse(PAGE, HTML)
    assert document.title == "Pumps"
    assert document.language == "en"
    assert document.metadata == {"description": "All about pumps", "date": "2026-03-01"}


def test_a_form_around_the_whole_page_is_the_page(parse: Parse) -> None:
    source = (
        "<body><form><h1>Orders</h1><p>All of this page lies in a form.</p></form><form>Search</form></body>"
    )
    assert texts(parse(source, HTML)) == ["Orders", "All of this page lies in a form."]


def test_a_table_for_layout_is_read_as_text(parse: Parse) -> None:
    source = "<table><tr><td><h2>Left</h2><p>One is here.</p></td><td><p>Two is there.</p></td></tr></table>"
    assert [element.kind for element in parse(source, HTML).elements] == ["title", "text", "text"]


def test_html_nested_deeper_than_a_parser_likes_loses_no_text(parse: Parse) -> None:
    source = "<div>" * 400 + "<p>The bottom is reached.</p>" + "</div>" * 400 + "<p>After all is said.</p>"
    assert texts(parse(source, HTML)) == ["The bottom is reached.", "After all is said."]


def test_html_nested_beyond_all_limits_is_refused_rather_than_cut(parse: Parse) -> None:
    with pytest.raises(ParserLimit, match="nested"):
        parse("<span>deep " * 5000, HTML)


@pytest.mark.parametrize(
    "source", ["", "   ", "<!-- only this -->", "<html></html>", "<?xml version='1.0'?>"]
)
def test_html_without_text_is_a_document_without_elements(parse: Parse, source: str) -> None:
    assert parse(source, HTML).elements == ()


def test_an_html_page_in_its_declared_encoding_is_read(parse: Parse) -> None:
    source = '<meta charset="iso-8859-2"><p>Zażółć gęślą jaźń tutaj.</p>'.encode("iso-8859-2")
    assert texts(parse(source, HTML)) == ["Zażółć gęślą jaźń tutaj."]


# Markdown


JEKYLL = """---
title: "Install the agent"
date: 2026-02-03
tags: [setup, agent]
nested: {a: 1}
---

# Install
Introduced 1.0
{: .label .label-purple }

1. TOC
{:toc}

See [the guide]({{site.url}}{{site.baseurl}}/guide/). {% include note.html text="x" %}

1. Run this:

   ```json
   {% raw %}{"a":  {{x}} }
   # no heading
   {% endraw %}
   ```

2. Then stop.
   - inner point

## Options {#opts}

| Name | Use |
|:-----|:----|
| `a`  | first |

{% capture example %}
GET /_search
{ "size": 1 }
{% endcapture %}
{% include code.html %}

Deep
----
#### Deeper
Text is here.
"""


def test_markdown_keeps_the_levels_of_its_headings(parse: Parse) -> None:
    assert titles(parse(JEKYLL, MARKDOWN)) == [(1, "Install"), (2, "Options"), (2, "Deep"), (4, "Deeper")]


def test_markdown_keeps_code_unchanged_even_inside_a_list(parse: Parse) -> None:
    assert texts(parse(JEKYLL, MARKDOWN), "code") == [
        '{% raw %}{"a":  {{x}} }\n# no heading\n{% endraw %}',
        'GET /_search\n{ "size": 1 }',
    ]


def test_markdown_gives_tables_as_rows_and_nested_lists_as_items(parse: Parse) -> None:
    document = parse(JEKYLL, MARKDOWN)
    assert texts(document, "table") == ["Name | Use\na | first"]
    assert texts(document, "list_item")[-2:] == ["Then stop.", "inner point"]


def test_front_matter_becomes_title_and_metadata(parse: Parse) -> None:
    document = parse(JEKYLL, MARKDOWN)
    assert document.title == "Install the agent"
    assert document.metadata == {"date": "2026-02-03", "tags": ["setup", "agent"]}


def test_jekyll_marks_are_no_text(parse: Parse) -> None:
    prose = "\n".join(texts(parse(JEKYLL, MARKDOWN), "text"))
    assert "Introduced 1.0" in prose
    assert "See the guide." in prose
    for mark in ("{:", "{%", "{{", "TOC", "nested"):
        assert mark not in prose


def test_front_matter_that_is_no_yaml_still_gives_its_pairs(parse: Parse) -> None:
    document = parse("---\ntitle: Part 2: The end\nauthor: Ann\n---\nText is here.", MARKDOWN)
    assert (document.title, document.metadata) == ("Part 2: The end", {"author": "Ann"})


def test_a_rule_at_the_top_is_no_front_matter(parse: Parse) -> None:
    assert texts(parse("---\n\nJust a text with words.\n\n---\n\nMore is here.", MARKDOWN)) == [
        "Just a text with words.",
        "More is here.",
    ]


# Plain text


def test_paragraphs_lists_and_numbered_headings_of_a_text_are_found(parse: Parse) -> None:
    source = "Safety Manual\n\n1. Scope\n\nThis is for all\nwho work here.\n\n"
    source += "- gloves are worn\n- boots are worn\n"
    document = parse(source, TEXT)
    assert titles(document) == [(1, "Safety Manual"), (1, "1. Scope")]
    assert texts(document, "text") == ["This is for all who work here."]
    assert texts(document, "list_item") == ["gloves are worn", "boots are worn"]
    assert document.title == "Safety Manual"


def test_lines_wrapped_without_blank_lines_become_whole_sentences(parse: Parse) -> None:
    source = (
        "The river was high that year, and nobody who lived near to\nthe bank slept well.\nIt fell in May."
    )
    assert texts(parse(source, TEXT))[0].startswith(
        "The river was high that year, and nobody who lived near to the bank"
    )


@pytest.mark.parametrize("media_type", [TEXT, MARKDOWN, HTML])
def test_an_empty_text_is_a_document_without_elements(parse: Parse, media_type: str) -> None:
    assert parse(b"", media_type) == ParsedDocument(title=None, language=None, metadata={}, elements=())


@pytest.mark.parametrize(
    ("text", "language"),
    [
        ("The pump and the valve are in the box, and the manual is on top of them all.", "en"),
        ("Die Pumpe und das Ventil liegen im Karton, und die Anleitung liegt obenauf, wie immer.", "de"),
        ("水泵和阀门在箱子里，说明书放在最上面，请先阅读说明书再开始安装，谢谢您的合作。" * 3, "zh"),
        ("Too short.", None),
    ],
)
def test_the_language_is_seen_in_the_text(parse: Parse, text: str, language: str | None) -> None:
    assert parse(text, TEXT).language == language


# Word


def word_file(build: Callable[[docx.document.Document], None]) -> bytes:
    document = docx.Document()
    build(document)
    target = io.BytesIO()
    document.save(target)
    return target.getvalue()


def _manual(document: docx.document.Document) -> None:
    document.core_properties.title = "Pump manual"
    document.add_heading("Pumps", level=1)
    document.add_paragraph("Short line")
    document.add_heading("Models", level=2)
    document.add_paragraph("gloves are worn", style="List Bullet")
    table = document.add_table(rows=2, cols=3)
    for row, values in zip(table.rows, (("a", "b", "c"), ("1", "2", "3")), strict=True):
        for cell, value in zip(row.cells, values, strict=True):
            cell.text = value


def test_a_word_document_gives_headings_by_style_lists_and_tables(parse: Parse) -> None:
    document = parse(word_file(_manual), DOCX)
    assert document.title == "Pump manual"
    assert titles(document) == [(1, "Pumps"), (2, "Models")]
    assert texts(document, "text") == ["Short line"]
    assert texts(document, "list_item") == ["gloves are worn"]
    assert texts(document, "table") == ["a | b | c\n1 | 2 | 3"]


CONTROL = "<w:sdt {0}><w:sdtContent><w:p><w:r><w:t>In a control.</w:t></w:r></w:p></w:sdtContent></w:sdt>"
INSERTION = """<w:p {0}><w:ins w:id="1" w:author="a"><w:r><w:t>Inserted text.</w:t></w:r></w:ins>
<w:del w:id="2" w:author="a"><w:r><w:delText>Deleted text.</w:delText></w:r></w:del></w:p>"""
TEXT_BOX = """<w:p {0} xmlns:v="urn:schemas-microsoft-com:vml"><w:r><w:pict><v:textbox><w:txbxContent>
<w:p><w:r><w:t>In a box.</w:t></w:r></w:p></w:txbxContent></v:textbox></w:pict></w:r></w:p>"""


def _wrapped(document: docx.document.Document) -> None:
    """Text where python-docx doesn't look."""
    body = document.element.body
    for source in (CONTROL, INSERTION, TEXT_BOX):
        body.insert(len(body) - 1, parse_xml(source.format(nsdecls("w"))))


def test_controls_insertions_and_text_boxes_of_a_word_document_are_read(parse: Parse) -> None:
    assert texts(parse(word_file(_wrapped), DOCX)) == ["In a control.", "Inserted text.", "In a box."]


def test_a_protected_word_document_is_encrypted_and_an_old_one_corrupt(parse: Parse) -> None:
    container = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600)
    with pytest.raises(EncryptedFile):
        parse(container + "EncryptedPackage".encode("utf-16-le") + bytes(100), DOCX)
    with pytest.raises(CorruptFile):
        parse(container, DOCX)


def test_broken_word_documents_are_corrupt(parse: Parse) -> None:
    whole = word_file(_manual)
    other = io.BytesIO()
    with zipfile.ZipFile(other, "w") as package:
        package.writestr("a.txt", "no document")
    for data in (b"", whole[: len(whole) // 2], other.getvalue()):
        with pytest.raises(CorruptFile):
            parse(data, DOCX)


# PDF


def pdf_file(*pages: list[tuple[str, int, int]], title: str = "", bold: bool = False) -> bytes:
    """A PDF whose pages have lines of (text, size, height above the bottom edge)."""
    font = "Helvetica-Bold" if bold else "Helvetica"
    kids = " ".join(f"{4 + 2 * number} 0 R" for number in range(len(pages)))
    objects = [
        "<< /Type /Catalog /Pages 2 0 R >>",
        f"<< /Type /Pages /Kids [{kids}] /Count {len(pages)} >>",
        f"<< /Type /Font /Subtype /Type1 /BaseFont /{font} >>",
    ]
    for number, lines in enumerate(pages):
        shown = "\n".join(f"BT /F1 {size} Tf 72 {height} Td ({text}) Tj ET" for text, size, height in lines)
        objects.append(
            f"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 595 842] /Contents {5 + 2 * number} 0 R "
            "/Resources << /Font << /F1 3 0 R >> >> >>"
        )
        objects.append(f"<< /Length {len(shown)} >>\nstream\n{shown}\nendstream")
    objects.append(f"<< /Title ({title}) /CreationDate (D:20260102030405Z) >>")
    body = "%PDF-1.4\n"
    offsets = []
    for number, content in enumerate(objects, start=1):
        offsets.append(len(body))
        body += f"{number} 0 obj\n{content}\nendobj\n"
    table = "".join(f"{offset:010d} 00000 n \n" for offset in offsets)
    trailer = f"trailer\n<< /Size {len(objects) + 1} /Root 1 0 R /Info {len(objects)} 0 R >>"
    head = f"xref\n0 {len(objects) + 1}\n0000000000 65535 f \n"
    return f"{body}{head}{table}{trailer}\nstartxref\n{len(body)}\n%%EOF".encode()


def _page(number: int) -> list[tuple[str, int, int]]:
    return [
        ("Kestrow GmbH", 8, 810),
        (f"Chapter {number}", 18, 760),
        (f"The pump of chapter {number} is quiet and runs for", 10, 730),
        ("many hours. It needs oil.", 10, 718),
        ("A new paragraph is here.", 10, 690),
        (f"Page {number} of 4", 8, 30),
    ]


def test_a_pdf_gives_headings_paragraphs_and_pages(parse: Parse) -> None:
    document = parse(pdf_file(_page(1), title="Pump manual"), PDF)
    assert document.title == "Pump manual"
    assert document.metadata == {"date": "2026-01-02", "pages": 1}
    assert Element(kind="title", text="Chapter 1", level=1, page=1) in document.elements
    assert "The pump of chapter 1 is quiet and runs for many hours. It needs oil." in texts(document)
    assert "A new paragraph is here." in texts(document)


def test_running_heads_and_feet_of_a_pdf_are_dropped(parse: Parse) -> None:
    document = parse(pdf_file(*(_page(number) for number in (1, 2, 3, 4))), PDF)
    assert not [text for text in texts(document) if "Kestrow" in text or "of 4" in text]
    assert [element.page for element in document.elements if element.kind == "title"] == [1, 2, 3, 4]


def test_a_pdf_without_text_is_a_document_without_elements(parse: Parse) -> None:
    assert parse(pdf_file([]), PDF).elements == ()


@pytest.mark.parametrize("data", [b"%PDF-1.4\nbroken", b"%PDF-"])
def test_a_broken_pdf_is_corrupt(parse: Parse, data: bytes) -> None:
    with pytest.raises(CorruptFile):
        parse(data, PDF)


def test_a_pdf_of_a_hundred_pages_takes_less_than_a_second(parse: Parse) -> None:
    lines = [
        (f"Line {number} is set here and has about as many characters as usual.", 10, 800 - 13 * number)
        for number in range(50)
    ]
    assert len(parse(pdf_file(*[lines] * 100), PDF).elements) > 0


@pytest.mark.parametrize(
    "title", ["", "Untitled", "Microsoft Word - a.doc", "report_final.pdf", "12-34", "Slide 1"]
)
def test_what_programs_write_is_no_title_of_a_pdf(title: str) -> None:
    assert not is_sane_title(title)


def line(text: str, *, bottom: float = 0, size: float = 10, page: int = 1, bold: bool = False) -> Line:
    return Line(
        text=text, page=page, left=72, right=300, bottom=bottom, top=bottom + size, size=size, bold=bold
    )


def test_a_hyphen_at_the_end_of_a_line_goes_and_that_of_a_known_compound_stays() -> None:
    words = frozenset({"well-known", "state"})
    assert join_lines(["embed\ufffe", "dings are"], words) == "embeddings are"
    assert join_lines(["a well-", "known fact"], words) == "a well-known fact"
    assert join_lines(["Lucene\ufffe", "BM25"], words) == "Lucene-BM25"
    assert join_lines(["from 3-", "4 of"], words) == "from 3- 4 of"


def test_sizes_that_differ_by_little_are_one_level_and_bold_lines_the_lowest() -> None:
    body = [line("Body text that is long enough to be what most of this is about.")] * 9
    layout = layout_of(
        [*body, line("Top", size=20), line("Near top", size=19.5), line("Mid", size=14)], body=10
    )
    assert [layout.level(line("x heading", size=size)) for size in (20, 19.5, 14, 10)] == [1, 1, 2, None]
    assert layout.level(line("Bold heading", bold=True)) == 3
    assert layout.level(line("A bold sentence.", bold=True)) is None


def test_a_line_that_comes_again_in_the_middle_of_pages_is_kept() -> None:
    pages = [
        [line(f"text {number} {place}", bottom=100 * place, page=number) for place in range(1, 9)]
        for number in range(4)
    ]
    for number, page in enumerate(pages):
        page[4] = line("Note", bottom=500, page=number)
    kept = without_running_heads(pages, body=10)
    assert all("Note" in [item.text for item in page] for page in kept)
