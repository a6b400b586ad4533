"""Whether two questions ask the same: each guard, what may differ, and that the words' data contradict nothing."""

from collections import Counter

import pytest

from search.questions.contrasts import CONTRASTS
from search.questions.guards import difference, unmatched
from search.questions.meanings import lemma, meaning, number
from search.questions.reading import read
from search.questions.words import CONCEPTS

SAME = [
    ("How long does parental leave last?", "What is the duration of parental leave?"),
    ("What does the K-200 cost?", "How much is the K200?"),
    ("How do I turn off the alarm?", "How can I switch the alarm off?"),
    ("Can I cancel my order after it has shipped?", "Is it possible to cancel an order after shipping?"),
    ("Who approves travel requests above 2,000 EUR?", "Who approves travel requests over 2000 euros?"),
    ("Who wrote Emma?", "Who is the author of Emma?"),
    ("In Git, how do I merge two branches?", "How can 2 branches be merged in Git?"),
    ("What was the revenue in Q3 2022?", "How high was revenue in the third quarter of 2022?"),
    ("Which oil does the chain saw need?", "What oil does the chainsaw require?"),
    ("Could you tell me whether dogs are allowed?", "Are dogs permitted?"),
    ("How long is the ticket valid?", "How many days is the ticket valid?"),
    ("When was Caesar born?", "In which year was Caesar born?"),
    ("Did PSV beat Ajax?", "Was Ajax beaten by PSV?"),
    ("Who composed Aida?", "By whom was Aida composed?"),
    ("How do you change your password?", "How do I change my password?"),
    ("Who taught Anna?", "Who was Anna's teacher?"),
    ("What is the number of employees?", "How many employees are there?"),
    ("Wie lange dauert die Elternzeit?", "Wie lange dauert denn die Elternzeit"),
]


@pytest.mark.parametrize(("asked", "stored"), SAME)
def test_other_words_for_the_same_question_are_no_difference(asked: str, stored: str) -> None:
    first, second = read(asked), read(stored)
    assert (difference(first, second), difference(second, first)) == (None, None)
    if first.is_english:
        words = unmatched(first, second)
        assert words is not None
        assert (words.asked, words.stored) == ((), ())


@pytest.mark.parametrize(
    ("guard", "asked", "stored"),
    [
        ("kind", "When was penicillin discovered?", "Who discovered penicillin?"),
        ("kind", "How do I reset my password?", "Why do I reset my password?"),
        ("number", "Can two people share a licence?", "Can three people share a licence?"),
        ("number", "Who signs above 2,000 EUR?", "Who signs above 5,000 EUR?"),
        ("number", "Who was the first president?", "Who was the second president?"),
        ("name", "When did Napoleon die?", "When did Nelson die?"),
        ("name", "What does the GP-7 weigh?", "What does the GP-7b weigh?"),
        ("name", "Who orders laptops from IT?", "Who orders laptops from HR?"),
        ("negation", "Does it work with a card?", "Does it work without a card?"),
        ("negation", "Who may not enter?", "Who may enter?"),
        ("negation", "Are pets welcome here?", "Are pets unwelcome here?"),
        ("negation", "Is it safe to swim there?", "Is it unsafe to swim there?"),
        ("negation", "Wer darf das Labor betreten?", "Wer darf das Labor nicht betreten?"),
        ("tense", "When was it released?", "When will it be released?"),
        ("tense", "Who is the chief executive?", "Who was the chief executive?"),
        ("modality", "Must I return the badge?", "May I return the badge?"),
        ("contrast", "is the pool open on monday", "is the pool open on friday"),
        ("contrast", "What is the maximum load?", "What is the minimum load?"),
        ("contrast", "How do I import contacts?", "How do I export contacts?"),
        ("direction", "How far is it from Lyon to Paris?", "How far is it from Paris to Lyon?"),
        ("direction", "What damage is caused by the dog?", "What damage is caused to the dog?"),
        ("direction", "Can my manager read my mail?", "Can I read my manager's mail?"),
        ("direction", "How many users per project are there?", "How many projects per user are there?"),
        ("direction", "Which teams did Ajax beat?", "Which teams beat Ajax?"),
        ("direction", "Who was betrayed by Judas?", "Who betrayed Judas?"),
        ("direction", "Can the tenant sue the landlord?", "Can the tenant be sued by the landlord?"),
        ("direction", "Which rivers flow into the Rhine?", "Into which rivers does the Rhine flow?"),
        ("direction", "Which books are about Kafka?", "Which books are by Kafka?"),
        ("aside", "For how many days is the ticket valid?", "For how many hours is the ticket valid?"),
        ("aside", "In which year was Caesar born?", "On which day was Caesar born?"),
        ("aside", "Which composer inspired Borges?", "Which painter inspired Borges?"),
        ("aside", "Is it possible to swim there?", "Is it allowed to swim there?"),
        ("aside", "Should I tip the waiter?", "Must I tip the waiter?"),
        ("aside", "Are all dogs allowed?", "Are any dogs allowed?"),
        ("aside", "Does it run on Windows or Mac?", "Does it run on Windows and Mac?"),
        ("aside", "What is my address?", "What is your address?"),
        ("tense", "When is the conference?", "When was the conference?"),
        ("tense", "Does the shop sell wine?", "Did the shop sell wine?"),
        ("direction", "Do dogs chase a cat?", "Does the cat chase dogs?"),
        ("direction", "Which visitors need a visa?", "Which visa do visitors need?"),
        ("direction", "Who is Anna's teacher?", "Who does Anna teach?"),
        ("direction", "Who is Anna's teacher?", "Who is taught by Anna?"),
    ],
)
def test_each_guard_holds_apart_what_differs(guard: str, asked: str, stored: str) -> None:
    assert difference(read(asked), read(stored)) == guard
    assert difference(read(stored), read(asked)) == guard


