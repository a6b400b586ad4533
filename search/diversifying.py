"""Puts visible candidates in an order that repeats itself less: maximal marginal relevance over the first WINDOW.

The window is the same for every page, so that pages neither repeat nor skip. Vectors are read only for this.
"""

from dataclasses import replace

from search import retrieval
from search.asked import Asked
from search.candidates import SPREAD_WINDOW, Found
from search.diversity import diversified
from search.types import Mode


def spread(asked: Asked, found: Found) -> Found:
    """The same candidates, pins where they were. Nothing changes without diversity, or without vectors."""
    diversity = asked.profile.diversity
    if not diversity or found.legs.mode is Mode.LEXICAL:
        return found
    pins, rest = found.kept[: found.pins], found.kept[found.pins :]
    window, behind = rest[:SPREAD_WINDOW], rest[SPREAD_WINDOW:]
    with asked.clock.stage("diversity"):
        ids = [candidate.chunk_id for candidate, _ in window]
        vectors = retrieval.read_vectors(asked.target.name, ids, door=found.door)
        known = [entry for entry in window if entry[0].chunk_id in vectors]
        order = diversified(
            [candidate.score for candidate, _ in known],
            [vectors[candidate.chunk_id] for candidate, _ in known],
            diversity=diversity,
        )
    return replace(found, kept=(*pins, *(known[at] for at in order), *behind))
