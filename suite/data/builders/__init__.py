"""Builders of the embedded data sets: each fetches pinned packages, verifies them and writes one parquet file."""