@pytest.mark.parametrize(
    ("asked", "stored"),
    [
        ("How long is the leave?", "How long is the leave for fathers?"),
        ("Are there showers in building C?", "Are there showers in building D?"),
        ("What is the weight of the case?", "What is the height of the case?"),
        ("Wie lange dauert die Elternzeit?", "Wie lange dauert die Probezeit?"),
        ("What is it?", "Which one is it?"),
        ("What is the room number of the meeting?", "How many rooms does the meeting have?"),
        ("How do I sort a list in C?", "How do I sort a list in C++?"),
        ("How do I change the file name?", "How do I change the file?"),
        ("How do I make up the exam?", "How do I make the exam?"),
    ],
)
def test_a_word_without_a_counterpart_is_not_aligned(asked: str, stored: str) -> None:
    first, second = read(asked), read(stored)
    assert difference(first, second) is not None or unmatched(first, second) is None


@pytest.mark.parametrize(
    ("asked", "stored", "words"),
    [
        ("How do I descale the kettle?", "How do I decalcify the kettle?", ("descale", "decalcify")),
        ("How much is the book?", "How much is the reservation?", ("bookvolume", "reservation")),
        (
            "Until what time is the shop open?",
            "From what time is the shop open?",
            ("deadline", "begin"),
        ),
    ],
)
def test_words_that_only_one_has_are_given_for_alignment(
    asked: str, stored: str, words: tuple[str, str]
) -> None:
    given = unmatched(read(asked), read(stored))
    assert given is not None
    assert (*given.asked, *given.stored) == words


@pytest.mark.parametrize(
    "forms", ["replace replaces replaced replacing replacement", "install installed installing installation"]
)
def test_forms_of_a_word_have_one_lemma_or_concept(forms: str) -> None:
    assert len({meaning(word) for word in forms.split()}) == 1


def test_short_words_are_not_taken_for_forms_of_others() -> None:
    assert lemma("app") != lemma("apply")
    assert lemma("need") == "need"


@pytest.mark.parametrize(
    ("token", "read_as"),
    [
        ("2,000", (2000.0, "")),
        ("3.5", (3.5, "")),
        ("12th", (12.0, "")),
        ("5kg", (5.0, "kg")),
        ("twelve", (12.0, "")),
        ("k200", (None, "k200")),
    ],
)
def test_numbers_are_read_as_such(token: str, read_as: tuple[float | None, str]) -> None:
    assert number(token) == read_as


def test_no_word_has_two_meanings_and_no_contrast_is_between_equals() -> None:
    listed = Counter(word for line in _lines() for word in line)
    assert [word for word, count in listed.items() if count > 1] == []
    assert [group for group in CONTRASTS if len({*map(meaning, group)}) < len(group)] == []


def _lines() -> list[list[str]]:
    groups: dict[str, list[str]] = {}
    for word, concept in CONCEPTS.items():
        groups.setdefault(concept, []).append(word)
    return list(groups.values())
