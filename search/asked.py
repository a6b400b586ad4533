"""A search on its way: what all its stages read, and what they leave word in."""

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from search.curation import Curation, RuleSet
from search.metrics import StageClock
from search.types import IndexTarget, Principal, RetrievalSettings, SearchRequest


@dataclass(frozen=True, slots=True)
class CurrentRules:
    """The tenant's curation rules, and the moment for which their dates hold throughout the request."""

    rules: RuleSet
    moment: datetime

    def curation(self, query: str, vector: Any | None) -> Curation:
        return self.rules.curation(query, vector=vector, now=self.moment)

    def version(self, target: IndexTarget) -> str:
        """Moves on when rules change, and when one of them starts or ends."""
        return f"{target.curation_version}.{self.rules.epoch(self.moment)}"


@dataclass(frozen=True, slots=True)
class Asked:
    """A request on its way: what it was read with, how long its stages took, and what had to be left out."""

    principal: Principal
    request: SearchRequest
    target: IndexTarget
    profile: RetrievalSettings
    clock: StageClock
    rules: CurrentRules
    degraded: list[str] = field(default_factory=list)
