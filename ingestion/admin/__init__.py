"""Admin pages of the write side. Their actions call services and the outbox; no row is written past them."""

from ingestion.admin import documents, expectations, indexes, sources, tasks

__all__ = ["documents", "expectations", "indexes", "sources", "tasks"]
