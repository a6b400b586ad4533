"""Pure: whether the passages hold anything about a question at all. Where they do not, an answer is refused.

Fused scores say nothing absolute: it is decided on the cosine, helped by the question's words in one passage.
"""

from collections.abc import Sequence

from search.context import shown_text
from search.sentences import rarity, sentence_spans, vocabulary
from search.types import ContextPassage

# Fitted on questions put to passages of other subjects (xquad-en on clapnq): AUROC .975, cosine alone .944
WORDS_WEIGHT = 0.3
_HALF = 0.5


def is_relevant(question: str, passages: Sequence[ContextPassage], *, least_cosine: float) -> bool:
    """Whether the best cosine reaches `least_cosine`, which sinks the more of the question one passage holds.

    With half of the question's words (by weight) it is as given. Without vectors the words decide alone.
    """
    if not passages:
        return False
    words = words_held(question, passages)
    cosines = [passage.hit.scores.vector for passage in passages if passage.hit.scores.vector is not None]
    if not cosines:
        return words >= _HALF
    return max(cosines) + WORDS_WEIGHT * (words - _HALF) >= least_cosine


def words_held(question: str, passages: Sequence[ContextPassage]) -> float:
    """The largest share of the question's words, weighed by rarity, that one passage holds; 0 to 1."""
    sentences = [
        passage.text[start:end] for passage in passages for start, end in sentence_spans(passage.text)
    ]
    weights = rarity(question, sentences)
    total = sum(weights.values())
    if not total:
        return 0.0
    return max(sum(weights[stem] for stem in _held(weights, passage)) for passage in passages) / total


def _held(weights: dict[str, float], passage: ContextPassage) -> set[str]:
    return set(weights) & vocabulary(shown_text(passage)).stems
