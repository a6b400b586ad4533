"""The time that a reranker may take, asked before each batch: it is passed by one batch at most."""

import time
from dataclasses import dataclass, field

from search.exceptions import RerankDeadline


@dataclass(frozen=True, slots=True)
class Deadline:
    """For scoring `count` hits within `seconds` from now."""

    seconds: float
    count: int
    ends_at: float = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "ends_at", time.monotonic() + self.seconds)

    def remaining(self, *, done: int) -> float:
        """Seconds, more than 0. Raises RerankDeadline."""
        left = self.ends_at - time.monotonic()
        if left <= 0:
            raise self.passed(done=done)
        return left

    def passed(self, *, done: int) -> RerankDeadline:
        return RerankDeadline(f"deadline: {done} of {self.count} scored in {self.seconds:g} s")
