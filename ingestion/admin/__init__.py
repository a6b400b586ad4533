"""Admin pages of the write side. Their actions call services and the outbox; no row is written past them."""

from ingestion.admin import documents, indexes, sources, tasks

__all__ = ["documents", "indexes", "sources", "tasks"]
