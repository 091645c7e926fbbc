"""dlt: its sql_database source by connectorx to its filesystem destination, Parquet."""

import os
import tempfile

import dlt
from dlt.destinations import filesystem
from dlt.sources.credentials import AwsCredentials
from dlt.sources.sql_database import sql_table

schema, table = os.environ["BENCH_TABLE"].split(".")
credentials = AwsCredentials(
    aws_access_key_id="test",
    aws_secret_access_key="test",  # noqa: S106 (any key opens the engine)
    region_name=os.environ["AWS_REGION"],
    endpoint_url=os.environ["AWS_ENDPOINT_URL"],
)
with tempfile.TemporaryDirectory() as directory:
    pipeline = dlt.pipeline(
        "bench",
        pipelines_dir=directory,
        destination=filesystem(os.environ["BENCH_TARGET"], credentials=credentials),
        dataset_name="bench",
    )
    source = os.environ["BENCH_SOURCE"].replace("postgresql:", "postgresql+psycopg2:", 1)
    rows = sql_table(source, table=table, schema=schema, backend="connectorx")
    pipeline.run(rows, loader_file_format="parquet").raise_on_failed_jobs()
