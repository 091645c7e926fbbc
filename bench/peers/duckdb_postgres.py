"""DuckDB's postgres extension: one COPY to one Parquet file."""

import os
from pathlib import Path

import duckdb
import duckdb_extension_httpfs
import duckdb_extension_postgres_scanner

with duckdb.connect() as connection:
    for package, name in (
        (duckdb_extension_httpfs, "httpfs"),
        (duckdb_extension_postgres_scanner, "postgres_scanner"),
    ):
        folder = Path(package.__file__).parent / "extensions" / f"v{duckdb.__version__}"
        connection.execute(f"LOAD '{folder / name}.duckdb_extension'")
    endpoint = os.environ["AWS_ENDPOINT_URL"].removeprefix("http://")
    connection.execute(
        f"CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', REGION '{os.environ['AWS_REGION']}', "
        f"URL_STYLE 'path', USE_SSL false, ENDPOINT '{endpoint}')"
    )
    connection.execute(f"ATTACH '{os.environ['BENCH_SOURCE']}' AS source (TYPE postgres, READ_ONLY)")
    connection.execute(
        f"COPY source.{os.environ['BENCH_TABLE']} TO '{os.environ['BENCH_TARGET']}/rows.parquet' "
        "(FORMAT parquet, COMPRESSION zstd)"
    )
