"""Sentences and tokens: what a quote is cut from and what evidence is weighed by."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from search.sentences import content_stems, exact_tokens, is_code, sentence_spans, vocabulary


def sentences(text: str) -> list[str]:
    return [text[start:end] for start, end in sentence_spans(text)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("One here. Two there! Three?", ["One here.", "Two there!", "Three?"]),
        (
            "Dr. Smith paid $3.5m, e.g. in May. Then he left.",
            ["Dr. Smith paid $3.5m, e.g. in May.", "Then he left."],
        ),
        ("1. Open it. 2. Close it.", ["1. Open it.", "2. Close it."]),
        ("Items:\n- red\n- blue", ["Items:", "- red", "- blue"]),
        ("A heading\n\nIts text.", ["A heading", "Its text."]),
        ("保修期为两年。电池不在内！", ["保修期为两年。", "电池不在内！"]),
        ("", []),
    ],
)
def test_sentences_end_where_a_reader_would_end_them(text: str, expected: list[str]) -> None:
    assert sentences(text) == expected


@given(st.text(alphabet="ab .!?\n-1。[]*", max_size=80))
def test_spans_are_in_order_and_leave_only_white_space_out(text: str) -> None:
    spans = sentence_spans(text)
    edges = [edge for span in spans for edge in span]
    assert edges == sorted(edges)
    kept = "".join(text[start:end] for start, end in spans)
    assert "".join(kept.split()) == "".join(text.split())


def test_exact_tokens_are_numbers_codes_and_names() -> None:
    tokens = exact_tokens("The K-200 of Kestrow's weighs 1,250 kg, per ISO.", with_names=True)
    assert tokens == {"k-200", "kestrow", "1250", "iso"}


def test_the_first_word_of_a_sentence_is_no_name() -> None:
    assert exact_tokens("Batteries are excluded.", with_names=True) == frozenset()
    assert exact_tokens("Batteries are excluded.", with_names=True, from_start=False) == {"batteries"}


@pytest.mark.parametrize(
    "written", ["K200", "k-200", "1000", "1,000", "2", "10", "10mm", "17:00", "2.4.1", "3.5"]
)
def test_a_vocabulary_knows_other_ways_to_write_a_token(written: str) -> None:
    words = vocabulary("The K-200 cost 1,000; two for 3,5 at 17:00, v2.4.1, 10 mm.")
    (token,) = exact_tokens(written, with_names=False)
    assert words.has(token)


@pytest.mark.parametrize("written", ["K300", "200", "35", "17:30", "2.4.2", "100"])
def test_a_vocabulary_does_not_take_one_number_for_another(written: str) -> None:
    words = vocabulary("The K-200 cost 1,000; two for 3,5 at 17:00, v2.4.1, 10 mm.")
    (token,) = exact_tokens(written, with_names=False)
    assert not words.has(token)


def test_a_number_behind_a_word_is_also_known_as_one_token() -> None:
    assert vocabulary("as in ISO 27001").has("iso27001")


@pytest.mark.parametrize(
    ("token", "expected"), [("k-200", True), ("lb2414", True), ("10mm", False), ("2024", False)]
)
def test_a_code_is_letters_with_digits(token: str, expected: bool) -> None:
    assert is_code(token) == expected


def test_forms_of_a_word_share_a_stem() -> None:
    assert set(content_stems("The policies refunded warranties")) == set(
        content_stems("policy refunds a warranty")
    )


def test_chinese_is_compared_by_pairs_of_characters() -> None:
    assert content_stems("保修期") == ["保修", "修期"]


def test_german_capitals_are_no_names() -> None:
    german = "Die Garantie für den Motor des Gerätes beträgt zwei Jahre. Der Akku hat eine eigene Garantie."
    assert vocabulary(german).capitalises_nouns
    english = (
        "The motor of this device has a warranty of two years. The battery in Kestrow devices has its own."
    )
    assert not vocabulary(english).capitalises_nouns
