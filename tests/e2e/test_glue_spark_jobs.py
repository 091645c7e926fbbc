"""Spark jobs on either tier: what a script sees, and what a caller of the API sees of its runs.

A run takes some seconds, so each of the three runs of Spark shows as much as goes into one script.
"""

from __future__ import annotations

import json
import signal
import urllib.request
from typing import Any

import pyarrow as pa
import pytest
from checkouts import IS_EMBEDDED, Checkout
from job_runs import RUN_SECONDS, GlueJobs
from ports import free_port
from pyiceberg.catalog import load_catalog
from pyiceberg.transforms import IdentityTransform
from waiting import scaled, wait_until

from millpond.client.query import run_query
from millpond.testing.jobs import BUCKET, ROLE, make_bucket

GOING = ("STARTING", "RUNNING")

WRITES_AND_READS = """
import json, sys
import boto3
from awsglue.context import GlueContext
from awsglue.job import Job
from awsglue.transforms import *
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

args = getResolvedOptions(sys.argv, ["JOB_NAME", "target"])
glueContext = GlueContext(SparkContext.getOrCreate())
spark = glueContext.spark_session
job = Job(glueContext)
job.init(args["JOB_NAME"], args)
glueContext.get_logger().info("a message for the error log")

frame = spark.range(1000).selectExpr("id", "id % 3 AS part", "timestamp_seconds(id) AS at")
frame.write.mode("overwrite").partitionBy("part").parquet(args["target"])
again = spark.read.parquet(args["target"].replace("s3://", "s3a://"))

def caller(_=None):
    return boto3.client("sts").get_caller_identity()["Arn"]

print(json.dumps({
    "argv": sys.argv[1:],
    "rows": again.count(),
    "parts": sorted(row.part for row in again.select("part").distinct().collect()),
    "sum": again.groupBy().sum("id").collect()[0][0],
    "at": again.where("id = 60").selectExpr("string(at)").collect()[0][0],
    "time zone": spark.conf.get("spark.sql.session.timeZone"),
    "spark": spark.version,
    "python": "%d.%d" % sys.version_info[:2],
    "callers": [caller(), *spark.sparkContext.parallelize([0], 1).map(caller).collect()],
}))
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


HAS_SETTINGS_OF_ITS_OWN = f"""
import json
from pyspark.sql import SparkSession
from pyspark.sql.functions import udf
import shared

spark = SparkSession.builder.config("spark.sql.shuffle.partitions", "5").getOrCreate()
java = spark._jvm.java.lang
try:
    tables = [row.tableName for row in spark.sql("SHOW TABLES IN glue_catalog.lake").collect()]
except Exception as error:
    tables = str(error)
double = udf(lambda text: shared.double(text))
print(json.dumps({{
    "heap": java.Runtime.getRuntime().maxMemory() // 2**20,
    "flavour": java.System.getProperty("flavour"),
    "partitions": spark.conf.get("spark.sql.shuffle.partitions"),
    "ansi": spark.conf.get("spark.sql.ansi.enabled"),
    "doubled": spark.sql("SELECT 'a' AS t").select(double("t")).collect()[0][0],
    "tables": tables,
}}), flush=True)
spark.read.parquet("s3://{BUCKET}/nothing-here")
"""

USES_THE_CATALOG = f"""
import json
from awsglue.context import GlueContext
from pyspark.context import SparkContext

spark = GlueContext(SparkContext.getOrCreate()).spark_session
said = {{}}

def rows(query):
    return [list(row) for row in spark.sql(query).collect()]

def refused(query):
    try:
        spark.sql(query)
    except Exception as error:
        return str(error)

