"""Athena on DuckDB, behind a moto server."""
