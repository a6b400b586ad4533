"""Pure: whether two questions may have the same answer. Whatever is in doubt is a difference.

Near vectors say that two questions are about the same; what they ask of it is told by their words.
"""

import itertools
from collections.abc import Set
from dataclasses import dataclass

from search.questions import asides
from search.questions.grammar import MEASURES, NEGATIVE_PREFIXES
from search.questions.meanings import CONTRASTING, meaning
from search.questions.reading import Question

_STRICT = (
    frozenset(["+above", "+below", "before", "after", "during", "until", "since", "off", "down"]) | MEASURES
)
# Prepositions, each with those that say something else of the same word.
_DIRECTIONS = {
    "from": {"to", "into", "by", "for", "about", "with"},
    "to": {"from", "by", "for", "with"},
    "into": {"from"},
    "by": {"from", "to", "about", "in"},
    "in": {"by", "for"},
    "for": {"against", "from", "to", "in"},
    "against": {"for", "with"},
    "about": {"by", "from", "on"},
    "on": {"under", "about"},
    "over": {"under", "through"},
    "under": {"over", "on", "through"},
    "through": {"over", "under"},
    "with": {"to", "from", "against"},
}
_WAYS = frozenset({"from", "to"})
_VALUE = "+value"
# "How much revenue" asks for what "what is the revenue" does; "how much is it" for a price.
_STAND_FOR = {
    "+amount": {_VALUE},
    "+howmuch": {"+price", "+amount"},
    "+price": {"+howmuch"},
}
# May be missing on one side: "which exams are held", "which oil should I use".
_LIGHT = frozenset(map(meaning, ["contain", "hold", "come", "take", "place", "use", "apply", "make", "give"]))
_KINDS_OF_THINGS = frozenset({"what", "who", "when", ""})  # of a way or a place the verb says which
_SHORTEST = 3  # building C is not building D
# Kinds that may stand for one another: "battery life X7" asks what it is.
_SAME_KINDS = frozenset({frozenset({"", "what"}), frozenset({"", "how"})})


@dataclass(frozen=True, slots=True)
class Unmatched:
    """Content words, as they were spelled, that the other question lacks."""

    asked: tuple[str, ...]
    stored: tuple[str, ...]


def difference(asked: Question, stored: Question) -> str | None:
    """The guard that holds the two apart: kind, number, name, negation, tense, modality, contrast or direction."""
    guards = {
        "kind": _differ_in_kind(asked, stored),
        "number": asked.numbers != stored.numbers,
        "name": not (_has_names(asked, stored) and _has_names(stored, asked)),
        "negation": asked.is_negated != stored.is_negated or _are_opposites(asked, stored),
        "tense": _differ_in_tense(asked, stored),
        "modality": _differ_in_modality(asked, stored),
        "contrast": _contrast(asked, stored),
        "direction": any(differ(asked, stored) for differ in _WAYS_TO_TURN),
        "aside": asides.differ(asked.asides, stored.asides) or _differ_in_owner(asked, stored),
    }
    return next((name for name, differs in guards.items() if differs), None)


def _differ_in_kind(asked: Question, stored: Question) -> bool:
    """Also of what is asked further in: which page tells how, and which tells why."""
    if asked.kind != stored.kind:
        return frozenset({asked.kind, stored.kind}) not in _SAME_KINDS
    return asked.kinds_within != stored.kinds_within


def _has_names(question: Question, other: Question) -> bool:
    held = other.tokens | set(other.words)
    return all(name in held or _is_word_of(name, question, other) for name in question.names)


def _is_word_of(name: str, question: Question, other: Question) -> bool:
    """Whether the other has the word that the name is spelled as: Irish for Ireland, bolts for bolt."""
    meanings = (
        word for word, spelled in zip(question.words, question.spelled, strict=True) if spelled == name
    )
    return any(word in other.meanings for word in meanings)


def _are_opposites(asked: Question, stored: Question) -> bool:
    """Paid and unpaid."""
    one, other = _as_spelled(asked, stored), _as_spelled(stored, asked)
    prefixed = {prefix + word for prefix in NEGATIVE_PREFIXES for word in one}
    return not prefixed.isdisjoint(other) or any(
        prefix + word in one for prefix in NEGATIVE_PREFIXES for word in other
    )


def _as_spelled(question: Question, other: Question) -> set[str]:
    """Its words that the other does not have the meaning of, as lemmas and as they are spelled."""
    pairs = zip(question.words, question.spelled, strict=True)
    return {form for word, spelled in pairs if word not in other.meanings for form in (word, spelled)}


def _differ_in_tense(asked: Question, stored: Question) -> bool:
    """Who is, and who was; but when a bridge was opened is what its opening date is."""
    if asked.opening[0] == stored.opening[0] and "" not in (asked.opening[1], stored.opening[1]):
        return asked.opening[1] != stored.opening[1]
    differs = asked.tenses ^ stored.tenses
    is_told = asked.kind in ("who", "what") and bool(asked.tenses) and bool(stored.tenses)
    return {"past", "future"} <= differs or (is_told and {"past", "present"} <= differs)


def _differ_in_modality(asked: Question, stored: Question) -> bool:
    """May and must. In "how can I" and "how must I" it says nothing; of who and what it says which ones."""
    if "how" in (asked.kind, stored.kind):
        return False
    differs = asked.modals ^ stored.modals
    if asked.modals and stored.modals:
        return bool(differs)
    return "+permit" in differs and asked.kind in ("who", "what") and MEASURES.isdisjoint(asked.meanings)


def _contrast(asked: Question, stored: Question) -> bool:
    one, other = asked.meanings - stored.meanings, stored.meanings - asked.meanings
    return any(not line.isdisjoint(one) and not line.isdisjoint(other) for line in CONTRASTING)


