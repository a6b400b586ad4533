"""The support checker: on labelled pairs that were written before it, and what its parts compare."""

import json
from pathlib import Path

import pytest

from search.polarity import negations, opposed
from search.support import Reason, Source, unsupported

PAIRS = [
    json.loads(line) for line in (Path(__file__).parent / "support_pairs.jsonl").read_text().splitlines()
]
PASSAGE = (
    "The K200 weighs 12.5 kg and was sold from 3 May 2019 to June 2021. It must not be cleaned with petrol. "
    "Its warranty of 24 months does not cover batteries. Anna Weber designed it in Lyon."
)


def reason(claim: str) -> Reason | None:
    return unsupported(claim, Source(PASSAGE))


def right(half: str, label: str) -> float:
    """The share of a half's pairs with that label which the checker, without a model, gets right."""
    judged = [
        (unsupported(pair["claim"], Source(document["passage"])) is None) == (label == "supported")
        for document in PAIRS
        if document["half"] == half
        for pair in document[label]
    ]
    assert len(judged) == 100
    return sum(judged) / len(judged)


@pytest.mark.parametrize("half", ["first", "second"])
def test_labelled_pairs_are_told_apart(half: str) -> None:
    """The checker was built on the first half; the second was only measured."""
    assert (right(half, "supported") + right(half, "unsupported")) / 2 >= 0.85


def test_what_a_passage_says_verbatim_is_never_unsupported() -> None:
    for document in PAIRS:
        source = Source(document["passage"])
        assert [unsupported(sentence, source) for sentence in source.sentences] == [None] * len(
            source.sentences
        )


@pytest.mark.parametrize(
    ("claim", "expected"),
    [
        ("The K200 weighs 12,5 kg.", None),
        ("The K200 weighs 12.5 kilograms.", None),
        ("The K200 weighs 15.2 kg.", Reason.NUMBER),
        ("The K200 weighs 12.5 g.", Reason.UNIT),
        ("It was sold from 2019-05-03.", None),
        ("It was sold from 5 March 2019.", Reason.DATE),
        ("It was sold to June 2019.", Reason.DATE),
        ("The K300 weighs 12.5 kg.", Reason.NAME),
        ("Anna Keller designed it in Lyon.", Reason.NAME),
        ("Petra Weber designed it in Lyon.", Reason.NAME),
        ("It must be cleaned with petrol.", Reason.NEGATION),
        ("The warranty covers batteries.", Reason.NEGATION),
        ("Its warranty of twenty-four months does not cover batteries.", None),
        ("Penguins live on ice.", Reason.MISSING),
    ],
)
def test_what_differs_is_named(claim: str, expected: Reason | None) -> None:
    assert reason(claim) == expected


def test_meaning_is_asked_only_where_words_are_too_few() -> None:
    asked: list[str] = []

    def near(claim: str, sentences: object) -> float:
        asked.append(claim)
        return 0.9

    source = Source(PASSAGE)
    vague = "Batteries are something nobody ever pays back for."
    assert unsupported(vague, source) == Reason.MISSING
    assert unsupported("It must not be cleaned with petrol, ever.", source, nearness=near) is None
    assert asked == []
    assert unsupported("Lyon housed the designer's studio, office and bench.", source, nearness=near) is None
    assert asked == ["Lyon housed the designer's studio, office and bench."]


def test_a_negation_reaches_within_its_clause() -> None:
    assert negations("It does not run, but it shines").heads == {"run"}
    assert negations("It can't be washed").heads == {"wash"}
    assert negations("Lenses are forbidden here").heads == {"lens"}
    assert negations("It is no longer sold").heads == {"sold"}


def test_opposites_are_told_from_equal_words() -> None:
    assert opposed("Fuel is included", "Fuel is excluded")
    assert not opposed("Fuel is included, tax excluded", "Fuel is included, tax excluded")
