"""Pure: whether the passages hold anything about a question at all. Where they do not, an answer is refused.

Fused scores say nothing absolute: it is decided on the cosine, helped by the question's words in one passage.
"""

from collections.abc import Sequence

from search.context import shown_text
from search.sentences import content_stems, exact_tokens, is_code, rarity, sentence_spans, vocabulary
from search.types import ContextPassage

# With .38 as the threshold: questions of xquad-en on the passages of clapnq are refused in 77 %, on their own in 3 %;
# clapnq's unanswerable ones, whose passages are on the subject, in 15 %, its answerable ones in 1 %.
WORDS_WEIGHT = 0.3
_HALF = 0.5


def relevance(question: str, passages: Sequence[ContextPassage]) -> float:
    """The best cosine, helped by the question's words; -1 where nothing is found or a code that it names is missing.

    More than half of the question's words in one passage raise it. Paraphrases share few words, so that few of them
    never lower it. Without vectors the words decide alone: 1 or -1.
    """
    if not passages or not _codes_held(question, passages):
        return -1.0
    words = words_held(question, passages)
    cosines = [passage.hit.scores.vector for passage in passages if passage.hit.scores.vector is not None]
    if not cosines:
        return 1.0 if words >= _HALF else -1.0
    return max(cosines) + WORDS_WEIGHT * max(0.0, words - _HALF)


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
