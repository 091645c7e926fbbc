"""Spark jobs: real PySpark with S3A against the engine."""

from __future__ import annotations

import json
from typing import Any

import psutil
import pytest
from glue_fixtures import BUCKET, GlueStack, glue, wait_until

from millpond import process

__all__ = ["glue"]

WRITES_AND_READS = """
import json, sys, time
import boto3
from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

args = getResolvedOptions(sys.argv, ["JOB_NAME", "target", "go"])
glueContext = GlueContext(SparkContext.getOrCreate())
spark = glueContext.spark_session
job = Job(glueContext)
job.init(args["JOB_NAME"], args)
glueContext.get_logger().info("a message for the error log")

frame = spark.range(1000).selectExpr("id", "id % 3 AS part", "timestamp_seconds(id) AS at")
frame.write.mode("overwrite").partitionBy("part").parquet(args["target"])
again = spark.read.parquet(args["target"].replace("s3://", "s3a://"))
callers = spark.sparkContext.parallelize([0], 1).map(
    lambda _: boto3.client("sts").get_caller_identity()["Arn"]
)
print(json.dumps({
    "argv": sys.argv[1:],
    "rows": again.count(),
    "parts": sorted(row.part for row in again.select("part").distinct().collect()),
    "sum": again.groupBy().sum("id").collect()[0][0],
    "time zone": spark.conf.get("spark.sql.session.timeZone"),
    "spark": spark.version,
    "python": "%d.%d" % sys.version_info[:2],
    "master": spark.sparkContext.master,
    "jvm": spark._jvm.java.lang.ProcessHandle.current().pid(),
    "worker's caller": callers.collect()[0],
}), flush=True)

bucket, key = args["go"].split("/", 1)
deadline = time.monotonic() + 120
while not boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
    assert time.monotonic() < deadline
    time.sleep(0.1)
try:
    glueContext.create_dynamic_frame.from_catalog(database="erp", table_name="orders")
except NotImplementedError as error:
    print(error)
job.commit()
"""

CATALOG = (
    "spark.sql.extensions=org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions"
    " --conf spark.sql.catalog.glue_catalog=org.apache.iceberg.spark.SparkCatalog"
    " --conf spark.sql.catalog.glue_catalog.catalog-impl=org.apache.iceberg.aws.glue.GlueCatalog"
    " --conf spark.sql.catalog.glue_catalog.io-impl=org.apache.iceberg.aws.s3.S3FileIO"
    f" --conf spark.sql.catalog.glue_catalog.warehouse=s3://{BUCKET}/warehouse/"
)

USES_ICEBERG = """
import json
from awsglue.context import GlueContext
from pyspark.context import SparkContext

spark = GlueContext(SparkContext.getOrCreate()).spark_session
table = "glue_catalog.lake.orders"

def rows(query):
    return [tuple(row) for row in spark.sql(query).collect()]

spark.sql("CREATE DATABASE IF NOT EXISTS glue_catalog.lake")
spark.sql(
    f"CREATE TABLE {table} (id bigint, state string, at timestamp) USING iceberg "
    "PARTITIONED BY (bucket(2, id)) TBLPROPERTIES ('format-version'='2', 'write.merge.mode'='merge-on-read')"
)
spark.sql(f"INSERT INTO {table} SELECT id, 'new', timestamp_seconds(id) FROM range(4)")
first = rows(f"SELECT snapshot_id FROM {table}.snapshots")[0][0]
spark.range(4, 6).selectExpr("id", "'later' AS state", "timestamp_seconds(id) AS at").writeTo(table).append()
spark.sql(
    f"MERGE INTO {table} t USING (SELECT id, 'merged' AS state FROM range(5, 7)) s ON t.id = s.id "
    "WHEN MATCHED THEN UPDATE SET state = s.state WHEN NOT MATCHED THEN INSERT (id, state) VALUES (id, state)"
)
spark.sql(f"DELETE FROM {table} WHERE id = 0")
print(json.dumps({
    "now": rows(f"SELECT id, state FROM {table} ORDER BY id"),
    "first": rows(f"SELECT count(*) FROM {table} VERSION AS OF {first}"),
    "operations": rows(f"SELECT operation FROM {table}.snapshots ORDER BY committed_at"),
}))
"""


