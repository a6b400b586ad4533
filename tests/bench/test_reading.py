"""The double that reads: the same prompt has the same answer, and what it made up is known."""

from typing import Any

from bench.reading import INVENTED, NO_PASSAGE, ReadingReply, falsified
from search.context import build_prompt
from tests.search.passages import make_passages

PASSAGES = make_passages("The pump lifts water by 40 metres [7]. It is made of bronze.", "Valves stop water.")


def body(question: str) -> dict[str, Any]:
    prompt = build_prompt(question, PASSAGES)
    return {"messages": [{"role": one.role, "content": one.content} for one in prompt.messages]}


def test_it_quotes_the_sentences_with_most_words_of_the_question() -> None:
    reply = ReadingReply()
    answers = {
        question: reply(body(question)) for question in (f"How far does pump {n} lift?" for n in range(16))
    }
    honest = {a for q, a in answers.items() if q not in reply.planted and q not in reply.foreign}
    assert honest == {"The pump lifts water by 40 metres [1]. It is made of bronze [1]."}
    assert answers == {question: ReadingReply()(body(question)) for question in answers}
    assert {answers[q] for q in reply.planted} == {
        "The pump lifts water by 47 metres [1]. It is made of bronze [1]."
    }
    assert all(f"[1][{NO_PASSAGE}]." in answers[question] for question in reply.foreign)
    assert reply.planted
    assert reply.foreign


def test_a_falsehood_has_another_number_or_is_invented() -> None:
    assert falsified("On 3 May it cost 12 euros") == "On 3 May it cost 19 euros"
    assert falsified("Valves stop water") == INVENTED