said["databases"] = rows("SHOW DATABASES")
spark.sql("CREATE DATABASE shop LOCATION 's3://{BUCKET}/shop/'")
spark.sql("CREATE TABLE shop.plain (id int, name string) USING parquet")
spark.sql("INSERT INTO shop.plain VALUES (1, 'a'), (2, NULL)")
spark.sql("ALTER TABLE shop.plain ADD COLUMNS (Price decimal(10,2))")
said["plain"] = rows("SELECT * FROM shop.plain ORDER BY id")
days = spark.range(6).selectExpr("id", "concat('2026-0', 1 + id % 3, '-01') AS day", "int(id % 2) AS n")
days.write.mode("overwrite").partitionBy("day", "n").saveAsTable("shop.days")
days.write.mode("append").partitionBy("day", "n").saveAsTable("shop.days")
said["days"] = rows("SELECT day, n, count(*) FROM shop.days GROUP BY day, n ORDER BY day, n")
said["like"] = rows("SELECT count(*) FROM shop.days WHERE day LIKE '2026-01%' AND n IN (0, 1)")
said["not"] = rows("SELECT count(*) FROM shop.days WHERE day <> '2026-01-01' AND n > 0")
said["partitions"] = len(rows("SHOW PARTITIONS shop.days"))
spark.sql("ALTER TABLE shop.days DROP PARTITION (day = '2026-03-01')")
said["left"] = rows("SELECT count(*) FROM shop.days")
spark.sql("CREATE EXTERNAL TABLE shop.text (id int, name string) "
          "ROW FORMAT DELIMITED FIELDS TERMINATED BY ',' LOCATION 's3://{BUCKET}/text/'")
