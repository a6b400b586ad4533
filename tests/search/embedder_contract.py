"""What every Embedder promises. A test class derives from it and gives an `embedder` fixture."""

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from search.embeddings import Embedder
from search.exceptions import InputTooLong

PASSAGES = [
    "The pump draws water from the well and fills the tank on the roof.",
    "Leave",
    "Employees ask for leave in writing, at least two weeks before the first day of leave.",
    "A fuse protects the circuit.",
    "Red wine goes with cheese; white wine goes with fish, and water goes with both of them.",
]


def filled(embedder: Embedder, tokens: int) -> str:
    """A text of short words that takes exactly that many tokens."""
    words = 1
    while embedder.count_tokens(["a " * words])[0] < tokens:
        words += 1
    for text in ("a " * words, ("a " * words)[:-1]):
        if embedder.count_tokens([text]) == [tokens]:
            return text
    raise AssertionError("no text of that many tokens")


class EmbedderContract:
    # How near the same text's vector must be when other texts share its batch; int8 is a little off 1.
    same = 0.9999

    @pytest.fixture
    def embedder(self) -> Embedder:
        raise NotImplementedError

    def test_passages_give_unit_vectors_of_the_stated_dimension(self, embedder: Embedder) -> None:
        vectors = embedder.embed_passages(PASSAGES)
        assert vectors.shape == (len(PASSAGES), embedder.dimension)
        assert vectors.dtype == np.float32
        assert np.allclose(np.linalg.norm(vectors, axis=1), 1.0, atol=1e-5)

    def test_vectors_come_in_the_order_given(self, embedder: Embedder) -> None:
        together = embedder.embed_passages(PASSAGES)
        alone = np.vstack([embedder.embed_passages([text]) for text in PASSAGES])
        cosines = together @ alone.T
        assert np.diag(cosines).min() >= self.same
        assert list(cosines.argmax(axis=1)) == list(range(len(PASSAGES)))

    def test_no_passages_give_an_empty_matrix(self, embedder: Embedder) -> None:
        assert embedder.embed_passages([]).shape == (0, embedder.dimension)
        assert embedder.count_tokens([]) == []

    def test_a_query_is_nearest_to_the_passage_that_it_is_about(self, embedder: Embedder) -> None:
        query = embedder.embed_query("employees who ask for leave in writing")
        assert query.shape == (embedder.dimension,)
        assert np.isclose(np.linalg.norm(query), 1.0, atol=1e-5)
        assert int((embedder.embed_passages(PASSAGES) @ query).argmax()) == 2

    def test_tokens_are_counted_beyond_the_window(self, embedder: Embedder) -> None:
        short, long = embedder.count_tokens(["one", "one " * (embedder.max_tokens * 3)])
        assert 1 <= short < embedder.max_tokens < embedder.max_tokens * 3 <= long

    def test_a_passage_that_fills_the_window_is_embedded_and_one_token_more_is_refused(
        self, embedder: Embedder
    ) -> None:
        assert embedder.embed_passages([filled(embedder, embedder.max_tokens)]).shape == (
            1,
            embedder.dimension,
        )
        over = filled(embedder, embedder.max_tokens + 1)
        with pytest.raises(InputTooLong, match="1 of 2 passages"):
            embedder.embed_passages(["short", over])

    def test_a_query_longer_than_the_window_is_cut_to_its_beginning(self, embedder: Embedder) -> None:
        begins = "leave " * (embedder.max_tokens * 2)
        one, other = (embedder.embed_query(begins + rest) for rest in ("", "and pumps " * 50))
        assert float(one @ other) >= self.same

    def test_eight_threads_get_what_one_gets(self, embedder: Embedder) -> None:
        expected = [embedder.embed_query(text) for text in PASSAGES]
        with ThreadPoolExecutor(8) as threads:
            found = list(threads.map(embedder.embed_query, PASSAGES * 16))
        assert all(float(vector @ expected[i % len(PASSAGES)]) >= self.same for i, vector in enumerate(found))

    def test_the_variant_is_one_word_and_closing_twice_does_no_harm(self, embedder: Embedder) -> None:
        assert embedder.variant
        assert not set(" /") & set(embedder.variant)
        embedder.close()
        embedder.close()
