"""Elements to chunks. Pure: the tokenizer comes as an argument, and the same input gives the same chunks.

No text is lost and nothing is longer than the embedder's window: `max_tokens` bounds the whole embedded text.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from ingestion.chunk_units import Pieces, Unit, join_units, uncounted_units
from ingestion.parsers.elements import Element

CHUNKING_VERSION: Final = "1"
CountTokens = Callable[[Sequence[str]], list[int]]

_LEAST_MAX_TOKENS: Final = 24
# Title and headings may take this part of the window; the rest is for the text itself.
_CONTEXT_SHARE: Final = 4
# Longer texts than this a token are not tried as one chunk: they are counted by sentence in any case.
_MOST_CHARACTERS: Final = 6
# A section below this part of the window makes a poor chunk alone.
_SMALL_SHARE: Final = 4


@dataclass(frozen=True)
class ChunkingSettings:
    """Sizes in tokens of the embedder's tokenizer. `max_tokens` counts title, headings and specials too."""

    max_tokens: int
    overlap_tokens: int

    def __post_init__(self) -> None:
        if self.max_tokens < _LEAST_MAX_TOKENS:
            raise ValueError(f"max_tokens is {self.max_tokens}; the least is {_LEAST_MAX_TOKENS}.")
        if not 0 <= self.overlap_tokens <= self.max_tokens // 3:
            raise ValueError(
                f"overlap_tokens is {self.overlap_tokens}; it must lie from 0 to a third of max_tokens."
            )


@dataclass(frozen=True)
class Chunk:
    """A passage to be written to the index.

    `headings` is the whole path to it; `context` is as much of title and path as is embedded with the text.
    `token_count` counts `embedding_text`, special tokens included.
    """

    ordinal: int
    text: str
    headings: tuple[str, ...]
    page: int | None
    token_count: int
    context: str = ""

    @property
    def embedding_text(self) -> str:
        """Exactly what is embedded for this chunk."""
        return embedding_text(self.context, self.text)


@dataclass(frozen=True)
class _Section:
    """The units under one heading. One without units has all its text in its subsections."""

    path: tuple[str, ...]
    page: int | None
    units: tuple[Unit, ...]


def embedding_text(context: str, text: str) -> str:
    return f"{context}\n{text}" if context else text


def chunk_elements(
    elements: Iterable[Element], *, title: str | None, settings: ChunkingSettings, count_tokens: CountTokens
) -> list[Chunk]:
    """The chunks of a document, in reading order.

    `count_tokens` gives the number of tokens of each text with the embedder's special tokens.
    """
    elements = tuple(element for element in elements if element.text.strip())
    pieces = Pieces(count_tokens)
    chunker = _Chunker(settings, " ".join((title or "").split()), pieces)
    if (whole := chunker.whole(elements)) is not None:
        return [whole]
    sections = _sections(elements, pieces)
    pieces.count(heading for section in sections for heading in section.path)
    drafts = [draft for group in chunker.grouped(sections) for draft in chunker.chunks_of(group)]
    return _numbered(chunker.fitting(drafts))


def _sections(elements: Iterable[Element], pieces: Pieces) -> list[_Section]:
    """Split at headings; each section knows the path of headings that leads to it."""
    stack: list[tuple[int, str]] = []
    found: list[tuple[tuple[str, ...], int | None, list[Element]]] = [((), None, [])]
    for element in elements:
        if element.kind != "title":
            found[-1][2].append(element)
            continue
        level = element.level or 1
        while stack and stack[-1][0] >= level:
            stack.pop()
        stack.append((level, " ".join(element.text.split())))
        found.append((tuple(text for _, text in stack), element.page, []))
    units = pieces.units([content for _, _, content in found])
    sections = [
        _Section(path=path, page=page, units=tuple(unit for unit in own if unit.text.strip()))
        for (path, page, _), own in zip(found, units, strict=True)
    ]
    return [
        section
        for section, following in _with_next(sections)
        if section.units or not _is_parent(section, following)
    ]


def _with_next(sections: list[_Section]) -> Iterable[tuple[_Section, _Section | None]]:
    return zip(sections, [*sections[1:], None], strict=True)


def _is_parent(section: _Section, following: _Section | None) -> bool:
    """Its heading is in the path of the next section, so that it needs no chunk of its own."""
    return not section.path or (following is not None and following.path[: len(section.path)] == section.path)