said["text"] = rows("SELECT * FROM shop.text ORDER BY id")
spark.sql("CREATE VIEW shop.seen AS SELECT id * 2 AS twice FROM shop.plain")
said["view"] = rows("SELECT twice FROM shop.seen ORDER BY twice")
said["tables"] = sorted(table.name for table in spark.catalog.listTables("shop"))
said["renamed"] = refused("ALTER TABLE shop.plain RENAME TO shop.other")
said["nosuch"] = refused("SELECT * FROM shop.nosuch")
spark.sql("CREATE TABLE shop.short USING parquet AS SELECT 1 AS one")
spark.sql("DROP TABLE shop.short")
print(json.dumps(said, default=str))
"""

Run = dict[str, Any]

EVENTS = f"s3://{BUCKET}/events/"
# Refused by name in containers.
EVENT_LOG = {"--enable-spark-ui": "true", "--spark-event-logs-path": EVENTS} if IS_EMBEDDED else {}


@pytest.fixture(scope="module")
def run_of_spark(glue: GlueJobs) -> Run:
    return glue.run(
        WRITES_AND_READS,
        command="glueetl",
        DefaultArguments={
            "--target": f"s3://{BUCKET}/out",
            "--TempDir": f"s3://{BUCKET}/tmp",
            "--job-language": "python",
            "--job-bookmark-option": "job-bookmark-disable",
            **EVENT_LOG,
        },
    )


@pytest.fixture(scope="module")
def said(glue: GlueJobs, run_of_spark: Run) -> dict[str, Any]:
    assert (run_of_spark["JobRunState"], run_of_spark.get("ErrorMessage")) == ("SUCCEEDED", None)
    printed: dict[str, Any] = json.loads(glue.output(run_of_spark))
    return printed


@pytest.fixture(scope="module")
def run_with_iceberg(glue: GlueJobs) -> Run:
    return glue.run(
        USES_ICEBERG,
        command="glueetl",
        DefaultArguments={"--datalake-formats": "iceberg", "--conf": CATALOG},
    )


@pytest.fixture(scope="module")
def run_with_settings(glue: GlueJobs, run_with_iceberg: Run) -> Run:
    """A run that asks for settings of its JVM and not for Iceberg, of which there is a table."""
    return glue.run(
        HAS_SETTINGS_OF_ITS_OWN,
        command="glueetl",
        DefaultArguments={
            "--conf": "spark.driver.memory=640m --conf spark.driver.extraJavaOptions=-Dflavour=own "
            f"--conf spark.sql.ansi.enabled=true --conf {CATALOG}",
            "--extra-py-files": glue.put("lib/shared.py", "def double(text):\n    return text + text\n"),
        },
    )


@pytest.mark.both_tiers
def test_spark_writes_partitions_to_s3_and_reads_them_back(glue: GlueJobs, said: dict[str, Any]) -> None:
    assert (said["rows"], said["parts"], said["sum"]) == (1000, [0, 1, 2], 499500)
    listing = glue.aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="out/")["Contents"]
    keys = {item["Key"].rpartition("/")[0] for item in listing if item["Key"].endswith(".parquet")}
    assert keys == {"out/part=0", "out/part=1", "out/part=2"}
    assert not [item["Key"] for item in listing if "_temporary" in item["Key"]]


@pytest.mark.both_tiers
def test_spark_script_gets_its_arguments_and_what_glue_adds(run_of_spark: Run, said: dict[str, Any]) -> None:
    arguments = dict(zip(said["argv"][::2], said["argv"][1::2], strict=True))
    assert arguments == {
        "--target": f"s3://{BUCKET}/out",
        "--TempDir": f"s3://{BUCKET}/tmp",
        "--job-bookmark-option": "job-bookmark-disable",
        "--JOB_ID": arguments["--JOB_ID"],
        "--JOB_RUN_ID": run_of_spark["Id"],
        "--JOB_NAME": run_of_spark["JobName"],
    }
    assert arguments["--JOB_ID"].startswith("j_")


@pytest.mark.both_tiers
def test_spark_and_its_python_have_the_versions_of_glue_and_the_time_zone_utc(said: dict[str, Any]) -> None:
    assert (said["spark"], said["python"]) == ("3.5.6", "3.11")
    assert (said["time zone"], said["at"]) == ("UTC", "1970-01-01 00:01:00")


@pytest.mark.both_tiers
def test_driver_and_workers_of_spark_have_the_role(said: dict[str, Any]) -> None:
    driver, worker = said["callers"]
    assert driver == worker
    assert f":assumed-role/{ROLE}/GlueJobRunnerSession-" in driver


@pytest.mark.both_tiers
def test_logs_have_the_names_and_the_content_they_have_on_aws(glue: GlueJobs, run_of_spark: Run) -> None:
    assert run_of_spark["LogGroupName"] == "/aws-glue/jobs"
    assert "INFO GlueLogger: a message for the error log" in glue.errors(run_of_spark)
    assert '"rows": 1000' in glue.output(run_of_spark)


def test_the_event_log_of_a_run_is_opened_by_sparks_history_server(
    bare_stack: Checkout, run_of_spark: Run
) -> None:
    nothing = bare_stack.run("spark-history", f"s3://{BUCKET}/nosuch")
    assert "No event log of Spark was found" in nothing.stderr

    port = free_port()
    # Without an address it is the one that the job names.
    server = bare_stack.popen("spark-history", "--port", str(port))
    try:
        said = server.stderr.readline()
        assert f"event logs: 1, at http://127.0.0.1:{port}" in said
        applications = json.loads(wait_until("the log", lambda: listed(port), 60))
        assert [one["attempts"][0]["completed"] for one in applications] == [True]
    finally:
        server.send_signal(signal.SIGINT)
        assert server.wait(scaled(60)) == 0
    assert "is in use" not in server.stderr.read()


def listed(port: int) -> bytes | None:
    """What the server says of applications, once it has read a log."""
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/applications", timeout=30) as answer:
        found = answer.read()
    return found if json.loads(found) else None


@pytest.mark.both_tiers
def test_script_uses_iceberg_tables_of_the_glue_catalog_with_awss_own_settings(
    glue: GlueJobs, run_with_iceberg: Run
) -> None:
    assert run_with_iceberg.get("ErrorMessage") is None
    assert json.loads(glue.output(run_with_iceberg)) == {
        "now": [[1, "new"], [2, "new"], [3, "new"], [4, "later"], [5, "merged"], [6, "merged"]],
        "first": [[4]],
        "operations": [["append"], ["append"], ["overwrite"], ["overwrite"]],
    }
    table = glue.aws.glue.get_table(DatabaseName="lake", Name="orders")["Table"]
    assert table["Parameters"]["table_type"] == "ICEBERG"
    assert table["StorageDescriptor"]["Location"] == f"s3://{BUCKET}/warehouse/lake.db/orders"


def test_the_data_catalog_is_the_metastore_of_spark_where_a_job_asks_for_it(glue: GlueJobs) -> None:
    glue.put("text/a.csv", "1,x\n2,y\n")
    run = glue.run(USES_THE_CATALOG, command="glueetl", DefaultArguments={"--enable-glue-datacatalog": ""})
    assert run.get("ErrorMessage") is None, glue.errors(run)
    said = json.loads(glue.output(run))
    assert ["default"] in said.pop("databases")
    assert "UpdateTable changes no name" in said.pop("renamed")
    assert "TABLE_OR_VIEW_NOT_FOUND" in said.pop("nosuch")
    assert said == {
        "plain": [[1, "a", None], [2, None, None]],
        "days": [[day, n, 2] for day in ("2026-01-01", "2026-02-01", "2026-03-01") for n in (0, 1)],
        "like": [[4]],
        "not": [[4]],
        "partitions": 6,
        "left": [[8]],
        "text": [[1, "x"], [2, "y"]],
        "view": [[2], [4]],
        "tables": ["days", "plain", "seen", "text"],
    }
    tables = {one["Name"]: one for one in glue.aws.glue.get_tables(DatabaseName="shop")["TableList"]}
    assert [one["Name"] for one in tables["plain"]["StorageDescriptor"]["Columns"]] == ["id", "name", "price"]
    assert [one["Name"] for one in tables["days"]["PartitionKeys"]] == ["day", "n"]
    assert not glue.aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="shop/short").get("Contents")
    make_bucket(glue.aws, "answers")
    work = {"ResultConfiguration": {"OutputLocation": "s3://answers/"}}
    glue.aws.athena.create_work_group(Name="beside-spark", Configuration=work)
    asked = run_query(
        glue.aws.athena,
        "SELECT day, n, count(*) FROM shop.days GROUP BY day, n ORDER BY day, n",
        workgroup="beside-spark",
    )
    assert asked.rows == tuple((day, n, "2") for day in ("2026-01-01", "2026-02-01") for n in ("0", "1"))


@pytest.mark.both_tiers
def test_conf_and_extra_py_files_of_a_run_reach_its_jvm_and_its_workers(
    glue: GlueJobs, run_with_settings: Run
) -> None:
    said = json.loads(glue.output(run_with_settings))
    assert said.pop("heap") < 700
    del said["tables"]
    assert said == {"flavour": "own", "partitions": "5", "ansi": "true", "doubled": "aa"}


@pytest.mark.both_tiers
def test_iceberg_is_there_when_it_is_asked_for_and_in_the_image_always(
    glue: GlueJobs, run_with_settings: Run
) -> None:
    tables = json.loads(glue.output(run_with_settings))["tables"]
    if IS_EMBEDDED:
        assert "org.apache.iceberg.spark.SparkCatalog" in tables
    else:
        assert tables == ["orders"]


@pytest.mark.both_tiers
def test_spark_error_is_reported_as_glue_reports_it(glue: GlueJobs, run_with_settings: Run) -> None:
    assert run_with_settings["JobRunState"] == "FAILED"
    assert run_with_settings["ErrorMessage"].startswith("AnalysisException: [PATH_NOT_FOUND]")
    assert "Traceback (most recent call last):" in glue.errors(run_with_settings)


def test_spark_script_that_exits_is_reported_as_SystemExit(glue: GlueJobs) -> None:  # noqa: N802
    run = glue.run("import sys; sys.exit(3)", command="glueetl")
    assert (run["JobRunState"], run["ErrorMessage"]) == ("FAILED", "SystemExit: 3")


WRITES_BESIDE = f"""
from pyspark.sql import SparkSession

