"""Probes an index: a sentence is taken out of each of some passages, and each leg is asked to find the rest by it.

How much each finds says how far it can be trusted with this text and this model, without judgements. The cut passages
go to a scratch index, among others of the same tenant; the index itself is only read.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from search import query, retrieval, sampling
from search.embeddings import Embedder, Vectors
from search.evaluation import weighing
from search.evaluation.cutting import Cut, cut, squeezed, text_number
from search.evaluation.weighing import Found, Weighed
from search.pipelines import FusionSpec
from search.sampling import StoredChunk
from search.types import Candidate, Fusion, Mode

CHUNKS, QUESTIONS = 2000, 400  # of all languages together, about: some ten seconds of work
LEAST_CHUNKS, LEAST_QUESTIONS = 200, 60  # of a language, where it has them
LANGUAGES = 8
DEPTH = 200
_UNFUSED = FusionSpec(Fusion.MIN_MAX, 0.0, 0, 0.0)  # a leg is asked alone: nothing is fused
_EMBED_ROWS = 32  # well under a second of work, after which somebody else may want the embedder
_SAMPLES = 5
GoOn = Callable[[], None]


@dataclass(frozen=True, slots=True)
class ProbeSettings:
    """The weight that holds where nothing says otherwise, and the cosine of passages that have nothing in common."""

    default_weight: float
    unrelated_cosine: float


@dataclass(frozen=True, slots=True)
class Shown:
    """A question for people to look at: the rank of its document by each leg and by both, None beyond the depth."""

    question: str
    document: str
    lexical: int | None
    vector: int | None
    fused: int | None


@dataclass(frozen=True, slots=True)
class ProbedLanguage:
    """What a probe found for one language, of whose `chunks` it read `sampled`."""

    language: str
    chunks: int
    sampled: int
    weighed: Weighed
    shown: tuple[Shown, ...]


@dataclass(frozen=True, slots=True)
class _Plan:
    language: str
    total: int
    chunks: int
    questions: int


@dataclass(frozen=True, slots=True)
class _Probe:
    """A question's words and embedding, and the chunk that it was cut from."""

    language: str
    chunk: StoredChunk
    cut: Cut
    vector: Any


def probe_index(
    name: str, embedder: Embedder, settings: ProbeSettings, *, go_on: GoOn
) -> list[ProbedLanguage]:
    """Probe every language that an index has enough chunks in. `go_on` is called between parts and may raise.

    Raises OpenSearchUnavailable, BulkRefused, EmbeddingUnavailable.
    """
    plans = list(_plans(sampling.count_languages(name)))
    sampled = {plan.language: _sampled(name, plan) for plan in plans}
    cuts = [(plan.language, *pair) for plan in plans for pair in _cuts(name, plan, sampled[plan.language])]
    corpus = {chunk.chunk_id: chunk for chunks in sampled.values() for chunk in chunks}
    corpus |= {chunk.chunk_id: chunk for chunk in _without_sentences(cuts, embedder, go_on=go_on)}
    questions = _embedded(embedder, [cut.question for _, _, cut in cuts], go_on=go_on)
    probes = [_Probe(*one, vector) for one, vector in zip(cuts, questions, strict=True)]
    with sampling.scratch_like(name) as scratch:
        sampling.write_stored(scratch, corpus.values())
        found = [*_found(scratch, probes, list(corpus.values()), settings, go_on=go_on)]
    return [
        _probed(
            plan,
            len(sampled[plan.language]),
            [pair for pair in zip(probes, found, strict=True) if pair[0].language == plan.language],
            default_weight=settings.default_weight,
        )
        for plan in plans
    ]


