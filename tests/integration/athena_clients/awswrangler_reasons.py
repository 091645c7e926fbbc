"""Tests of awswrangler that fail here, each with what the compiler refuses by name and leaves to Trino."""

from __future__ import annotations

REASONS = {
    "test_athena_projection.test_to_parquet_projection_date": "a projected key of the type timestamp",
    "test_catalog.test_catalog_versioning": "a text table with escapes",
}