numbers = SparkSession.builder.getOrCreate().range(3)
numbers.write.mode("overwrite").parquet("s3://{BUCKET}/own/numbers")
numbers.write.mode("overwrite").parquet("s3://{BUCKET}/others/numbers")
"""


def test_a_job_that_writes_beside_the_prefix_of_its_role_fails_with_the_words_of_s3(
    glue: GlueJobs, run_of_spark: Run
) -> None:
    iam, of_bucket = glue.aws.client("iam"), f"arn:aws:s3:::{BUCKET}"
    trusted = iam.get_role(RoleName=ROLE)["Role"]["AssumeRolePolicyDocument"]
    iam.create_role(RoleName="beside", AssumeRolePolicyDocument=json.dumps(trusted))
    may = [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:ListBucket"],
            "Resource": [of_bucket, f"{of_bucket}/*"],
        },
        {"Effect": "Allow", "Action": ["s3:PutObject", "s3:DeleteObject"], "Resource": f"{of_bucket}/own/*"},
    ]
    policy = json.dumps({"Version": "2012-10-17", "Statement": may})
    iam.put_role_policy(RoleName="beside", PolicyName="own", PolicyDocument=policy)

    run = glue.run(WRITES_BESIDE, command="glueetl", Role="beside")

    assert run["JobRunState"] == "FAILED"
    session = f"GlueJobRunnerSession-{run['Id'][3:19]}"
    denied = (
        f"assumed-role/beside/{session} is not authorized to perform: s3:PutObject on resource: {of_bucket}"
    )
    assert f"{denied}/others/" in run["ErrorMessage"]
    assert "because no identity-based policy allows the s3:PutObject action" in run["ErrorMessage"]
    kept = glue.aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="own/numbers/")["Contents"]
    assert any(one["Key"].endswith(".parquet") for one in kept)


@pytest.mark.parametrize(
    ("arguments", "version", "what"),
    [
        ({"--datalake-formats": "iceberg,hudi"}, "6.0", "--datalake-formats hudi"),
        ({"--job-language": "scala"}, "5.1", "--job-language scala"),
    ],
)
def test_what_this_spark_is_not_is_refused_by_name(
    glue: GlueJobs, arguments: dict[str, str], version: str, what: str
) -> None:
    run = glue.run("print()", command="glueetl", arguments=arguments, GlueVersion=version)
    assert run["JobRunState"] == "FAILED"
    assert run["ErrorMessage"].startswith(f"LAUNCH ERROR | {what} is not available in Millpond")


PUBLISHES = """
import sys
from awsglue.context import GlueContext
from awsglue.job import Job
from awsgluedq.transforms import EvaluateDataQuality
from pyspark.context import SparkContext

