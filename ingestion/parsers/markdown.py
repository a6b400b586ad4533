"""Markdown to elements: front matter and Jekyll marks first, then CommonMark to HTML, then as any HTML.

Unstructured's own step knows no fences inside lists, so markdown-it makes the HTML that it partitions.
"""

import datetime
import re
from typing import Final

import yaml
from markdown_it import MarkdownIt

from ingestion.parsers.elements import ParsedDocument
from ingestion.parsers.encodings import decode_text
from ingestion.parsers.html import parse_html
from ingestion.parsers.language import declared_language

_FRONT_MATTER: Final = re.compile(r"\A\s*---[ \t]*\n(.*?\n)??(?:---|\.\.\.)[ \t]*(?:\n|\Z)", re.DOTALL)
_PLAIN_PAIR: Final = re.compile(r"^([A-Za-z][\w-]*):[ \t]+(\S.*)$", re.MULTILINE)
_FENCE: Final = re.compile(r"^[ \t>]*(?:[-*+]\s+|\d+[.)]\s+)?(`{3,}|~{3,})([^`]*)$")
_LIQUID_COMMENT: Final = re.compile(r"\{%-?\s*comment\s*-?%\}.*?\{%-?\s*endcomment\s*-?%\}", re.DOTALL)
_LIQUID_CAPTURE: Final = re.compile(
    r"^[ \t]*\{%-?\s*capture\s[^%]*%\}[ \t]*\n(.*?)^[ \t]*\{%-?\s*endcapture\s*-?%\}[ \t]*$",
    re.DOTALL | re.MULTILINE,
)
_LIQUID_TAG: Final = re.compile(r"\{%-?[^%\n]*(?:%(?!\})[^%\n]*)*-?%\}")
_MULTILINE_TAG: Final = re.compile(r"\{%-?\s*include\s[^%]*%\}")
_SITE_VARIABLE: Final = re.compile(r"\{\{-?\s*(?:site|page)\.(?:url|baseurl)\s*-?\}\}")
_ATTRIBUTES: Final = re.compile(r"[ \t]*\{:[^{}\n]*\}|[ \t]+\{#[\w.:-]+\}[ \t]*$", re.MULTILINE)
_TOC: Final = re.compile(
    r"^[ \t]*(?:[-*+]|\d+\.)[ \t]+[^\n]*\n[ \t]*\{:\s*toc\s*\}[ \t]*$", re.MULTILINE | re.IGNORECASE
)

_converter: Final = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"])


def parse(data: bytes) -> ParsedDocument:
    front_matter, body = split_front_matter(decode_text(data))
    document = parse_html(_converter.render(without_jekyll(body)))
    title = front_matter.pop("title", None)
    language = declared_language(front_matter.get("lang") or front_matter.get("language"))
    return ParsedDocument(
        title=str(title).strip() if title else document.title,
        language=language,
        metadata=front_matter,
        elements=document.elements,
    )


def split_front_matter(text: str) -> tuple[dict[str, object], str]:
    """The scalars, and lists of scalars, of the YAML front matter, and the text behind it."""
    text = text.removeprefix("\ufeff")
    match = _FRONT_MATTER.match(text)
    if match is None:
        return {}, text
    source = match.group(1) or ""
    try:
        fields = yaml.safe_load(source)
    except (yaml.YAMLError, ValueError):
        # `title: A: b` is no YAML, and common. Its plain pairs still are what they seem.
        fields = {key: value.strip().strip("\"'") for key, value in _PLAIN_PAIR.findall(source)}
    if fields is not None and not isinstance(fields, dict):
        return {}, text
    simple = {str(key): _simple(value) for key, value in (fields or {}).items()}
    return {key: value for key, value in simple.items() if value is not None}, text[match.end() :]


def _simple(value: object) -> object:
    """A JSON scalar or list of them; None for what is neither."""
    if isinstance(value, datetime.date):
        return value.isoformat()
    if isinstance(value, str | int | float):
        return value
    if isinstance(value, list):
        scalars = [_simple(item) for item in value if not isinstance(item, list)]
        return scalars if scalars and all(scalar is not None for scalar in scalars) else None
    return None


def without_jekyll(text: str) -> str:
    """The text without Liquid tags and kramdown attributes; code fences stay as they are."""
    # A captured block is an example that an include prints as code.
    if "endcapture" in text:
        text = _LIQUID_CAPTURE.sub(_as_fence, text)
    return "\n".join(part if fenced else _unmarked(part) for part, fenced in _parts(text))


def _as_fence(match: re.Match[str]) -> str:
    return match.group(1) if "```" in match.group(1) else f"\n```\n{match.group(1)}```\n"


def _unmarked(prose: str) -> str:
    if "{" not in prose:
        return prose
    prose = _LIQUID_COMMENT.sub("", prose)
    prose = _MULTILINE_TAG.sub("", prose)
    prose = _LIQUID_TAG.sub("", prose)
    prose = _TOC.sub("", prose)
    return _ATTRIBUTES.sub("", _SITE_VARIABLE.sub("", prose))


def _parts(text: str) -> list[tuple[str, bool]]:
    """The text as alternating runs of lines: prose, and fenced code with its fences."""
    parts: list[tuple[list[str], bool]] = [([], False)]
    fence: str | None = None
    for line in text.split("\n"):
        match = _FENCE.match(line)
        if fence is None and match is not None:
            fence = match.group(1)
            parts.append(([line], True))
            continue
        parts[-1][0].append(line)
        if fence is not None and match is not None and _closes(match, fence):
            fence = None
            parts.append(([], False))
    return [("\n".join(lines), fenced) for lines, fenced in parts if lines]


def _closes(match: re.Match[str], fence: str) -> bool:
    return match.group(1).startswith(fence) and not match.group(2).strip()
