"""Whole runs of a script as Glue Studio generates it: a table, a mapping, a table, with a bookmark."""

from __future__ import annotations

import json
from typing import Any

import pytest
from glue_fixtures import BUCKET, GlueStack, glue

__all__ = ["glue"]

GENERATED = """
import sys
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext
from awsglue.context import GlueContext
from awsglue.job import Job

args = getResolvedOptions(sys.argv, ["JOB_NAME", "bucket", "fails"])
sc = SparkContext()
glueContext = GlueContext(sc)
spark = glueContext.spark_session
job = Job(glueContext)
job.init(args["JOB_NAME"], args)

AWSGlueDataCatalog_node1 = glueContext.create_dynamic_frame.from_catalog(
    database="studio", table_name="orders", transformation_ctx="AWSGlueDataCatalog_node1"
)
ChangeSchema_node2 = ApplyMapping.apply(
    frame=AWSGlueDataCatalog_node1,
    mappings=[
        ("id", "long", "id", "long"),
        ("amount", "string", "amount", "decimal(12,2)"),
        ("day", "string", "day", "string"),
    ],
    transformation_ctx="ChangeSchema_node2",
)
ResolveChoice_node3 = ResolveChoice.apply(
    frame=ChangeSchema_node2, choice="make_struct", transformation_ctx="ResolveChoice_node3"
)
AmazonS3_node4 = glueContext.getSink(
    path=f"s3://{args['bucket']}/studio/out/",
    connection_type="s3",
    updateBehavior="UPDATE_IN_DATABASE",
    partitionKeys=["day"],
    enableUpdateCatalog=True,
    transformation_ctx="AmazonS3_node4",
)
AmazonS3_node4.setCatalogInfo(catalogDatabase="studio", catalogTableName="curated")
AmazonS3_node4.setFormat("glueparquet", compression="snappy")
AmazonS3_node4.writeFrame(ResolveChoice_node3)
print(sorted(row.id for row in ResolveChoice_node3.toDF().collect()))
if args["fails"] == "yes":
    raise RuntimeError("before the commit")
job.commit()
"""

ENABLED = {"--job-bookmark-option": "job-bookmark-enable", "--bucket": BUCKET}


@pytest.fixture(scope="module")
def catalog(glue: GlueStack) -> Any:
    client = glue.engine.client("glue")
    client.create_database(DatabaseInput={"Name": "studio"})
    client.create_table(
        DatabaseName="studio",
        TableInput={
            "Name": "orders",
            "StorageDescriptor": {
                "Columns": [
                    {"Name": "id", "Type": "bigint"},
                    {"Name": "amount", "Type": "string"},
                    {"Name": "day", "Type": "string"},
                ],
                "Location": f"s3://{BUCKET}/studio/in/",
                "SerdeInfo": {
                    "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                    "Parameters": {"field.delim": ","},
                },
            },
            "Parameters": {"classification": "csv", "skip.header.line.count": "1"},
        },
    )
    return client


@pytest.mark.timeout(2000)
def test_generated_script_reads_what_is_new_and_again_what_it_did_not_commit(
    glue: GlueStack, catalog: Any
) -> None:
    glue.run_seconds = 600.0
    job = glue.job(GENERATED, command="glueetl", DefaultArguments=ENABLED)

    def run(fails: str) -> tuple[str, str]:
        done = glue.finish(job, glue.start(job, Arguments={"--fails": fails}))
        said = glue.output(done).strip()
        return done["JobRunState"], said or glue.errors(done)[-2000:]

    glue.put("studio/in/a.csv", "id,amount,day\n1,1.50,01\n2,x,02\n")
    assert run("no") == ("SUCCEEDED", "[1, 2]")
    glue.put("studio/in/b.csv", "id,amount,day\n3,3,01\n")
    assert run("yes") == ("FAILED", "[3]")
    assert run("no") == ("SUCCEEDED", "[3]")

    entry = glue.plane.get_job_bookmark({"JobName": job})["JobBookmarkEntry"]
    state = json.loads(entry["JobBookmark"])["AWSGlueDataCatalog_node1"]
    assert (entry["Run"], len(state["files"])) == (2, 2)
    partitions = catalog.get_partitions(DatabaseName="studio", TableName="curated")["Partitions"]
    assert sorted(one["Values"] for one in partitions) == [["01"], ["02"]]
    columns = catalog.get_table(DatabaseName="studio", Name="curated")["Table"]["StorageDescriptor"][
        "Columns"
    ]
    assert [(one["Name"], one["Type"]) for one in columns] == [("id", "bigint"), ("amount", "decimal(12,2)")]