@pytest.fixture(scope="module")
def warm_run(glue: GlueStack) -> dict[str, Any]:
    """A run on a JVM that waited for it; with what it printed, and what listened while it ran."""
    job = glue.job(
        WRITES_AND_READS,
        command="glueetl",
        DefaultArguments={
            "--target": f"s3://{BUCKET}/out",
            "--go": f"{BUCKET}/go",
            "--TempDir": f"s3://{BUCKET}/tmp",
            "--job-language": "python",
            "--job-bookmark-option": "job-bookmark-disable",
        },
    )
    waiting = [one.pid for one in recorded(glue, "jvm-")]
    run_id = glue.start(job)
    said = wait_until("output", lambda: glue.log("/aws-glue/jobs/output", run_id))
    listening = listeners(glue)
    folder = glue.folder(run_id)
    conf = (folder / "conf" / "spark-defaults.conf").read_text()
    glue.put("go", "")
    run = glue.finish(job, run_id)
    return {
        "run": run,
        "said": json.loads(said.splitlines()[0]),
        "listening": listening,
        "waiting": waiting,
        "conf": conf,
    }


def recorded(glue: GlueStack, prefix: str) -> list[process.OwnedProcess]:
    found = process.find_all(glue.context.pid_dir / "glue")
    return [one for one in found if one.pid_file.name.startswith(prefix)]


def listeners(glue: GlueStack) -> dict[str, set[str]]:
    """Addresses on which the processes of the plane listen, by kind of process."""
    found: dict[str, set[str]] = {"jvm": set(), "jr": set()}
    for one in recorded(glue, "j"):
        for member in one.tree():
            kind = one.pid_file.name.partition("-")[0].partition("_")[0]
            found[kind] |= {
                c.laddr.ip for c in member.net_connections("inet") if c.status == psutil.CONN_LISTEN
            }
    return found


def test_spark_writes_partitions_to_s3_and_reads_them_back(glue: GlueStack, warm_run: dict[str, Any]) -> None:
    assert (warm_run["run"]["JobRunState"], warm_run["run"].get("ErrorMessage")) == ("SUCCEEDED", None)
    said = warm_run["said"]
    assert (said["rows"], said["parts"], said["sum"]) == (1000, [0, 1, 2], 499500)
    listing = glue.engine.client("s3").list_objects_v2(Bucket=BUCKET, Prefix="out/")["Contents"]
    keys = {item["Key"].rpartition("/")[0] for item in listing if item["Key"].endswith(".parquet")}
    assert keys == {"out/part=0", "out/part=1", "out/part=2"}
    assert not [item["Key"] for item in listing if "_temporary" in item["Key"]]


def test_spark_script_is_run_as_glue_runs_it(warm_run: dict[str, Any]) -> None:
    said, run = warm_run["said"], warm_run["run"]
    arguments = dict(zip(said["argv"][::2], said["argv"][1::2], strict=True))
    assert arguments == {
        "--target": f"s3://{BUCKET}/out",
        "--go": f"{BUCKET}/go",
        "--TempDir": f"s3://{BUCKET}/tmp",
        "--job-bookmark-option": "job-bookmark-disable",
        "--JOB_ID": arguments["--JOB_ID"],
        "--JOB_RUN_ID": run["Id"],
        "--JOB_NAME": run["JobName"],
    }
    assert (said["spark"], said["python"], said["time zone"]) == ("3.5.6", "3.11", "UTC")
    assert said["master"].startswith("local[")


def test_workers_of_spark_have_the_role_too(warm_run: dict[str, Any]) -> None:
    assert ":assumed-role/glue-job/GlueJobRunnerSession-" in warm_run["said"]["worker's caller"]


def test_run_used_the_jvm_that_waited_and_another_one_waits_now(
    glue: GlueStack, warm_run: dict[str, Any]
) -> None:
    (waited,) = warm_run["waiting"]
    assert warm_run["said"]["jvm"] == waited
    wait_until("end of the used JVM", lambda: waited not in [one.pid for one in recorded(glue, "jvm-")])
    assert wait_until("another JVM", lambda: recorded(glue, "jvm-"))


def test_spark_listens_on_loopback_only(warm_run: dict[str, Any]) -> None:
    listening = warm_run["listening"]
    assert listening["jvm"] <= {"127.0.0.1", "::ffff:127.0.0.1"}
    assert listening["jvm"]
    assert listening["jr"] <= {"127.0.0.1"}


def test_credentials_are_not_in_the_spark_configuration_file(warm_run: dict[str, Any]) -> None:
    assert "spark.hadoop.fs.s3a.endpoint " in warm_run["conf"]
    assert "secret" not in warm_run["conf"].lower()


def test_logs_have_the_names_and_the_content_they_have_on_aws(
    glue: GlueStack, warm_run: dict[str, Any]
) -> None:
    assert warm_run["run"]["LogGroupName"] == "/aws-glue/jobs"
    assert "INFO GlueLogger: a message for the error log" in glue.errors(warm_run["run"])
    assert '"rows": 1000' in glue.output(warm_run["run"])


def test_what_awsglue_lacks_says_its_name(glue: GlueStack, warm_run: dict[str, Any]) -> None:
    assert "GlueContext.create_dynamic_frame.from_catalog is not available" in glue.output(warm_run["run"])


