"""Pure: what lifts a match beside its relevance: how new its document is, and a number that says how popular.

A lift multiplies a leg's score by at most 1 + the weights, so that it decides between near matches and buries none.
Without weights a clause stays exactly as it is.
"""

from dataclasses import dataclass
from datetime import date
from typing import Any

Body = dict[str, Any]
# 0 → 0, 9 → 1/2, 99 → 2/3, 999 → 3/4: bounded, whatever the field counts.
_POPULARITY = """
if (!doc.containsKey(params.field) || doc[params.field].size() == 0) { return 0; }
return 1 - 1 / (1 + Math.log10(1 + Math.max(0, doc[params.field].value)));
"""


@dataclass(frozen=True, slots=True)
class Boosts:
    """`today` is the day that ages are counted from: with a time of day, pages of one query would drift apart."""

    today: date
    recency_weight: float = 0.0
    half_life_days: int = 365
    popularity_weight: float = 0.0
    popularity_path: str = ""

    def lift(self, clause: Body, *, share: float = 1.0) -> Body:
        """The clause with its scores lifted; `share` of the weights, for a leg whose scores lie closer together."""
        functions = [*self._recency(share), *self._popularity(share)]
        if not functions:
            return clause
        unlifted: Body = {"weight": 1.0}
        return {
            "function_score": {
                "query": clause,
                "functions": [unlifted, *functions],
                "score_mode": "sum",
                "boost_mode": "multiply",
            }
        }

    def _recency(self, share: float) -> list[Body]:
        """Halved with each half-life. The engine gives 1 to a document without a date, so that these are left out."""
        if not self.recency_weight:
            return []
        decay = {"origin": self.today.isoformat(), "scale": f"{self.half_life_days}d", "decay": 0.5}
        return [
            {
                "filter": {"exists": {"field": "published_at"}},
                "exp": {"published_at": decay},
                "weight": self.recency_weight * share,
            }
        ]

    def _popularity(self, share: float) -> list[Body]:
        if not self.popularity_weight or not self.popularity_path:
            return []
        script = {"source": _POPULARITY, "params": {"field": self.popularity_path}}
        return [{"script_score": {"script": script}, "weight": self.popularity_weight * share}]
