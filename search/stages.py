"""Pure: the stage at which a query lost a document, decided from gathered facts, in the order of the flow.

A document of another tenant has no facts here: it looks like one that was never ingested.
"""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Stage(StrEnum):
    FOUND = "found"
    NOT_INGESTED = "not_ingested"
    PENDING = "pending"
    FAILED = "failed"
    DELETED = "deleted"
    NO_PASSAGES = "no_passages"
    NOT_INDEXED = "not_indexed"
    ACCESS = "access"
    NOT_YET_VISIBLE = "not_yet_visible"
    EXPIRED = "expired"
    FILTER = "filter"
    HIDDEN = "hidden_by_curation"
    DISABLED = "passage_disabled"
    NOT_MATCHED = "not_matched_lexically"
    BEYOND_K = "beyond_k"
    BELOW_WINDOW = "below_window"
    COLLAPSED = "collapsed"
    RERANKED = "cut_by_reranker"
    BELOW_PAGE = "below_page"
    BELOW_THRESHOLD = "below_threshold"


SENTENCES = {
    Stage.FOUND: "It is among the results.",
    Stage.NOT_INGESTED: "There is no such document here.",
    Stage.PENDING: "It was accepted, but has not been ingested yet.",
    Stage.FAILED: "Its ingestion failed, so that there is nothing to find.",
    Stage.DELETED: "It was deleted.",
    Stage.NO_PASSAGES: "It has no text that could be found.",
    Stage.NOT_INDEXED: "The index has not caught up with it: a change waits to be written, or the index lost it.",
    Stage.ACCESS: "Whoever asks holds none of the groups that may see it.",
    Stage.NOT_YET_VISIBLE: "Its time has not come yet.",
    Stage.EXPIRED: "It has expired.",
    Stage.FILTER: "It does not fit the filters.",
    Stage.HIDDEN: "A curation rule hides it for this query.",
    Stage.DISABLED: "The passage that the query asks for is switched off.",
    Stage.NOT_MATCHED: "It holds none of the query's words.",
    Stage.BEYOND_K: "Other passages are nearer in meaning: it lies beyond those that are looked at.",
    Stage.BELOW_WINDOW: "It was found, but ranks below those that are looked at further.",
    Stage.COLLAPSED: "Another passage of the same document stands for it.",
    Stage.RERANKED: "The reranker moved it off this page.",
    Stage.BELOW_PAGE: "It is a result, but on another page.",
    Stage.BELOW_THRESHOLD: "It is found, but nothing found is near enough to the question to answer from.",
}


@dataclass(frozen=True, slots=True)
class RecordFacts:
    """What the database says of a document and of who asks."""

    state: str
    passages: int | None  # of the live edition; None: it has none
    may_see: bool
    visible_from: datetime | None
    expires_at: datetime | None


@dataclass(frozen=True, slots=True)
class IndexFacts:
    """What the index says of the document's live edition, by itself: how many passages it has there, whether the door's
    `filters` let it through, its best scores for the query. None: the leg did not run or did not match.

    `enabled`: how many of those that fit are not switched off; only these have scores. `words_disabled`: the query's
    words are in passages that are switched off, and in no other.
    """

    passages: int
    fits_filters: bool
    enabled: int
    words_disabled: bool
    is_hidden: bool
    lexical: float | None
    vector: float | None


@dataclass(frozen=True, slots=True)
class RankingFacts:
    """Where its passages came in the flow, counted from 1; None: they did not.

    `place` is among fused, visible results, of which the page shows `first` to `last` and `window` were read back.
    `shown` is the place on the page. `passage_lost`: another passage of its document stands for the one that is sought.
    `is_listed`: the words' matches are listed in a fixed order, all of them, the last ones by a cursor alone.
    """

    lexical_rank: int | None
    vector_rank: int | None
    place: int | None
    first: int
    last: int
    window: int
    is_reranked: bool
    shown: int | None
    passage_lost: bool = False
    is_refused: bool = False
    is_listed: bool = False


def record_stage(facts: RecordFacts | None, now: datetime) -> Stage | None:
    """The stage at which the record itself stops it; None when it may be found."""
    if facts is None:
        return Stage.NOT_INGESTED
    if facts.state == "deleted":
        return Stage.DELETED
    if facts.passages is None:
        return Stage.FAILED if facts.state == "failed" else Stage.PENDING
    if facts.passages == 0:
        return Stage.NO_PASSAGES
    if not facts.may_see:
        return Stage.ACCESS
    if facts.visible_from is not None and facts.visible_from > now:
        return Stage.NOT_YET_VISIBLE
    if facts.expires_at is not None and facts.expires_at <= now:
        return Stage.EXPIRED
    return None


def index_stage(facts: IndexFacts) -> Stage | None:
    """The stage at which the index, the filters or a content manager stop it; None when the legs may rank it."""
    if facts.passages == 0:
        return Stage.NOT_INDEXED
    if not facts.fits_filters:
        return Stage.FILTER
    if facts.is_hidden:
        return Stage.HIDDEN
    return Stage.DISABLED if facts.enabled == 0 else None


def ranking_stage(index: IndexFacts, ranking: RankingFacts) -> Stage:
    """What became of a document that every leg might have ranked."""
    if ranking.shown is not None:
        if ranking.is_refused:
            return Stage.BELOW_THRESHOLD
        return Stage.COLLAPSED if ranking.passage_lost else Stage.FOUND
    if ranking.place is None:
        if ranking.is_listed and index.lexical is not None:
            return Stage.BELOW_PAGE
        return _lost_by_the_legs(index)
    if not ranking.is_reranked:
        return Stage.BELOW_PAGE
    if ranking.place > ranking.window:
        return Stage.BELOW_WINDOW
    return Stage.RERANKED if ranking.first <= ranking.place <= ranking.last else Stage.BELOW_PAGE


def _lost_by_the_legs(index: IndexFacts) -> Stage:
    """Neither leg's window holds it. Words that match, but worse than those of the whole window, are below it."""
    if index.words_disabled:
        return Stage.DISABLED
    if index.lexical is not None:
        return Stage.BELOW_WINDOW
    return Stage.BEYOND_K if index.vector is not None else Stage.NOT_MATCHED
