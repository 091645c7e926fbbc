"""Jobs that write to a topic of Kafka and read from it, with a broker of Apache's own."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from glue_fixtures import BUCKET, SETTINGS, GlueStack, glue
from kafka_brokers import Broker, running_broker
from waiting import wait_until

__all__ = ["glue"]

# The jars of broker and connector are fetched at first.
pytestmark = [pytest.mark.foreign, pytest.mark.timeout(900)]
BEGINS = """
import sys
from awsglue.context import GlueContext
from awsglue.dynamicframe import DynamicFrame
from awsglue.job import Job
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

args = getResolvedOptions(sys.argv, ["JOB_NAME", "target"])
context = GlueContext(SparkContext())
job = Job(context)
job.init(args["JOB_NAME"], args)
"""
WRITES = f"""{BEGINS}
rows = context.spark_session.createDataFrame([(i, "n%d" % i) for i in range(5)], "id int, name string")
frame = DynamicFrame.fromDF(rows, context, "rows")
context.write_dynamic_frame.from_options(
    frame=frame,
    connection_type="kafka",
    connection_options={{"connectionName": "open", "topic": "orders", "classification": "json"}},
)
context.write_dynamic_frame.from_options(
    frame=frame,
    connection_type="kafka",
    connection_options={{
        "connectionName": "open", "topic": "lines", "classification": "csv", "delimiter": "|"
    }},
)
job.commit()
"""
READS = f"""{BEGINS}
orders = context.create_data_frame.from_options(
    connection_type="kafka",
    connection_options={{
        "connectionName": "login",
        "topicName": "orders",
        "startingOffsets": "earliest",
        "classification": "json",
        "includeHeaders": "true",
        "addRecordTimestamp": "true",
    }},
)
lines = context.create_data_frame.from_options(
    connection_type="kafka",
    connection_options={{
        "connectionName": "login",
        "topicName": "lines",
        "startingTimestamp": "2020-01-01T00:00:00Z",
        "classification": "csv",
        "delimiter": "|",
        "schema": "id INT, name STRING",
    }},
)

def batch(frame, number):
    if frame.count():
        frame.write.mode("append").json(args["target"] + "orders/")

def keep(frame, number):
    frame.write.mode("append").json(args["target"] + "lines/")

lines.writeStream.foreachBatch(keep).option("checkpointLocation", args["target"] + "of-lines/").start()
context.forEachBatch(
    frame=orders,
    batch_function=batch,
    options={{"windowSize": "2 seconds", "checkpointLocation": args["target"] + "checkpoint/"}},
)
"""


@pytest.fixture(scope="module")
def broker(glue: GlueStack, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Broker]:
    folder = tmp_path_factory.mktemp("kafka")
    with running_broker(glue.context.tools, SETTINGS.cache, folder) as broker:
        login = {
            "KAFKA_SASL_MECHANISM": "PLAIN",
            "KAFKA_SASL_PLAIN_USERNAME": broker.user,
            "KAFKA_SASL_PLAIN_PASSWORD": broker.password,
        }
        for name, address, more in (("open", broker.plain, {}), ("login", broker.login, login)):
            properties = {"KAFKA_BOOTSTRAP_SERVERS": address, "KAFKA_SSL_ENABLED": "false", **more}
            connection = {"Name": name, "ConnectionType": "KAFKA", "ConnectionProperties": properties}
            # Scripts ask the engine, whose Glue is another one than the plane of these tests.
            glue.engine.client("glue").create_connection(ConnectionInput=connection)
        yield broker


@pytest.mark.parametrize("version", ["4.0", "5.1", "6.0"])
def test_records_are_written_to_a_topic_and_read_as_a_stream(
    glue: GlueStack, broker: Broker, version: str
) -> None:
    target = f"s3://{BUCKET}/kafka/{version}/"
    settings = {"GlueVersion": version, "DefaultArguments": {"--target": target}}
    done = glue.run(WRITES, command="glueetl", **settings)
    assert (done["JobRunState"], done.get("ErrorMessage")) == ("SUCCEEDED", None)
    job = glue.job(READS, command="glueetl", **settings)
    run_id = glue.start(job)

    def found(name: str) -> list[dict[str, object]]:
        if (run := glue.look(job, run_id))["JobRunState"] == "FAILED":
            raise AssertionError(run["ErrorMessage"])
        listed = glue.s3.list_objects_v2(Bucket=BUCKET, Prefix=f"kafka/{version}/{name}/part-")
        texts = [
            glue.s3.get_object(Bucket=BUCKET, Key=one["Key"])["Body"].read()
            for one in listed.get("Contents", ())
        ]
        return [json.loads(line) for text in texts for line in text.splitlines()]

    orders = wait_until("orders", lambda: rows if len(rows := found("orders")) >= 5 else None, 240)
    lines = wait_until("lines", lambda: rows if len(rows := found("lines")) >= 5 else None, 60)
    glue.plane.batch_stop_job_run({"JobName": job, "JobRunIds": [run_id]})
    assert glue.finish(job, run_id)["JobRunState"] == "STOPPED"
    assert {(one["id"], one["name"]) for one in orders} == {(i, f"n{i}") for i in range(5)}
    assert {(one["id"], one["name"]) for one in lines} == {(i, f"n{i}") for i in range(5)}
    assert all("__src_timestamp" in one for one in orders)
