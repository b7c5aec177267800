"""Retrieval metrics, records and their statistics."""