class _Chunker:
    """One document's chunking: its settings, its title, and the token counts of its pieces."""

    def __init__(self, settings: ChunkingSettings, title: str, pieces: Pieces) -> None:
        self._settings = settings
        self._pieces = pieces
        self._room = settings.max_tokens - pieces.special
        self._context_room = self._room // _CONTEXT_SHARE
        self._small = self._room // _SMALL_SHARE
        self._title = pieces.shortened(title, self._context_room)
        self._contexts: dict[tuple[str, ...], str] = {}

    def whole(self, elements: Sequence[Element]) -> Chunk | None:
        """The chunk of a text without headings that fits one as it is, so that it is counted but once; else None."""
        length = sum(len(element.text) for element in elements)
        if length > self._room * _MOST_CHARACTERS or any(element.kind == "title" for element in elements):
            return None
        draft = self._draft((), uncounted_units(elements), None)
        if not draft.text:
            return None
        [count] = self._pieces.exact([draft.embedding_text])
        return replace(draft, token_count=count) if count <= self._settings.max_tokens else None

    def grouped(self, sections: Sequence[_Section]) -> list[list[_Section]]:
        """Neighbours under one parent that are small, and fit one chunk together, become one."""
        groups: list[list[_Section]] = []
        for section in sections:
            if groups and self._may_join(groups[-1], section):
                groups[-1].append(section)
            else:
                groups.append([section])
        return groups

    def _may_join(self, group: Sequence[_Section], section: _Section) -> bool:
        sizes = [sum(unit.tokens for unit in item.units) for item in (*group, section)]
        if sum(sizes[:-1]) >= self._small and sizes[-1] >= self._small:
            return False
        if len(_common_path([*group, section])) < len(group[0].path) - 1:
            return False
        path, units = self._merged([*group, section])
        return sum(unit.tokens for unit in units) <= self._body_room(path)

    def chunks_of(self, group: Sequence[_Section]) -> list[Chunk]:
        path, units = self._merged(group)
        page = group[0].page
        return [self._draft(path, packed, page) for packed in self._packed(units, self._body_room(path))]

    def _merged(self, group: Sequence[_Section]) -> tuple[tuple[str, ...], list[Unit]]:
        """The common path and the units of a group; headings below that path become lines of the text."""
        path = _common_path(group)
        if len(group) == 1 and not group[0].units:
            path = path[:-1]
        units: list[Unit] = []
        before: tuple[str, ...] = path
        for section in group:
            shared = len(_common_prefix(before, section.path))
            units += [self._pieces.heading_unit(text, page=section.page) for text in section.path[shared:]]
            units += section.units
            before = section.path
        return path, units

    def _body_room(self, path: tuple[str, ...]) -> int:
        return self._room - self._pieces.tokens(self._context(path))

    def _packed(self, units: Sequence[Unit], room: int) -> list[list[Unit]]:
        """Fill chunks one after the other; each starts with the last sentences of the one before."""
        chunks: list[list[Unit]] = []
        current: list[Unit] = []
        size = 0
        for unit in self._pieces.split_to(units, room):
            if current and size + unit.tokens > room:
                chunks.append(current)
                current = self._overlap(current, room - unit.tokens)
                size = sum(item.tokens for item in current)
            current.append(unit)
            size += unit.tokens
        return [*chunks, current] if current else chunks

    def _overlap(self, chunk: Sequence[Unit], room: int) -> list[Unit]:
        kept: list[Unit] = []
        left = min(self._settings.overlap_tokens, room)
        for unit in reversed(chunk[1:]):
            if not unit.repeatable or unit.tokens > left:
                break
            kept.insert(0, unit)
            left -= unit.tokens
        return kept

    def _draft(self, path: tuple[str, ...], units: Sequence[Unit], page: int | None) -> Chunk:
        pages = [unit.page for unit in units if unit.page is not None]
        text, context = join_units(units), self._context(path)
        return Chunk(
            ordinal=0,
            text=text,
            headings=path,
            page=pages[0] if pages else page,
            token_count=0,
            context="" if context == text else context,
        )

    def _context(self, path: tuple[str, ...]) -> str:
        """The title and as many of the inner headings as have room, the outermost dropped first."""
        if path not in self._contexts:
            self._contexts[path] = self._bounded(path[1:] if path[:1] == (self._title,) else path)
        return self._contexts[path]

    def _bounded(self, headings: tuple[str, ...]) -> str:
        room = self._context_room
        if not headings:
            return self._title
        inner = self._pieces.shortened(headings[-1], room)
        title = self._pieces.shortened(self._title, max(room - self._pieces.tokens(inner), room // 2))
        inner = self._pieces.shortened(inner, room - self._pieces.tokens(title))
        left = room - self._pieces.tokens(title) - self._pieces.tokens(inner)
        kept: list[str] = [inner]
        for heading in reversed(headings[:-1]):
            left -= self._pieces.tokens(heading)
            if left < 0:
                break
            kept.insert(0, heading)
        return "\n".join(text for text in (title, *kept) if text)

    def fitting(self, drafts: list[Chunk]) -> list[Chunk]:
        """The drafts with their true counts; one that is over after all is halved until it fits.

        Counts add up over words for BERT's tokenizer. For one where they don't, this is the proof.
        """
        done: list[Chunk] = []
        counts = self._pieces.exact([draft.embedding_text for draft in drafts])
        for draft, count in zip(drafts, counts, strict=True):
            if count <= self._settings.max_tokens or len(draft.text) < 2:
                done.append(replace(draft, token_count=count))
                continue
            halves = [replace(draft, text=half) for half in self._pieces.halves(draft.text)]
            done += self.fitting(halves)
        return done


def _common_path(group: Sequence[_Section]) -> tuple[str, ...]:
    path = group[0].path
    for section in group[1:]:
        path = _common_prefix(path, section.path)
    return path


def _common_prefix(one: tuple[str, ...], other: tuple[str, ...]) -> tuple[str, ...]:
    length = 0
    while length < min(len(one), len(other)) and one[length] == other[length]:
        length += 1
    return one[:length]


def _numbered(chunks: Iterable[Chunk]) -> list[Chunk]:
    return [
        replace(chunk, ordinal=ordinal)
        for ordinal, chunk in enumerate(chunk for chunk in chunks if chunk.text)
    ]
