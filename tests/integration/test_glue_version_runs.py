"""A job on the environment of each Glue version beside the installed one: made on first use, so by hand."""

from __future__ import annotations

import json

import pytest
from glue_fixtures import BUCKET, GlueStack, glue

from millpond.planes.glue.versions import VERSIONS

__all__ = ["glue"]

pytestmark = pytest.mark.foreign
# The first run of a version makes its environment and fetches its jars.
FIRST_RUN_SECONDS = 900.0


@pytest.fixture(autouse=True)
def patience(glue: GlueStack) -> None:
    glue.run_seconds = FIRST_RUN_SECONDS


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
if "delta" in formats:
    from delta.tables import DeltaTable
    DeltaTable.forPath(spark, f"{target}/delta").delete("part = 0")
    counts["delta"] = spark.read.format("delta").load(f"{target}/delta").count()
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


GENERATED = """
import sys
import boto3
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from awsglue.context import GlueContext
from awsglue.job import Job

args = getResolvedOptions(sys.argv, ["JOB_NAME", "database", "target"])
glueContext = GlueContext(SparkContext())
job = Job(glueContext)
job.init(args["JOB_NAME"], args)
orders = glueContext.create_dynamic_frame.from_catalog(
    database=args["database"], table_name="orders", transformation_ctx="orders"
)
mapped = ApplyMapping.apply(
    frame=orders,
    mappings=[("id", "long", "id", "long"), ("amount", "string", "amount", "decimal(12,2)")],
    transformation_ctx="mapped",
)
sink = glueContext.getSink(
    path=args["target"], connection_type="s3", updateBehavior="UPDATE_IN_DATABASE",
    enableUpdateCatalog=True, transformation_ctx="sink",
)
sink.setCatalogInfo(catalogDatabase=args["database"], catalogTableName="curated")
sink.setFormat("glueparquet", compression="snappy")
sink.writeFrame(mapped)
tables = boto3.client("glue").get_tables(DatabaseName=args["database"])["TableList"]
print(sorted(row.id for row in mapped.toDF().collect()), sorted(table["Name"] for table in tables))
job.commit()
"""


@pytest.mark.parametrize("name", list(VERSIONS))
def test_a_generated_job_goes_on_from_its_bookmark_and_updates_the_catalog(
    glue: GlueStack, name: str
) -> None:
    database, prefix = f"generated_{name.replace('.', '')}", f"generated/{name}"
    catalog = glue.engine.client("glue")
    catalog.create_database(DatabaseInput={"Name": database})
    location = f"s3://{BUCKET}/{prefix}/orders/"
    columns = [{"Name": "id", "Type": "bigint"}, {"Name": "amount", "Type": "string"}]
    table = {
        "Name": "orders",
        "Parameters": {"classification": "json"},
        "StorageDescriptor": {"Columns": columns, "Location": location},
    }
    catalog.create_table(DatabaseName=database, TableInput=table)
    job = glue.job(
        GENERATED,
        command="glueetl",
        GlueVersion=name,
        DefaultArguments={
            "--job-bookmark-option": "job-bookmark-enable",
            "--database": database,
            "--target": f"s3://{BUCKET}/{prefix}/curated/",
        },
    )
    for number, expected in ((1, "[1]"), (2, "[2]")):
        glue.put(f"{prefix}/orders/{number}.json", json.dumps({"id": number, "amount": "1.5"}) + "\n")
        run = glue.finish(job, glue.start(job))
        assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
        assert glue.output(run).splitlines()[-1] == f"{expected} ['curated', 'orders']"


HUDI = """
import sys
from pyspark.sql import SparkSession

target = dict(zip(sys.argv[1::2], sys.argv[2::2]))["--target"]
spark = SparkSession.builder.getOrCreate()
options = {
    "hoodie.table.name": "orders",
    "hoodie.datasource.write.recordkey.field": "id",
    "hoodie.datasource.write.precombine.field": "ts",
    "hoodie.datasource.write.operation": "upsert",
    "hoodie.datasource.write.keygenerator.class": "org.apache.hudi.keygen.NonpartitionedKeyGenerator",
    "hoodie.upsert.shuffle.parallelism": "1",
}
for first, mode in ((0, "overwrite"), (5, "append")):
    frame = spark.range(first, first + 10).selectExpr("id", f"{first} AS ts")
    frame.write.format("hudi").options(**options).mode(mode).save(target)
rows = spark.read.format("hudi").load(target)
print(rows.count(), rows.where("ts = 5").count())
"""


@pytest.mark.parametrize("name", [name for name, version in VERSIONS.items() if "hudi" in version.formats])
def test_a_job_upserts_a_table_of_hudi(glue: GlueStack, name: str) -> None:
    run = glue.run(
        HUDI,
        command="glueetl",
        GlueVersion=name,
        DefaultArguments={
            "--target": f"s3://{BUCKET}/hudi/{name}",
            "--datalake-formats": "hudi",
            "--conf": "spark.serializer=org.apache.spark.serializer.KryoSerializer",
        },
    )
    assert run["JobRunState"] == "SUCCEEDED", run.get("ErrorMessage")
    assert glue.output(run).splitlines()[-1] == "15 10"


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
        "counts": {"parquet": 333, "avro": 333, "delta": 666, "iceberg": 1000},
    }


OF_SPARK_2 = """
import sys
from pyspark.sql import SparkSession, functions as f

spark = SparkSession.builder.getOrCreate()
target = sys.argv[sys.argv.index("--target") + 1]
frame = spark.createDataFrame([("2020-1-5",), ("01/02/2020",)], "text string")
# Spark 3 refuses a path that is said twice, and a date that only the old parser reads.
frame.write.mode("overwrite").option("path", target).save(target)
dates = spark.read.parquet(target).select(f.to_date("text", "yyyy-MM-dd").alias("day"))
print(sorted(str(row.day) for row in dates.collect()))
"""


def test_a_job_of_a_version_with_spark_2_finds_its_ways(glue: GlueStack) -> None:
    arguments = {"--target": f"s3://{BUCKET}/spark-2/"}
    run = glue.run(OF_SPARK_2, command="glueetl", GlueVersion="2.0", DefaultArguments=arguments)
    assert run["JobRunState"] == "SUCCEEDED", glue.errors(run)
    assert "2020-01-05" in glue.output(run)
    assert "THIS JOB IS OF GLUE 2.0" in glue.errors(run)