context = GlueContext(SparkContext.getOrCreate())
job = Job(context)
job.init("quality", {})
frame = context.create_dynamic_frame.from_catalog(database="judged", table_name="people")
EvaluateDataQuality().process_rows(
    frame=frame,
    ruleset='Rules = [ IsComplete "pay", IsUnique "id" ]',
    publishing_options={
        "dataQualityEvaluationContext": "in the job",
        "enableDataQualityResultsPublishing": True,
    },
)
job.commit()
"""
PEOPLE = {
    "id": "bigint",
    "city": "string",
    "born": "date",
    "pay": "decimal(8,2)",
    "is_paid": "boolean",
}


@pytest.mark.skipif(not IS_EMBEDDED, reason="refused by name in containers")
def test_a_table_is_judged_by_rulesets_profiled_for_rules_and_measured(glue: GlueJobs) -> None:
    client = glue.aws.glue
    rows = [
        f"{n},{'Rome' if n % 2 else ''},19{n % 90 + 10}-01-02,{f'{n}.25' if n % 2 else ''},{n % 3 == 0}"
        for n in range(60)
    ]
    glue.put("people/a.csv", "\n".join([",".join(PEOPLE), *rows]).lower() + "\n")
    client.create_database(DatabaseInput={"Name": "judged"})
    table = {
        "Name": "people",
        "Parameters": {"classification": "csv", "skip.header.line.count": "1"},
        "StorageDescriptor": {
            "Location": f"s3://{BUCKET}/people/",
            "Columns": [{"Name": name, "Type": kind} for name, kind in PEOPLE.items()],
            "SerdeInfo": {
                "SerializationLibrary": "org.apache.hadoop.hive.serde2.lazy.LazySimpleSerDe",
                "Parameters": {"field.delim": ","},
            },
        },
    }
    client.create_table(DatabaseName="judged", TableInput=table)
    rules = 'Rules = [ IsComplete "pay", RowCount = 60, ColumnValues "pay" > 1, IsComplete "nosuch" ]'
    client.create_data_quality_ruleset(Name="about-people", Ruleset=rules)
    source: Any = {"GlueTable": {"DatabaseName": "judged", "TableName": "people"}}
    evaluation = client.start_data_quality_ruleset_evaluation_run(
        DataSource=source,
        Role=ROLE,
        RulesetNames=["about-people"],
        AdditionalRunOptions={"ResultsS3Prefix": f"s3://{BUCKET}/dq"},
    )["RunId"]
    recommendation = client.start_data_quality_rule_recommendation_run(
        DataSource=source, Role=ROLE, CreatedRulesetName="recommended"
    )["RunId"]
    statistics = client.start_column_statistics_task_run(
        DatabaseName="judged", TableName="people", Role=ROLE
    )["ColumnStatisticsTaskRunId"]
    run = glue.run(PUBLISHES, command="glueetl")
    assert run.get("ErrorMessage") is None, glue.errors(run)

    def ended(look: Any) -> Any:
        wait_until("end of the run", lambda: look()["Status"] not in GOING, RUN_SECONDS)
        found = look()
        assert found["Status"] == "SUCCEEDED", found
        return found

    judged = ended(lambda: client.get_data_quality_ruleset_evaluation_run(RunId=evaluation))
    result = client.get_data_quality_result(ResultId=judged["ResultIds"][0])
    assert [one["Result"] for one in result["RuleResults"]] == ["FAIL", "PASS", "FAIL", "FAIL"], result
    assert result["RuleResults"][0]["EvaluatedMetrics"] == {"Column.pay.Completeness": 0.5}
    assert (result["Score"], result["AggregatedMetrics"]["TotalRowsProcessed"]) == (0.25, 60.0)
    assert glue.aws.s3.list_objects_v2(Bucket=BUCKET, Prefix="dq/about-people/")["KeyCount"] == 1

    (published,) = client.list_data_quality_results(Filter={"JobRunId": run["Id"]})["Results"]
    of_job = client.get_data_quality_result(ResultId=published["ResultId"])
    assert (of_job["EvaluationContext"], of_job["Score"]) == ("in the job", 0.5)

    ended(lambda: client.get_data_quality_rule_recommendation_run(RunId=recommendation))
    recommended = client.get_data_quality_ruleset(Name="recommended")["Ruleset"]
    assert 'IsComplete "id"' in recommended
    assert 'ColumnValues "city" in ["", "rome"]' in recommended
    look = lambda: client.get_column_statistics_task_run(ColumnStatisticsTaskRunId=statistics)  # noqa: E731
    ended(lambda: look()["ColumnStatisticsTaskRun"])
    measured = client.get_column_statistics_for_table(
        DatabaseName="judged", TableName="people", ColumnNames=list(PEOPLE)
    )["ColumnStatisticsList"]
    found = {one["ColumnName"]: one["StatisticsData"] for one in measured}
    numbers = found["id"]["LongColumnStatisticsData"]
    assert (numbers["MinimumValue"], numbers["MaximumValue"], numbers["NumberOfNulls"]) == (0, 59, 0)
    assert abs(numbers["NumberOfDistinctValues"] - 60) <= 6
    texts = found["city"]["StringColumnStatisticsData"]
    assert (texts["MaximumLength"], texts["NumberOfNulls"], texts["NumberOfDistinctValues"]) == (4, 0, 2)
    assert found["pay"]["DecimalColumnStatisticsData"]["MaximumValue"] == {
        "UnscaledValue": b"\x17%",
        "Scale": 2,
    }
    assert found["is_paid"]["BooleanColumnStatisticsData"]["NumberOfTrues"] == 20
    assert found["born"]["DateColumnStatisticsData"]["NumberOfNulls"] == 0


OPTIMIZERS: dict[str, tuple[dict[str, Any], str, dict[str, int]]] = {
    "compaction": (
        {"compactionConfiguration": {"icebergConfiguration": {"minInputFiles": 2}}},
        "compactionMetrics",
        {"NumberOfFilesCompacted": 3},
    ),
    "retention": (
        {"retentionConfiguration": {"icebergConfiguration": {"cleanExpiredFiles": False}}},
        "retentionMetrics",
        {"NumberOfDataFilesDeleted": 0},
    ),
    "orphan_file_deletion": ({}, "orphanFileDeletionMetrics", {"NumberOfOrphanFilesDeleted": 0}),
}


@pytest.mark.skipif(not IS_EMBEDDED, reason="refused by name in containers")
@pytest.mark.parametrize(
    "kind",
    [
        pytest.param(kind, marks=() if kind == "compaction" else pytest.mark.foreign)
        for kind in sorted(OPTIMIZERS)
    ],
)
def test_an_iceberg_table_is_kept_in_order_by_its_optimizer(glue: GlueJobs, kind: str) -> None:
    settings, member, measured = OPTIMIZERS[kind]
    client, athena, database = glue.aws.glue, glue.aws.athena, f"kept_by_{kind}"
    answers = f"answers-{kind}".replace("_", "-")
    make_bucket(glue.aws, answers)
    work = {"ResultConfiguration": {"OutputLocation": f"s3://{answers}/"}}
    athena.create_work_group(Name=kind, Configuration=work)
    client.create_database(DatabaseInput={"Name": database})
    for statement in (
        f"CREATE TABLE {database}.small (n int) LOCATION 's3://{BUCKET}/{database}/' "
        "TBLPROPERTIES ('table_type'='ICEBERG')",
        *(f"INSERT INTO {database}.small VALUES ({n})" for n in range(3)),
    ):
        run_query(athena, statement, workgroup=kind)
    place = {"CatalogId": "000000000000", "DatabaseName": database, "TableName": "small", "Type": kind}
    role = f"arn:aws:iam::000000000000:role/{ROLE}"
    client.create_table_optimizer(
        **place, TableOptimizerConfiguration={"roleArn": role, "enabled": True, **settings}
    )

    def ended() -> Any:
        found = client.list_table_optimizer_runs(**place)["TableOptimizerRuns"]
        return found[0] if found and found[0]["eventType"] in ("completed", "failed") else None

    wait_until("end of the optimizer's run", lambda: ended() is not None, RUN_SECONDS)
    run = ended()
    assert run["eventType"] == "completed", run
    assert measured.items() <= run[member]["IcebergMetrics"].items()
    files = run_query(athena, f'SELECT count(*) FROM {database}."small$files"', workgroup=kind)
    rows = run_query(athena, f"SELECT count(*), sum(n) FROM {database}.small", workgroup=kind)
    assert files.rows == (("1" if kind == "compaction" else "3",),)
    assert rows.rows == (("3", "3"),)


@pytest.mark.foreign
@pytest.mark.skipif(not IS_EMBEDDED, reason="refused by name in containers")
def test_compaction_by_z_order_lays_rows_along_the_curve_of_the_columns_of_the_sort_order(
    glue: GlueJobs,
) -> None:
    glue_client = glue.aws.glue
    glue_client.create_database(DatabaseInput={"Name": "curved", "LocationUri": f"s3://{BUCKET}/curved"})
    endpoint = glue_client.meta.endpoint_url
    keys = {"access-key-id": "test", "secret-access-key": "test", "region": glue_client.meta.region_name}
    catalog = load_catalog(
        "glue",
        **{
            "type": "glue",
            "glue.endpoint": endpoint,
            "s3.endpoint": endpoint,
            **{f"client.{name}": value for name, value in keys.items()},
        },
    )
    grid = [(x, y) for x in range(4) for y in range(4)]
    rows = [
        pa.table({"x": [x for x, _ in half], "y": [y for _, y in half]}) for half in (grid[::2], grid[1::2])
    ]
    table = catalog.create_table("curved.grid", rows[0].schema)
    for some in rows:
        table.append(some)
    with table.update_sort_order() as order:
        order.asc("x", IdentityTransform()).asc("y", IdentityTransform())
    place = {"CatalogId": "000000000000", "DatabaseName": "curved", "TableName": "grid", "Type": "compaction"}
    asked = {"strategy": "z-order", "minInputFiles": 2}
    glue_client.create_table_optimizer(
        **place,
        TableOptimizerConfiguration={
            "roleArn": f"arn:aws:iam::000000000000:role/{ROLE}",
            "enabled": True,
            "compactionConfiguration": {"icebergConfiguration": asked},
        },
    )

    def ended() -> Any:
        found = glue_client.list_table_optimizer_runs(**place)["TableOptimizerRuns"]
        return found[0] if found and found[0]["eventType"] in ("completed", "failed") else None

    run = wait_until("end of the optimizer's run", ended, RUN_SECONDS)
    assert run["eventType"] == "completed", run
    scan = catalog.load_table("curved.grid").scan()
    assert len(list(scan.plan_files())) == 1
    # Bits of the two in turns, those of the first column first.
    curve = sorted(grid, key=lambda at: [at[0] >> 1, at[1] >> 1, at[0] & 1, at[1] & 1])
    assert [(row["x"], row["y"]) for row in scan.to_arrow().to_pylist()] == curve
