"""A search on its way: what all its stages read, and what they leave word in."""

from dataclasses import dataclass, field

from search.metrics import StageClock
from search.types import IndexTarget, Principal, RetrievalSettings, SearchRequest


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way: what it was read with, how long its stages took, and what had to be left out."""

    principal: Principal
    request: SearchRequest
    target: IndexTarget
    profile: RetrievalSettings
    clock: StageClock
    degraded: list[str] = field(default_factory=list)