def _differ_in_direction(asked: Question, stored: Question) -> bool:
    """From Paris to Lyon, and from Lyon to Paris; damage by a dog, and to it."""
    shared = asked.meanings & stored.meanings
    for preposition, others in _DIRECTIONS.items():
        one, same = _led_to(asked, {preposition}), _led_to(stored, {preposition})
        if (one - same) & (_led_to(stored, others) - _led_to(asked, others)):
            return True
        if preposition in _WAYS and one & shared and same & shared and one.isdisjoint(same):
            return True
    return False


def _led_to(question: Question, prepositions: Set[str]) -> set[str]:
    return {head for preposition, head in question.heads if preposition in prepositions}


def _are_turned(asked: Question, stored: Question) -> bool:
    """Users per project, and projects per user: the same words begun in the same way, but in another order."""
    return (
        asked.words != stored.words
        and asked.order[:1] == stored.order[:1]
        and sorted(asked.order) == sorted(stored.order)
    )


def _differ_in_subject(asked: Question, stored: Question) -> bool:
    """May my manager read mine, and may I read my manager's."""
    return {asked.subject, stored.subject} == {"reader", "other"}


def _differ_in_agent(asked: Question, stored: Question) -> bool:
    """Whom Judas betrayed, asked in the passive, and who betrayed Judas: who does it stands before the verb."""
    return _is_done_to_agent(asked, stored) or _is_done_to_agent(stored, asked)


def _is_done_to_agent(passive: Question, active: Question) -> bool:
    order = active.order
    return any(
        verb in order and agent in order and order.index(verb) < order.index(agent)
        for verb, agent in passive.agents
        if ("by", agent) not in active.heads
    )


def _differ_in_owner(asked: Question, stored: Question) -> bool:
    """My address, and yours."""
    return bool(asked.owners) and bool(stored.owners) and asked.owners != stored.owners


def _differ_in_wanted(asked: Question, stored: Question) -> bool:
    """Which visitors need a visa, and which visa visitors need."""
    return asked.wanted != stored.wanted and asked.wanted in stored.words and stored.wanted in asked.words


def _differ_in_order(asked: Question, stored: Question) -> bool:
    """Do dogs chase a cat, and does a cat chase dogs: who does it comes first, unless it is done to them."""
    if not (asked.does and stored.does) or any(
        question.is_passive or question.is_askers for question in (asked, stored)
    ):
        return False
    return asked.words != stored.words and sorted(asked.words) == sorted(stored.words)


def _asks_for_another(asked: Question, stored: Question) -> bool:
    """Who is Anna's teacher, and who is taught by her."""
    return _asks_for_whom(asked, stored) or _asks_for_whom(stored, asked)


def _asks_for_whom(object_: Question, subject: Question) -> bool:
    if not (object_.agents or object_.does) or subject.agents or subject.does:
        return False
    pairs = zip(subject.words, subject.spelled, strict=True)
    return object_.kind == "who" and any(
        word in object_.words and spelled.endswith(("er", "or")) and spelled not in object_.spelled
        for word, spelled in pairs
    )


def _differ_in_sought(asked: Question, stored: Question) -> bool:
    """Which rivers flow into the Rhine, and into which the Rhine flows."""
    led = {preposition for preposition, _ in asked.heads}, {preposition for preposition, _ in stored.heads}
    return bool((asked.sought - stored.sought) & led[1] or (stored.sought - asked.sought) & led[0])


_WAYS_TO_TURN = (
    _differ_in_direction,
    _differ_in_subject,
    _differ_in_agent,
    _differ_in_sought,
    _differ_in_wanted,
    _differ_in_order,
    _asks_for_another,
    _are_turned,
)


def unmatched(asked: Question, stored: Question) -> Unmatched | None:
    """The words to be aligned by their meaning; None where a word is unmatched that nothing near may stand for."""
    one, other = _without(asked, stored), _without(stored, asked)
    one, other = _without_joined(one, other), _without_joined(other, one)
    if asked.kind in _KINDS_OF_THINGS:
        one, other = (one if other else _without_light(one)), (other if one else _without_light(other))
    if not asked.words or not stored.words:
        return None
    if any(word in _STRICT or len(spelled) < _SHORTEST for word, spelled in (*one, *other)):
        return None
    if one or other:
        names = asked.names | stored.names
        is_alignable = asked.is_english and stored.is_english and bool(one) and bool(other)
        if not is_alignable or any(spelled in names for _, spelled in (*one, *other)):
            return None
    return Unmatched(tuple(spelled for _, spelled in one), tuple(spelled for _, spelled in other))


def _without(question: Question, other: Question) -> list[tuple[str, str]]:
    """Also without an amount, where the other asks what something is."""
    pairs = zip(question.words, question.spelled, strict=True)
    held = other.meanings | {_VALUE}
    held |= {word for word, others in _STAND_FOR.items() if not others.isdisjoint(other.meanings)}
    return [(word, spelled) for word, spelled in pairs if word not in held]


def _without_light(words: list[tuple[str, str]]) -> list[tuple[str, str]]:
    return [(word, spelled) for word, spelled in words if word not in _LIGHT]


def _without_joined(words: list[tuple[str, str]], others: list[tuple[str, str]]) -> list[tuple[str, str]]:
    """Without chainsaw where the other has chain saw, and the other way round."""
    spelled, other = [word for _, word in words], [word for _, word in others]
    whole = {a + b for a, b in itertools.pairwise(other)}
    halves = {half for a, b in itertools.pairwise(spelled) if a + b in other for half in (a, b)}
    return [(word, as_spelled) for word, as_spelled in words if as_spelled not in whole | halves]
