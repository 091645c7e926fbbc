"""A job on the environment of each Glue version beside the installed one: made on first use, so by hand."""

from __future__ import annotations

import json

import pytest
from glue_fixtures import BUCKET, GlueStack, glue

from millpond.planes.glue.versions import VERSIONS

__all__ = ["glue"]

pytestmark = pytest.mark.foreign

READS_AND_WRITES = """
import json, sys
import pyspark
from pyspark.sql import SparkSession

arguments = dict(zip(sys.argv[1::2], sys.argv[2::2]))
target, formats = arguments["--target"], arguments["--wanted"].split(",")
builder = SparkSession.builder
if "delta" in formats:
    builder = builder.config("spark.sql.extensions", "io.delta.sql.DeltaSparkSessionExtension").config(
        "spark.sql.catalog.spark_catalog", "org.apache.spark.sql.delta.catalog.DeltaCatalog")
for name, value in {
    "": "org.apache.iceberg.spark.SparkCatalog",
    ".catalog-impl": "org.apache.iceberg.aws.glue.GlueCatalog",
    ".io-impl": "org.apache.iceberg.aws.s3.S3FileIO",
    ".warehouse": target + "/warehouse",
}.items():
    builder = builder.config("spark.sql.catalog.glue_catalog" + name, value)
spark = builder.getOrCreate()
frame = spark.range(1000).selectExpr("id", "id % 3 AS part")
counts = {}
for kind in ("parquet", "avro", *(["delta"] if "delta" in formats else [])):
    frame.write.format(kind).partitionBy("part").mode("overwrite").save(f"{target}/{kind}")
    counts[kind] = spark.read.format(kind).load(f"{target}/{kind}").where("part = 1").count()
if "iceberg" in formats:
    spark.sql("CREATE DATABASE IF NOT EXISTS glue_catalog.versions LOCATION '" + target + "/versions'")
    frame.writeTo("glue_catalog.versions.t" + pyspark.__version__.replace(".", "")).createOrReplace()
    counts["iceberg"] = spark.table("glue_catalog.versions.t" + pyspark.__version__.replace(".", "")).count()
print(json.dumps({
    "spark": pyspark.__version__,
    "python": "%d.%d" % sys.version_info[:2],
    "workers": spark.sparkContext.parallelize([0], 1).map(lambda _: "%d.%d" % sys.version_info[:2]).first(),
    "counts": counts,
}))
"""


@pytest.mark.parametrize("name", list(VERSIONS))
def test_a_job_reads_and_writes_with_what_its_version_brings(glue: GlueStack, name: str) -> None:
    version = VERSIONS[name]
    run = glue.run(
        READS_AND_WRITES,
        command="glueetl",
        GlueVersion=name,
        DefaultArguments={
            "--target": f"s3://{BUCKET}/versions/{name}",
            "--wanted": "iceberg,delta",
            "--datalake-formats": "iceberg,delta",
        },
    )
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    assert json.loads(glue.output(run).splitlines()[-1]) == {
        "spark": version.spark,
        "python": version.python,
        "workers": version.python,
        "counts": {"parquet": 333, "avro": 333, "delta": 333, "iceberg": 1000},
    }
