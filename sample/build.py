"""Renders sample/sources/**/NAME.EXT.md to sample/documents/**/NAME.EXT and writes sample/metadata.json.

A source is Markdown with a front matter; Markdown documents are edited in documents/ itself. The built files
are committed, so nothing in Ragsite runs this script.
"""

import json
import subprocess
import sys
import tempfile
from datetime import date
from html import escape
from pathlib import Path
from typing import Any

import markdown
import yaml
from bs4 import BeautifulSoup, Tag
from docx import Document
from docx.document import Document as DocxDocument

SAMPLE = Path(__file__).resolve().parent
SOURCES = SAMPLE / "sources"
DOCUMENTS = SAMPLE / "documents"
TEMPLATES = SAMPLE / "templates"
SIDECAR_KEYS = ("language", "published_at", "access")
CHROMIUM = (
    "chromium",
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--no-pdf-header-footer",
    "--generate-pdf-document-outline",
)


def split_front_matter(text: str) -> tuple[dict[str, Any], str]:
    _, head, body = text.split("---\n", 2)
    return yaml.safe_load(head), body.lstrip("\n")


def body_html(body: str) -> str:
    return str(markdown.markdown(body, extensions=["tables", "fenced_code", "sane_lists"]))


def write_html(head: dict[str, Any], body: str, target: Path) -> None:
    chrome = (TEMPLATES / f"{head['audience']}.html").read_text(encoding="utf-8")
    fields = {key: escape(str(head.get(key, ""))) for key in ("title", "department", "published_at")}
    page = chrome.format(body=body_html(body), language=head.get("language", "en"), **fields)
    target.write_text(page, encoding="utf-8")


def write_text(head: dict[str, Any], body: str, target: Path) -> None:
    target.write_text(body, encoding="utf-8")


def write_pdf(head: dict[str, Any], body: str, target: Path) -> None:
    css = (TEMPLATES / "print.css").read_text(encoding="utf-8")
    page = (
        f'<!DOCTYPE html><html lang="{head.get("language", "en")}"><head><meta charset="utf-8">'
        f"<title>{escape(head['title'])}</title><style>{css}</style></head><body>{body_html(body)}</body></html>"
    )
    with tempfile.TemporaryDirectory() as folder:
        source = Path(folder) / "page.html"
        source.write_text(page, encoding="utf-8")
        places = [f"--user-data-dir={folder}/profile", f"--print-to-pdf={target}", source.as_uri()]
        subprocess.run([*CHROMIUM, *places], check=True, capture_output=True, timeout=120)


def write_docx(head: dict[str, Any], body: str, target: Path) -> None:
    document = Document()
    document.core_properties.title = head["title"]
    document.core_properties.author = "Kestrow Instruments"
    for block in BeautifulSoup(body_html(body), "html.parser").find_all(recursive=False):
        add_block(document, block)
    document.save(str(target))


def add_block(document: DocxDocument, block: Tag) -> None:
    if block.name in ("h1", "h2", "h3"):
        document.add_heading(block.get_text(), level=int(block.name[1]))
    elif block.name in ("ul", "ol"):
        style = "List Bullet" if block.name == "ul" else "List Number"
        for item in block.find_all("li"):
            add_runs(document, item, style)
    elif block.name == "table":
        add_table(document, block)
    else:
        add_runs(document, block, "Normal")


def add_runs(document: DocxDocument, block: Tag, style: str) -> None:
    paragraph = document.add_paragraph(style=style)
    for child in block.descendants:
        if isinstance(child, Tag):
            continue
        run = paragraph.add_run(str(child).replace("\n", " "))
        run.bold = child.find_parent("strong") is not None


def add_table(document: DocxDocument, block: Tag) -> None:
    rows = [[cell.get_text() for cell in row.find_all(["th", "td"])] for row in block.find_all("tr")]
    table = document.add_table(rows=0, cols=len(rows[0]), style="Table Grid")
    for row in rows:
        for cell, text in zip(table.add_row().cells, row, strict=True):
            cell.text = text


WRITERS = {".html": write_html, ".txt": write_text, ".pdf": write_pdf, ".docx": write_docx}


def sidecar_entry(head: dict[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {
        "metadata": {key: value for key, value in head.items() if key not in SIDECAR_KEYS}
    }
    for key in SIDECAR_KEYS:
        if key in head:
            value = head[key]
            entry[key] = f"{value.isoformat()}T00:00:00Z" if isinstance(value, date) else value
    return entry


def main(names: list[str]) -> None:
    """Builds the sources whose path contains one of `names` (all of them without names), then the sidecar."""
    entries = {}
    for source in sorted(SOURCES.rglob("*.md")):
        target = DOCUMENTS / source.relative_to(SOURCES).with_suffix("")
        head, body = split_front_matter(source.read_text(encoding="utf-8"))
        entries[target.relative_to(DOCUMENTS).as_posix()] = sidecar_entry(head)
        if not names or any(name in str(source) for name in names):
            target.parent.mkdir(parents=True, exist_ok=True)
            WRITERS[target.suffix](head, body, target)
    for document in sorted(DOCUMENTS.rglob("*.md")):
        head, _ = split_front_matter(document.read_text(encoding="utf-8"))
        entries[document.relative_to(DOCUMENTS).as_posix()] = sidecar_entry(head)
    text = json.dumps(dict(sorted(entries.items())), indent=1, ensure_ascii=False)
    (SAMPLE / "metadata.json").write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
