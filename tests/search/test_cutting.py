"""Questions cut from passages: what is taken out, what is left, and that it is always the same."""

import re
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from search.evaluation.cutting import QUESTION_WORDS, Cut, cut, squeezed

WORD = re.compile(r"\w+")
SENTENCES = [
    "The pump in the cellar moves water uphill through a steel pipe of forty metres.",
    "Nobody may open the valve before the pressure has fallen below two bar again.",
    "A sensor in the tank reports its level to the control room every ten seconds.",
]


def words(text: str) -> list[tuple[int, int]]:
    return [match.span() for match in WORD.finditer(text)]


def cut_of(text: str) -> Cut:
    made = cut(text, words(text))
    assert made is not None
    return made


def test_a_whole_sentence_is_taken_out_and_asked_for_by_eight_of_its_words() -> None:
    text = " ".join(SENTENCES)
    made = cut_of(text)
    assert made.removed in SENTENCES
    assert made.question in made.removed
    assert len(words(made.question)) == QUESTION_WORDS
    assert squeezed(made.rest) == squeezed(" ".join(s for s in SENTENCES if s != made.removed))


def test_the_same_text_is_always_cut_in_the_same_way() -> None:
    text = " ".join(SENTENCES)
    assert cut_of(text) == cut_of(text)


def test_texts_are_cut_in_different_places() -> None:
    cuts = [cut_of(" ".join([*SENTENCES, f"Number {n}."])) for n in range(20)]
    assert len({made.removed for made in cuts}) > 1
    assert len({made.question for made in cuts}) > len({made.removed for made in cuts})


def test_without_sentences_a_stretch_of_words_is_taken_out() -> None:
    text = " ".join(f"word{n}" for n in range(60))
    made = cut_of(text)
    removed = [int(word[4:]) for word in made.removed.split()]
    assert len(removed) == 14
    assert all(after - before == 1 for before, after in pairwise(removed))


def test_a_passage_of_one_sentence_is_not_cut() -> None:
    assert cut(SENTENCES[0], words(SENTENCES[0])) is None


def test_a_text_without_words_is_not_cut() -> None:
    assert cut("", []) is None
    assert cut("— … !", []) is None


@given(st.text(max_size=400))
def test_no_text_breaks_it_and_nothing_is_invented(text: str) -> None:
    made = cut(text, words(text))
    if made is not None:
        assert made.removed in text
        assert made.question in made.removed
        assert len(words(made.rest)) >= 8
