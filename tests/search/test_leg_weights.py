"""The weight for a query: by the languages that its script allows, each by its share of the index."""

import pytest

from search.leg_weights import automatic_weight
from search.types import LanguageWeight

MIXED = (LanguageWeight("en", 0.5, 900), LanguageWeight("de", 0.4, 100), LanguageWeight("zh", 0.1, 500))


def weight(text: str, weights: tuple[LanguageWeight, ...] = MIXED, language: str = "") -> float | None:
    return automatic_weight(text, weights, language=language)


def test_latin_letters_ask_the_languages_that_are_written_so_by_their_share() -> None:
    assert weight("annual leave") == 0.49
    assert weight("Jährlicher Urlaub") == 0.49


def test_another_script_asks_its_own_languages_alone() -> None:
    assert weight("年假有多少天") == 0.1
    assert weight("iPhone 的价格") == 0.1


def test_a_known_language_has_its_own_weight() -> None:
    assert weight("Urlaub", language="de") == 0.4


def test_a_known_language_that_was_not_probed_is_told_by_its_script() -> None:
    assert weight("congé", language="fr") == 0.49


@pytest.mark.parametrize("text", ["отпуск", "άδεια", "छुट्टी", "วันลา", "إجازة", "חופשה"])
def test_a_script_that_was_not_probed_has_no_weight(text: str) -> None:
    assert weight(text) is None


def test_an_index_that_was_not_probed_has_no_weight() -> None:
    assert weight("annual leave", ()) is None
