"""How long a trivial Glue run takes: Spark on a JVM that had to be started, on one that waited, and shell.

Run with the harness's Python from the checkout: ``python bench/glue_runs.py``. It uses an engine and a state
directory of its own, and the toolchain that ``millpond doctor`` found.
"""

from __future__ import annotations

import json
import socket
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import boto3

from millpond.base.config import Settings, load_settings
from millpond.planes.common.context import PlaneContext, Tools
from millpond.planes.common.telemetry import Telemetry
from millpond.planes.glue import GluePlane, GlueSettings, serve
from millpond.stack.engine import Engine

ROUNDS = 3
IDLE_SECONDS = 12.0
TRUST = {"Effect": "Allow", "Principal": {"Service": "glue.amazonaws.com"}, "Action": "sts:AssumeRole"}
COUNT = """
from pyspark.sql import SparkSession
print(SparkSession.builder.getOrCreate().range(1000).count())
"""
WRITE = """
from pyspark.sql import SparkSession
spark = SparkSession.builder.getOrCreate()
spark.range(1000).selectExpr("id", "id % 3 AS p").write.mode("overwrite").partitionBy("p").parquet("s3://bench/out")
print(spark.read.parquet("s3://bench/out").count())
"""
SHELL = "import boto3; print(boto3.client('sts').get_caller_identity()['Arn'])"


def main() -> None:
    tools_file = load_settings().home / "tools.json"
    with tempfile.TemporaryDirectory() as name, socket.socket() as probe:
        directory = Path(name)
        probe.bind(("127.0.0.1", 0))
        settings = Settings(state_dir=directory / "state", gateway_port=probe.getsockname()[1])
        probe.close()
        engine = Engine(settings, tools_file)
        engine.start()
        try:
            measure(settings, Tools.from_json(tools_file.read_text()), directory)
        finally:
            engine.stop()


def measure(settings: Settings, tools: Tools, directory: Path) -> None:
    def client(service: str) -> Any:
        return boto3.client(
            service,
            endpoint_url=settings.endpoint_url,
            region_name=settings.region,
            aws_access_key_id="test",
            aws_secret_access_key="test",  # noqa: S106
        )

    policy = json.dumps({"Version": "2012-10-17", "Statement": [TRUST]})
    client("iam").create_role(RoleName="bench", AssumeRolePolicyDocument=policy)
    region = {"LocationConstraint": settings.region}
    client("s3").create_bucket(Bucket="bench", CreateBucketConfiguration=region)
    for key, script in (("count", COUNT), ("write", WRITE), ("shell", SHELL)):
        client("s3").put_object(Bucket="bench", Key=key, Body=script)
    for jvms, key in ((0, "shell"), (0, "count"), (0, "write"), (1, "count"), (1, "write")):
        context = PlaneContext(
            settings.endpoint_url, settings.region, settings.account_id, directory / f"{key}-{jvms}", tools
        )
        telemetry = Telemetry(context)
        planes = serve(context, telemetry, GlueSettings(warm_jvms=jvms))
        plane = planes.of(context.account_id, context.region)
        command = "pythonshell" if key == "shell" else "glueetl"
        size = {"GlueVersion": "5.1", "WorkerType": "G.1X", "NumberOfWorkers": 2} if key != "shell" else {}
        plane.create_job(
            {
                "Name": key,
                "Role": "bench",
                "Command": {"Name": command, "ScriptLocation": f"s3://bench/{key}"},
                **size,
            }
        )
        seconds = []
        for _ in range(ROUNDS):
            time.sleep(IDLE_SECONDS if jvms else 0)
            seconds.append(one_run(plane, key))
        planes.close()
        telemetry.close()
        shown = " ".join(f"{value:.1f}" for value in seconds)
        kind = "shell" if key == "shell" else f"spark {key}, {'warm' if jvms else 'cold'}"
        sys.stdout.write(f"{kind:20} median {statistics.median(seconds):5.1f} s   ({shown})\n")


def one_run(plane: GluePlane, job: str) -> float:
    started = time.monotonic()
    run_id = plane.start_job_run({"JobName": job})["JobRunId"]
    while "CompletedOn" not in (run := plane.get_job_run({"JobName": job, "RunId": run_id})["JobRun"]):
        time.sleep(0.02)
    if run["JobRunState"] != "SUCCEEDED":
        raise SystemExit(run["ErrorMessage"])
    return time.monotonic() - started


if __name__ == "__main__":
    main()
