"""connectorx: a stream of Arrow batches into one Parquet file."""

import os

import connectorx
from pyarrow import fs, parquet

BATCH_ROWS = 100_000

s3 = fs.S3FileSystem(endpoint_override=os.environ["AWS_ENDPOINT_URL"], region=os.environ["AWS_REGION"])
batches = connectorx.read_sql(
    os.environ["BENCH_SOURCE"],
    f"SELECT * FROM {os.environ['BENCH_TABLE']}",  # noqa: S608
    return_type="arrow_stream",
    batch_size=BATCH_ROWS,
)
path = os.environ["BENCH_TARGET"].removeprefix("s3://") + "/rows.parquet"
with (
    s3.open_output_stream(path) as out,
    parquet.ParquetWriter(out, batches.schema, compression="zstd") as writer,
):
    for batch in batches:
        writer.write_batch(batch)
