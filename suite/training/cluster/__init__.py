"""Runs on many machines: an executor on a Dask cluster beside the local one, and the grid that it runs."""
