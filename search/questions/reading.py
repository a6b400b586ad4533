"""Pure: a question → what it asks for: its kind, content words as concepts, numbers, names, negation, tense, direction.

For comparing two questions, so words that say the same read the same. What is not English is read by its words alone.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice

from search.questions.asides import asides
from search.questions.grammar import (
    ANYONE,
    AUXILIARIES,
    BE,
    DETERMINERS,
    DO,
    ENGLISH,
    FILLERS,
    KINDS,
    MEASURES,
    MODAL_VERBS,
    MODALS,
    NEGATIONS,
    OTHER_LANGUAGES,
    PAST,
    POSSESSIVES,
    PREPOSITIONS,
    QUESTION_WORDS,
    READERS,
    SECOND_PERSON,
    TENSES,
)
from search.questions.meanings import meaning, number
from search.questions.phrases import REPLACEMENTS
from search.questions.words import CONCEPTS
from search.sentences import STOP_WORDS, exact_tokens, sentence_spans

_TOKEN = re.compile(r"\+?[^\W_](?:[^\W_]|[-./:,'’_](?=[^\W_]))*(?:\+\+|#)?|[%€$£]|°[cfCF]")
_US = re.compile(r"\bUS\b")  # which is not "us"
_QUARTER = re.compile(r"q[1-4]")
_OF_THINGS = frozenset({"who", "what"})
_TOLD_APART = frozenset({"who", "where", "why", "how"})  # "when" may also be a condition
_LONG_WORD = _FEW_WORDS = 4


@dataclass(frozen=True, slots=True)
class Question:
    """`words` are concepts (`+price`) and lemmas, in order, with how each was spelled in `spelled`."""

    kind: str
    kinds_within: frozenset[str]
    words: tuple[str, ...]
    spelled: tuple[str, ...]
    numbers: frozenset[float]
    names: frozenset[str]
    tokens: frozenset[str]
    modals: frozenset[str]
    order: tuple[str, ...]
    heads: frozenset[tuple[str, str]]
    subject: str
    agents: frozenset[tuple[str, str]]
    does: bool
    is_askers: bool
    is_passive: bool
    wanted: str
    owners: frozenset[str]
    opening: tuple[str, str]
    sought: frozenset[str]
    asides: frozenset[tuple[int, str]]
    is_negated: bool
    tenses: frozenset[str]
    is_english: bool

    @property
    def meanings(self) -> frozenset[str]:
        """The words and the modal verbs."""
        return self.modals.union(self.words)


@lru_cache(maxsize=4096)
def read(text: str) -> Question:
    """Reads a question as it was typed."""
    folded = _folded(text)
    tokens = [_bare(token) for token in _TOKEN.findall(folded)]
    as_typed_in_order = [*map(_joined, _TOKEN.findall(text.casefold()))]
    as_typed = frozenset(as_typed_in_order)
    is_english = _is_english(as_typed)
    content, numbers = _content(tokens, is_english)
    words = tuple(meaning for meaning, _ in content)
    kind = _kind(tokens)
    return Question(
        kind=kind,
        kinds_within=frozenset(KINDS[token] for token in tokens[1:] if KINDS.get(token) in _TOLD_APART),
        words=tuple(word for word in words if word not in MODALS),
        spelled=tuple(spelled for meaning, spelled in content if meaning not in MODALS),
        numbers=numbers,
        names=_names(text),
        tokens=as_typed.union(tokens),
        modals=frozenset(words) & MODALS,
        order=tuple(map(meaning, _without_do(tokens) if kind in _OF_THINGS else tokens)),
        heads=frozenset(_heads(tokens)),
        subject=_subject(as_typed_in_order),
        agents=frozenset(_agents(tokens)),
        does=not DO.isdisjoint(tokens[:4]) or not DO.isdisjoint(as_typed_in_order[:4]),
        is_askers=not (READERS | ANYONE).isdisjoint(as_typed),
        is_passive=not BE.isdisjoint(as_typed),
        wanted=_wanted(tokens),
        owners=_owners(tokens),
        opening=_opening(as_typed_in_order),
        sought=frozenset(_sought(as_typed_in_order)),
        asides=asides(text.casefold()),
        is_negated=any(token in NEGATIONS for token in tokens),
        tenses=_tenses(as_typed_in_order),
        is_english=is_english,
    )


def _is_english(tokens: frozenset[str]) -> bool:
    """Keywords alone are taken for English where they have no letters that English lacks."""
    english, other = len(tokens & ENGLISH), len(tokens & OTHER_LANGUAGES)
    return english > other or (english == other and all(map(str.isascii, tokens)))


def _folded(text: str) -> str:
    text = _US.sub("USA", text)
    folded = " ".join(text.casefold().replace("’", "'").split())
    for pattern, replacement in REPLACEMENTS:
        folded = " ".join(pattern.sub(replacement, folded).split())
    return folded


def _bare(token: str) -> str:
    """Without the s of a genitive; hyphens between letters are left out: needle-stick is needlestick."""
    bare = token.removesuffix("'s") if token not in NEGATIONS else token
    return _joined(bare)


def _joined(token: str) -> str:
    is_number = token[:1].isdigit() and not any(character.isalpha() for character in token)
    return token if is_number else re.sub(r"[-/_.:]", "", token)


def _content(tokens: list[str], is_english: bool) -> tuple[list[tuple[str, str]], frozenset[float]]:
    """(meaning, spelled) of each content word, and the numbers."""
    content: list[tuple[str, str]] = []
    numbers: set[float] = set()
    for token in tokens:
        value, word = number(token)
        if value is not None:
            numbers.add(value)
        if word and word not in NEGATIONS and not _is_filler(word, is_english):
            content.append((meaning(word) if is_english else word, word.removeprefix("+")))
    return content, frozenset(numbers)


def _is_filler(token: str, is_english: bool) -> bool:
    if CONCEPTS.get(token) in MODALS:
        return not is_english
    return token in FILLERS if is_english else token in STOP_WORDS or token in KINDS or token in FILLERS


def _names(text: str) -> frozenset[str]:
    """What may not be said in other words: names, codes, acronyms. None by capitals where every word has one."""
    text = _US.sub("USA", text)
    later = [word for word in _TOKEN.findall(text)[1:] if len(word) >= _LONG_WORD]
    with_names = len(later) < _FEW_WORDS or not all(word[0].isupper() for word in later)
    found = (exact_tokens(text[a:b], with_names=with_names) for a, b in sentence_spans(text))
    return frozenset(_joined(name) for names in found for name in names if not _is_number(name))


def _is_number(token: str) -> bool:
    return number(token)[0] is not None or _QUARTER.fullmatch(token) is not None


def _kind(tokens: list[str]) -> str:
    """By its first question word; a verb asks whether something is so only where it stands first."""
    if not tokens:
        return ""
    kinds = (_kind_of(token) for token in tokens)
    found = next((kind for kind in kinds if kind and kind != "whether"), "")
    first = _kind_of(tokens[0])
    return first or ("" if found == "when" else found)


def _kind_of(token: str) -> str:
    if token in MEASURES:
        return "what"
    return "whether" if token in MODALS else KINDS.get(token, "")


def _heads(tokens: list[str]) -> Iterator[tuple[str, str]]:
    """(preposition, what it leads from or to)."""
    for at, token in enumerate(tokens):
        if token in PREPOSITIONS:
            head = next((later for later in tokens[at + 1 :] if later not in DETERMINERS), "")
            if head and head not in FILLERS:
                yield token, meaning(head)


def _wanted(tokens: list[str]) -> str:
    """Of "which visitors need a visa" the visitors; "" where no thing stands behind the question word."""
    if len(tokens) < 2 or tokens[0] not in ("which", "what") or tokens[1] in AUXILIARIES | FILLERS:
        return ""
    return meaning(tokens[1])


def _owners(tokens: list[str]) -> frozenset[str]:
    """Whose things are named. "Your" is "my" where "you" stands for whoever asks."""
    asker = "i" if not SECOND_PERSON.isdisjoint(tokens) else "you"
    owners = {POSSESSIVES[token] for token in tokens if token in POSSESSIVES}
    return frozenset(asker if owner == "you" else owner for owner in owners)


def _opening(tokens: list[str]) -> tuple[str, str]:
    """(the question word, or "" for none; past or present) where a verb says when, at the beginning."""
    word, verb = (tokens[0], tokens[1]) if len(tokens) > 1 and tokens[0] in KINDS else ("", "")
    if tokens and tokens[0] in AUXILIARIES:
        word, verb = "", tokens[0]
    return (word, "past" if verb in PAST else "present") if verb in AUXILIARIES else ("", "")


def _sought(tokens: list[str]) -> Iterator[str]:
    """Prepositions that lead to what is asked for: "to which countries", "which countries does it go to"."""
    for preposition, following in zip(tokens, [*tokens[1:], ""], strict=True):
        if preposition in PREPOSITIONS and (not following or following in QUESTION_WORDS):
            yield preposition


def _without_do(tokens: list[str]) -> list[str]:
    """Which teams did they beat, and which teams beat them: the same words, but for the verb that a question adds."""
    return tokens[:1] + [token for token in tokens[1:] if token not in DO]


def _agents(tokens: list[str]) -> Iterator[tuple[str, str]]:
    """(verb, who does it) in the passive: "is it insured by the landlord"."""
    for at, word in enumerate(tokens[1:], start=1):
        if word == "by" and not BE.isdisjoint(tokens[:at]):
            for _, head in islice(_heads(tokens[at:]), 1):
                yield meaning(tokens[at - 1]), head


def _subject(tokens: list[str]) -> str:
    """Who does it, where a modal verb begins the question: its reader, another, or "" where that is not said."""
    if who := next((at for at, token in enumerate(tokens) if token in ("who", "whom")), None):
        tokens = tokens[who:]
    if tokens[:1] == ["who"] or tokens[:1] == ["whom"]:
        return "reader" if len(tokens) > 2 and tokens[1] in MODAL_VERBS and tokens[2] in READERS else "other"
    if len(tokens) < 2 or tokens[0] not in MODAL_VERBS or tokens[1] in ANYONE or "be" in tokens:
        return ""
    return "reader" if tokens[1] in READERS else "other"


def _tenses(tokens: list[str]) -> frozenset[str]:
    return frozenset(name for name, words in TENSES.items() if not words.isdisjoint(tokens))
