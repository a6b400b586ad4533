"""Relevance: what is refused before any generation."""

from search.relevance import relevance, words_held
from search.types import ContextPassage, Scores
from tests.search.passages import make_hit

TEXT = "The K200 comes with a warranty of two years. It covers the motor. Message T-104 means that the arm is stuck."


def passages(cosine: float | None) -> tuple[ContextPassage, ...]:
    return (ContextPassage(1, make_hit(1, TEXT, scores=Scores(vector=cosine)), TEXT),)


def relevant(question: str, cosine: float | None, *, sentence: float | None = None) -> bool:
    cosines = {} if sentence is None else {"It covers the motor.": sentence, "It never does.": -0.2}
    return relevance(question, passages(cosine), cosines) >= 0.4


def test_nothing_found_is_not_relevant() -> None:
    assert relevance("warranty", (), {}) < 0.0


def test_a_near_passage_is_relevant_even_without_shared_words() -> None:
    assert relevant("What if it breaks soon after purchase?", 0.41)
    assert not relevant("What if it breaks soon after purchase?", 0.39)


def test_a_passage_on_the_subject_is_relevant_by_its_best_sentence() -> None:
    question = "What if it breaks soon after purchase?"
    assert relevant(question, 0.3, sentence=0.52)
    assert not relevant(question, 0.5, sentence=0.28)


def test_shared_words_lower_the_threshold() -> None:
    assert relevant("warranty of the motor", 0.35)
    assert not relevant("penguins of the south", 0.35)


def test_without_vectors_the_words_decide() -> None:
    assert relevant("warranty of the motor", None)
    assert not relevant("penguins of the south", None)


def test_a_code_that_no_passage_has_is_refused_however_near_the_passage() -> None:
    assert relevant("What does T-104 mean?", 0.7)
    assert relevant("What does T104 mean?", 0.7)
    assert not relevant("What does T-162 mean?", 0.7)


def test_words_are_weighed_between_nothing_and_all() -> None:
    assert words_held("penguins", passages(0.5)) == 0.0
    assert words_held("warranty motor", passages(0.5)) == 1.0
