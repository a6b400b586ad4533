"""Pure: whether the passages hold anything about a question at all. Where they do not, an answer is refused.

Fused scores say nothing absolute: it is decided on cosines, helped by the question's words in one passage.
"""

from collections.abc import Mapping, Sequence

from search.context import shown_text
from search.sentences import content_stems, exact_tokens, is_code, rarity, sentence_spans, vocabulary
from search.types import ContextPassage

# Beside the mean of the two cosines, by a logistic regression on clapnq's half a alone. A passage on the subject is
# near the question as a whole; that it answers shows in one of its sentences (decision 33).
WORDS_WEIGHT = 0.1
_HALF = 0.5


def relevance(question: str, passages: Sequence[ContextPassage], cosines: Mapping[str, float]) -> float:
    """Mean of the best passage's cosine and the best sentence's, with the share of the question's words in one passage;
    -1 where nothing is found or a code that it names is missing.

    `cosines` of sentences of the passages, as far as they are known. Without vectors the words decide alone: 1 or -1.
    """
    if not passages or not _codes_held(question, passages):
        return -1.0
    words = words_held(question, passages)
    near = [passage.hit.scores.vector for passage in passages if passage.hit.scores.vector is not None]
    if not near:
        return 1.0 if words >= _HALF else -1.0
    sentence = max(cosines.values(), default=max(near))
    return (max(near) + sentence) / 2 + WORDS_WEIGHT * words


def _codes_held(question: str, passages: Sequence[ContextPassage]) -> bool:
    """A passage about T-104 says nothing about T-162, however near it is."""
    codes = [token for token in exact_tokens(question, with_names=False) if is_code(token)]
    texts = [vocabulary(shown_text(passage)) for passage in passages] if codes else []
    return all(any(text.has(code) for text in texts) for code in codes)


def words_held(question: str, passages: Sequence[ContextPassage]) -> float:
    """The largest share of the question's words, weighed by rarity, that one passage holds; 0 to 1."""
    texts = [[passage.text[start:end] for start, end in sentence_spans(passage.text)] for passage in passages]
    weights = rarity(question, [sentence for sentences in texts for sentence in sentences])
    total = sum(weights.values())
    held = [set(weights).intersection(content_stems(shown_text(passage))) for passage in passages]
    return max(sum(weights[stem] for stem in stems) for stems in held) / total if total else 0.0