def test_run_with_its_own_jvm_settings_starts_its_own_jvm(glue: GlueStack) -> None:
    run = glue.run(
        """
        from pyspark.sql import SparkSession
        from pyspark.sql.functions import udf
        import shared

        spark = SparkSession.builder.config("spark.sql.shuffle.partitions", "5").getOrCreate()
        runtime = spark._jvm.java.lang.Runtime.getRuntime()
        double = udf(lambda text: shared.double(text))
        print(runtime.maxMemory() // 2**20 < 700, spark._jvm.java.lang.System.getProperty("flavour"),
              spark.conf.get("spark.sql.shuffle.partitions"), spark.conf.get("spark.sql.ansi.enabled"),
              spark.sql("SELECT 'a' AS t").select(double("t")).collect()[0][0])
        """,
        command="glueetl",
        DefaultArguments={
            "--conf": "spark.driver.memory=640m --conf spark.driver.extraJavaOptions=-Dflavour=own "
            "--conf spark.sql.ansi.enabled=true",
            "--extra-py-files": glue.put("lib/shared.py", "def double(text):\n    return text + text\n"),
        },
    )
    assert run.get("ErrorMessage") is None
    assert glue.output(run) == "True own 5 true aa"


def test_spark_error_is_reported_as_glue_reports_it(glue: GlueStack) -> None:
    run = glue.run(
        f"""
        from pyspark.sql import SparkSession
        SparkSession.builder.getOrCreate().read.parquet("s3://{BUCKET}/nothing-here")
        """,
        command="glueetl",
    )
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith("AnalysisException: [PATH_NOT_FOUND]")
    assert "Traceback (most recent call last):" in glue.errors(run)


def test_stopped_spark_run_takes_its_jvm_with_it(glue: GlueStack) -> None:
    job = glue.job(
        """
        import os, time
        from pyspark.sql import SparkSession
        spark = SparkSession.builder.getOrCreate()
        print(spark._jvm.java.lang.ProcessHandle.current().pid(), os.getpid(), flush=True)
        time.sleep(600)
        """,
        command="glueetl",
    )
    run_id = glue.start(job)
    pids = [
        int(pid) for pid in wait_until("output", lambda: glue.log("/aws-glue/jobs/output", run_id)).split()
    ]
    assert all(psutil.pid_exists(pid) for pid in pids)
    glue.plane.batch_stop_job_run({"JobName": job, "JobRunIds": [run_id]})
    assert glue.finish(job, run_id)["JobRunState"] == "STOPPED"
    assert not any(psutil.pid_exists(pid) for pid in pids)


def test_script_uses_iceberg_tables_of_the_glue_catalog_with_awss_own_settings(glue: GlueStack) -> None:
    run = glue.run(
        USES_ICEBERG,
        command="glueetl",
        DefaultArguments={"--datalake-formats": "iceberg", "--conf": CATALOG},
    )
    assert run.get("ErrorMessage") is None
    assert json.loads(glue.output(run)) == {
        "now": [[1, "new"], [2, "new"], [3, "new"], [4, "later"], [5, "merged"], [6, "merged"]],
        "first": [[4]],
        "operations": [["append"], ["append"], ["overwrite"], ["overwrite"]],
    }
    table = glue.engine.client("glue").get_table(DatabaseName="lake", Name="orders")["Table"]
    assert table["Parameters"]["table_type"] == "ICEBERG"
    assert table["StorageDescriptor"]["Location"] == f"s3://{BUCKET}/warehouse/lake.db/orders"


def test_iceberg_is_there_only_when_it_is_asked_for(glue: GlueStack) -> None:
    run = glue.run(
        "from pyspark.sql import SparkSession\n"
        "SparkSession.builder.getOrCreate().sql('SHOW TABLES IN glue_catalog.lake')",
        command="glueetl",
        DefaultArguments={"--conf": CATALOG},
    )
    assert run["JobRunState"] == "FAILED"
    assert "org.apache.iceberg.spark.SparkCatalog" in run["ErrorMessage"]


@pytest.mark.parametrize(
    ("arguments", "version", "what"),
    [
        ({"--enable-glue-datacatalog": "true"}, "5.1", "--enable-glue-datacatalog"),
        ({"--datalake-formats": "iceberg,delta"}, "5.1", "--datalake-formats delta"),
        ({"--job-language": "scala"}, "5.1", "--job-language scala"),
        ({}, "4.0", "Glue version 4.0 (use 5.0 or 5.1)"),
    ],
)
def test_what_this_spark_is_not_is_refused_by_name(
    glue: GlueStack, arguments: dict[str, str], version: str, what: str
) -> None:
    run = glue.run("print()", command="glueetl", arguments=arguments, GlueVersion=version)
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"] == f"LAUNCH ERROR | {what} is not available in Millpond."
