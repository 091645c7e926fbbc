"""Plain Spark: a JDBC read in four partitions with a fetch size, written as Parquet."""

import os

from pyspark.sql import SparkSession

PARTITIONS, FETCH_SIZE = 4, 10_000

spark = SparkSession.builder.getOrCreate()
source = {
    "url": os.environ["BENCH_JDBC"],
    "user": os.environ["BENCH_USER"],
    "password": os.environ["BENCH_PASSWORD"],
    "driver": "org.postgresql.Driver",
}
column = os.environ["BENCH_SPLIT"]
bounds = f"(SELECT min({column}), max({column}) FROM {os.environ['BENCH_TABLE']}) bounds"  # noqa: S608
low, high = spark.read.format("jdbc").options(**source, dbtable=bounds).load().first()
rows = (
    spark.read.format("jdbc")
    .options(
        **source,
        dbtable=os.environ["BENCH_TABLE"],
        partitionColumn=column,
        lowerBound=low,
        upperBound=high,
        numPartitions=PARTITIONS,
        fetchsize=FETCH_SIZE,
    )
    .load()
)
rows.write.option("compression", "zstd").parquet(os.environ["BENCH_TARGET"])
