"""Pure: what a model that reads text is given: the query whole, and as much of the passage as fits beside it."""

from search.exceptions import RerankUnavailable
from search.types import Hit

LEAST_PASSAGE_TOKENS = 32


def passage(hit: Hit) -> str:
    return "\n".join([hit.document.title, *hit.headings, hit.text])


def refuse_long_query(tokens: int, *, window: int) -> None:
    """A query is never cut: one that leaves no room for a passage is not reranked. Raises RerankUnavailable."""
    if tokens + LEAST_PASSAGE_TOKENS > window:
        raise RerankUnavailable(
            f"query: its {tokens} tokens leave no room for a passage in a window of {window}"
        )
