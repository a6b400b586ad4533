"""The features that are measured: each differs from the plain search in one thing, and is a request that is taken."""

import pytest

from bench import features
from bench.features import BASE, FEATURES, PLAIN
from search import understanding
from search.serializers import SearchSerializer


def test_each_feature_is_a_search_that_the_api_takes_and_no_two_are_the_same() -> None:
    bodies = [feature.body("one two three four") for feature in FEATURES]
    for body in bodies:
        SearchSerializer.request(body)
    names = [(feature.name, feature.server) for feature in FEATURES]
    assert len(set(names)) == len(names)
    plain = next(feature for feature in FEATURES if feature.name == PLAIN)
    assert plain.body("one two") == {**BASE, "query": "one two"}
    assert sum(body == plain.body("one two three four") for body in bodies) == 1


def test_operators_leave_the_embedded_text_as_it_is() -> None:
    text = 'a "pump" without oil runs hot'
    plain = understanding.parse("a pump without oil runs hot", {}).text
    phrase = understanding.parse(features.quoted(text), {})
    excluded = understanding.parse(features.excluding("a pump without oil runs hot"), {})
    assert (phrase.text, phrase.phrases) == (plain, ("pump without",))
    assert (excluded.text, excluded.excluded) == (plain, ("zeppelin",))


@pytest.mark.parametrize("number", [0, 1, 23, 24, 100])
def test_every_turn_has_every_feature_once(number: int) -> None:
    assert sorted(feature.name for feature in features.turn(number)) == sorted(
        feature.name for feature in FEATURES
    )
