"""Haystack 2's pipelines over its OpenSearch store: BM25 and embedding retrievers, joined by reciprocal rank fusion."""

from collections.abc import Sequence
from typing import Any

from haystack import Document, Pipeline
from haystack.components.joiners import DocumentJoiner
from haystack.components.writers import DocumentWriter
from haystack.document_stores.types import DuplicatePolicy
from haystack_integrations.components.embedders.sentence_transformers import (
    SentenceTransformersDocumentEmbedder,
    SentenceTransformersTextEmbedder,
)
from haystack_integrations.components.retrievers.opensearch import (
    OpenSearchBM25Retriever,
    OpenSearchEmbeddingRetriever,
)
from haystack_integrations.document_stores.opensearch import OpenSearchDocumentStore
from opensearchpy import OpenSearch

from bench.peers.peer import DIMENSION, LEG_DEPTH, Found, Passage, Place, Vectors, minilm_folder

_METHOD = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}  # its default engine is faiss


class HaystackOpenSearch:
    def __init__(self, place: Place) -> None:
        self._place = place
        self._store = OpenSearchDocumentStore(
            hosts=place.opensearch_url,
            index=place.name,
            embedding_dim=DIMENSION,
            method=_METHOD,
            settings={"index.knn": True, "number_of_shards": 1, "number_of_replicas": 0},
        )
        self._embedder = SentenceTransformersTextEmbedder(model=minilm_folder(), progress_bar=False)
        self._embedder.warm_up()
        self._embedding = self._embedding_pipeline()
        self._retrieval = self._retrieval_pipeline()

    def _embedding_pipeline(self) -> Pipeline:
        pipeline = Pipeline()
        pipeline.add_component(
            "embedder",
            SentenceTransformersDocumentEmbedder(model=minilm_folder(), progress_bar=False),
        )
        pipeline.add_component("writer", DocumentWriter(self._store, policy=DuplicatePolicy.OVERWRITE))
        pipeline.connect("embedder", "writer")
        return pipeline

    def _retrieval_pipeline(self) -> Pipeline:
        pipeline = Pipeline()
        pipeline.add_component("words", OpenSearchBM25Retriever(document_store=self._store, top_k=LEG_DEPTH))
        pipeline.add_component(
            "vectors", OpenSearchEmbeddingRetriever(document_store=self._store, top_k=LEG_DEPTH)
        )
        pipeline.add_component("joiner", DocumentJoiner(join_mode="reciprocal_rank_fusion", top_k=10))
        pipeline.connect("words", "joiner")
        pipeline.connect("vectors", "joiner")
        return pipeline

    def load(self, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        documents = [Document(id=passage.id, content=passage.titled) for passage in passages]
        if vectors is None:
            self._embedding.run({"embedder": {"documents": documents}})
            return
        for document, vector in zip(documents, vectors, strict=True):
            document.embedding = vector.tolist()
        self._store.write_documents(documents, policy=DuplicatePolicy.OVERWRITE)

    def finish(self) -> None:
        """Its writes refresh the index by themselves."""

    def embed(self, query: str) -> Any:
        return self._embedder.run(query)["embedding"]

    def search(self, query: str, vector: Any | None, *, top_k: int) -> list[Found]:
        wanted = self.embed(query) if vector is None else vector
        answer = self._retrieval.run(
            {
                "words": {"query": query},
                "vectors": {"query_embedding": wanted},
                "joiner": {"top_k": top_k},
            }
        )
        documents = answer["joiner"]["documents"]
        return [Found(document.id, document.content, document.score) for document in documents]

    def close(self) -> None:
        OpenSearch(self._place.opensearch_url).indices.delete(index=self._place.name)
