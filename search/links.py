"""Pure: an answer without links and images that lead out of it, so that nothing read in a document makes a reader's
program fetch or send anything.

Of a Markdown link its label stays; a bare address stays where it stands so in the passages.
"""

import re
from collections.abc import Sequence

_MARKDOWN = re.compile(r"!?\[([^\[\]]*)\]\([^()\s]*(?:\([^()\s]*\)[^()\s]*)*(?:\s[^()]*)?\)")
_REFERENCED_IMAGE = re.compile(r"!(\[[^\[\]\n]*\])")
_DEFINITION = re.compile(r"\[([^\[\]\n]*[^\d\s,;\[\]][^\[\]\n]*)\]:")
_SCHEME = r"\b(?:https?|ftp|data|javascript):"
_CHARACTER = r"[^\s<>\"'`)\]]"
_ADDRESS = re.compile(
    rf"{_SCHEME}{_CHARACTER}+|(?:^|\b|(?<=[\s\"'=(<]))(?://|www\.)[\w-]+\.{_CHARACTER}+", re.IGNORECASE
)
_TAG = re.compile(
    r"<(?=/?(?:a|audio|base|body|embed|form|iframe|image|img|input|link|math|meta|object|picture|script|source|style"
    r"|svg|video)\b)",
    re.IGNORECASE,
)
_UNDECIDED = re.compile(
    r"(?:!?\[[^\[\]\n]{0,300}\]?|!?\[[^\[\]\n]{0,300}\]\([^()\[\]\n]{0,600}|!|</?\w{0,7}"
    r"|\b(?:h|ht|htt|https?|f|ft|ftp|d|da|dat|data|j\w{0,9}|w|ww|www)"
    rf"|(?:{_SCHEME}|//?|\bwww\.){_CHARACTER}{{0,600}})$",
    re.IGNORECASE,
)
REMOVED = "(link removed)"


def without_links(text: str, known: Sequence[str]) -> str:
    """Text with labels in place of links, and without addresses that none of the known texts has."""
    labelled = _DEFINITION.sub(r"\1:", _REFERENCED_IMAGE.sub(r"\1", _MARKDOWN.sub(r"\1", text)))
    plain = _ADDRESS.sub(lambda match: match[0] if _is_known(match[0], known) else REMOVED, labelled)
    return _TAG.sub("‹", plain)


def undecided(text: str) -> int:
    """Where a link, image or address may have begun that has not ended; the text's length for none."""
    match = _UNDECIDED.search(text)
    return match.start() if match else len(text)


def _is_known(address: str, known: Sequence[str]) -> bool:
    bare = address.rstrip(".,;:!?")
    return any(bare in text for text in known)
