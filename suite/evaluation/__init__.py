"""Retrieval metrics, and the record of a run: one schema, one reader, one writer."""
