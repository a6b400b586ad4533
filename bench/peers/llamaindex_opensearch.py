"""LlamaIndex over its OpenSearch store: the store's native hybrid query with a search pipeline, as its guide has it."""

from collections.abc import Sequence
from typing import Any

from llama_index.core import VectorStoreIndex
from llama_index.core.schema import TextNode
from llama_index.core.vector_stores.types import VectorStoreQuery, VectorStoreQueryMode
from llama_index.embeddings.huggingface import HuggingFaceEmbedding
from llama_index.vector_stores.opensearch import OpensearchVectorClient, OpensearchVectorStore
from opensearchpy import OpenSearch

from bench.peers.peer import DIMENSION, LEG_DEPTH, Found, Passage, Place, Vectors, minilm_folder

_METHOD = {"name": "hnsw", "engine": "lucene", "space_type": "cosinesimil"}
_PIPELINE = "peers-llamaindex"
_FUSION = {
    "phase_results_processors": [
        {
            "normalization-processor": {
                "normalization": {"technique": "min_max"},
                "combination": {"technique": "arithmetic_mean", "parameters": {"weights": [0.5, 0.5]}},
            }
        }
    ]
}


class LlamaIndexOpenSearch:
    def __init__(self, place: Place) -> None:
        self._place = place
        OpenSearch(place.opensearch_url).http.put(f"/_search/pipeline/{_PIPELINE}", body=_FUSION)
        client = OpensearchVectorClient(
            place.opensearch_url,
            place.name,
            DIMENSION,
            method=_METHOD,
            settings={"index": {"knn": True, "number_of_shards": 1, "number_of_replicas": 0}},
            engine="lucene",
            space_type="cosinesimil",
            search_pipeline=_PIPELINE,
        )
        self._store = OpensearchVectorStore(client)
        self._model = HuggingFaceEmbedding(model_name=minilm_folder(), embed_batch_size=32)
        self._index = VectorStoreIndex.from_vector_store(self._store, embed_model=self._model)

    def load(self, passages: Sequence[Passage], vectors: Vectors | None) -> None:
        nodes = [TextNode(id_=passage.id, text=passage.titled) for passage in passages]
        if vectors is not None:
            for node, vector in zip(nodes, vectors, strict=True):
                node.embedding = vector.tolist()
        self._index.insert_nodes(nodes)

    def finish(self) -> None:
        """Its writes refresh the index by themselves."""

    def embed(self, query: str) -> Any:
        return self._model.get_query_embedding(query)

    def search(self, query: str, vector: Any | None, *, top_k: int) -> list[Found]:
        """Its one number is both the size of the page and the depth of the vector leg."""
        answer = self._store.query(
            VectorStoreQuery(
                query_str=query,
                query_embedding=self.embed(query) if vector is None else vector,
                similarity_top_k=LEG_DEPTH,
                mode=VectorStoreQueryMode.HYBRID,
            )
        )
        scores = answer.similarities or []
        nodes = list(zip(answer.nodes or [], scores, strict=True))[:top_k]
        return [Found(node.node_id, node.get_content(), score) for node, score in nodes]

    def close(self) -> None:
        OpenSearch(self._place.opensearch_url).indices.delete(index=self._place.name)