def _plans(counts: Mapping[str, int]) -> Iterator[_Plan]:
    """How much to read and ask of each language, by its share of the chunks; `counts` has the largest first."""
    total = sum(counts.values())
    for language, count in list(counts.items())[:LANGUAGES]:
        if count >= weighing.LEAST_QUESTIONS:
            chunks = min(count, max(LEAST_CHUNKS, CHUNKS * count // total))
            yield _Plan(language, count, chunks, max(LEAST_QUESTIONS, QUESTIONS * count // total))


def _sampled(name: str, plan: _Plan) -> list[StoredChunk]:
    """In an order that depends on their texts alone: an index that is read whole is always cut in the same places."""
    chunks = sampling.sample_chunks(name, language=plan.language, size=plan.chunks)
    return sorted(chunks, key=lambda chunk: text_number(chunk.text))


def _cuts(name: str, plan: _Plan, chunks: Sequence[StoredChunk]) -> list[tuple[StoredChunk, Cut]]:
    words = sampling.word_spans(name, plan.language, [chunk.text for chunk in chunks])
    found = [(chunk, cut(chunk.text, spans)) for chunk, spans in zip(chunks, words, strict=True)]
    return [(chunk, made) for chunk, made in found if made is not None][: plan.questions]


def _without_sentences(
    cuts: Sequence[tuple[str, StoredChunk, Cut]], embedder: Embedder, *, go_on: GoOn
) -> Iterator[StoredChunk]:
    passages = _passages(embedder, [(chunk, cut.rest) for _, chunk, cut in cuts])
    for (_, chunk, made), vector in zip(cuts, _embedded(embedder, passages, go_on=go_on), strict=True):
        yield chunk.with_text(made.rest, vector)


def _passages(embedder: Embedder, chunks: Sequence[tuple[StoredChunk, str]]) -> list[str]:
    """What is embedded of each: the text with title and headings, with the title, or alone, as the window takes it."""
    contexts = [
        ["\n".join(filter(None, dict.fromkeys((chunk.title, *chunk.headings)))) for chunk, _ in chunks],
        [chunk.title for chunk, _ in chunks],
    ]
    passages = [text for _, text in chunks]
    for context in reversed(contexts):
        fuller = [f"{above}\n{text}".strip() for above, (_, text) in zip(context, chunks, strict=True)]
        counts = embedder.count_tokens(fuller)
        passages = [
            longer if count <= embedder.max_tokens else shorter
            for longer, shorter, count in zip(fuller, passages, counts, strict=True)
        ]
    return passages


def _embedded(embedder: Embedder, texts: Sequence[str], *, go_on: GoOn) -> Vectors:
    """Vectors (n, dimension), in order; embedded by length, a few at a time."""
    vectors: Vectors = np.empty((len(texts), embedder.dimension), dtype=np.float32)
    order = sorted(range(len(texts)), key=lambda row: len(texts[row]))
    for start in range(0, len(order), _EMBED_ROWS):
        go_on()
        rows = order[start : start + _EMBED_ROWS]
        vectors[rows] = embedder.embed_passages([texts[row] for row in rows])
    return vectors


def _found(
    name: str,
    probes: Iterable[_Probe],
    corpus: Sequence[StoredChunk],
    settings: ProbeSettings,
    *,
    go_on: GoOn,
) -> Iterator[Found]:
    """What the legs find for each probe in the index `name`, which holds the corpus."""
    texts = {chunk.chunk_id: squeezed(chunk.text) for chunk in corpus}
    documents = {chunk.chunk_id: chunk.document_id for chunk in corpus}
    languages = tuple(sorted({str(chunk.source["language"]) for chunk in corpus}))
    for probe in probes:
        go_on()
        # A neighbour that overlaps, or a page that says the same, holds the sentence itself.
        removed = squeezed(probe.cut.removed)
        given_away = {chunk_id for chunk_id, text in texts.items() if removed in text}
        legs = query.Legs(probe.cut.question, languages, probe.vector, Mode.LEXICAL)
        lexical = _scores(_asked(name, legs), given_away)
        vector = _scores(_asked(name, replace(legs, mode=Mode.VECTOR)), given_away)
        above = {chunk: query.cosine(score) - settings.unrelated_cosine for chunk, score in vector.items()}
        yield Found(lexical, above, documents, probe.chunk.document_id)


def _asked(name: str, legs: query.Legs) -> tuple[Candidate, ...]:
    wanted = retrieval.CandidatesQuery(
        index=name,
        legs=legs,
        allowed={"match_all": {}},
        door={"match_all": {}},
        depth=DEPTH,
        size=DEPTH,
        fusion=_UNFUSED,
        counting=None,
    )
    return retrieval.candidates(wanted).candidates


def _scores(candidates: Iterable[Candidate], given_away: set[str]) -> dict[str, float]:
    return {one.chunk_id: one.score for one in candidates if one.chunk_id not in given_away}


def _probed(
    plan: _Plan, sampled: int, asked: Sequence[tuple[_Probe, Found]], *, default_weight: float
) -> ProbedLanguage:
    weighed = weighing.weigh([weighing.gains(found) for _, found in asked], default=default_weight)
    shown = tuple(_shown(probe, found, weighed.vector_weight) for probe, found in asked[:_SAMPLES])
    return ProbedLanguage(plan.language, plan.total, sampled, weighed, shown)


def _shown(probe: _Probe, found: Found, vector_weight: float) -> Shown:
    lexical, vector, fused = (weighing.rank(found, weight) for weight in (0.0, 1.0, vector_weight))
    return Shown(probe.cut.question, str(probe.chunk.source["document"]), lexical, vector, fused)
