"""The write side's services, one module a verb's noun: documents (accept), ingest (a claim), sync,
rebuild, reconcile."""
