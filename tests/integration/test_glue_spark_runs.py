"""Spark jobs as processes: their JVMs, what listens, what ends them. The rest is in tests/e2e."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import psutil
import pytest
from glue_fixtures import BUCKET, GlueStack, glue
from ports import free_port
from waiting import wait_until

from millpond.base import process
from millpond.planes.glue.jvms import scala_version, spark_home

__all__ = ["glue"]

WAITS = """
import json, sys, time
import boto3
from awsglue.context import GlueContext
from awsglue.utils import getResolvedOptions
from pyspark.context import SparkContext

go = getResolvedOptions(sys.argv, ["go"])["go"]
glueContext = GlueContext(SparkContext.getOrCreate())
spark = glueContext.spark_session
# What listens is looked at while a Python worker of Spark is there.
spark.sparkContext.parallelize([0], 1).map(str).collect()
print(json.dumps({
    "master": spark.sparkContext.master,
    "jvm": spark._jvm.java.lang.ProcessHandle.current().pid(),
}), flush=True)

bucket, key = go.split("/", 1)
deadline = time.monotonic() + 120
while not boto3.client("s3").list_objects_v2(Bucket=bucket, Prefix=key).get("KeyCount"):
    assert time.monotonic() < deadline
    time.sleep(0.1)
try:
    glueContext.create_dynamic_frame.from_options("kinesis")
except NotImplementedError as error:
    print(error)
"""


@pytest.fixture(scope="module")
def warm_run(glue: GlueStack) -> dict[str, Any]:
    """A run on a JVM that waited for it; with what it printed, and what listened while it ran."""
    arguments = {"--go": f"{BUCKET}/go", "--enable-metrics": ""}
    job = glue.job(WAITS, command="glueetl", DefaultArguments=arguments)
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


def test_run_used_the_jvm_that_waited_and_another_one_waits_now(
    glue: GlueStack, warm_run: dict[str, Any]
) -> None:
    (waited,) = warm_run["waiting"]
    assert (warm_run["run"]["JobRunState"], warm_run["said"]["jvm"]) == ("SUCCEEDED", waited)
    assert warm_run["said"]["master"].startswith("local[")
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


def test_what_awsglue_lacks_says_its_name(glue: GlueStack, warm_run: dict[str, Any]) -> None:
    refusal = "create_dynamic_frame.from_options: connection_type kinesis is not available in Millpond"
    assert refusal in glue.output(warm_run["run"])


def test_what_spark_counts_is_there_for_the_metrics_of_the_run(
    glue: GlueStack, warm_run: dict[str, Any]
) -> None:
    measures = json.loads((glue.folder(warm_run["run"]["Id"]) / "measures.json").read_text())
    assert measures["completed_tasks"] == measures["completed_stages"] >= 1
    assert 0 < measures["heap_used"] <= measures["heap_most"]


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


TELLS_WHERE = """
import os, sys
from pyspark.context import SparkContext
from pyspark.sql import SparkSession
sc = SparkContext()
spark = SparkSession(sc)
open("of_the_driver.txt", "w").close()
seen = sc.parallelize(range(8), 8).map(lambda _: (os.getcwd(), os.path.exists("of_the_driver.txt"))).collect()
path = sys.argv[sys.argv.index("--path") + 1]
spark.range(10).write.mode("overwrite").parquet(path)
print(sc.master, len({one for one, _ in seen} - {os.getcwd()}), any(found for _, found in seen))
print(spark.read.parquet(path).count())
"""


@pytest.mark.foreign
@pytest.mark.parametrize("version", ["4.0", "5.1", "6.0"])
def test_executors_are_processes_of_their_own(glue: GlueStack, version: str) -> None:
    job = glue.job(
        TELLS_WHERE,
        command="glueetl",
        GlueVersion=version,
        WorkerType="G.1X",
        NumberOfWorkers=3,
        DefaultArguments={
            "--conf": "spark.master=local-cluster",
            "--path": f"s3://{BUCKET}/distributed/{version}",
        },
    )
    run = glue.finish(job, glue.start(job))
    assert run["JobRunState"] == "SUCCEEDED", glue.errors(run)
    where, count = glue.output(run).splitlines()[-2:]
    assert where == "local-cluster[2,1,1024] 2 False"
    assert count == "10"


@pytest.mark.foreign
def test_runs_go_to_a_cluster_that_is_there(glue: GlueStack, monkeypatch: pytest.MonkeyPatch) -> None:
    with cluster(glue) as master:
        workers = glue.plane._workers
        monkeypatch.setattr(workers, "settings", replace(workers.settings, master=master))
        arguments = {"--path": f"s3://{BUCKET}/distributed/cluster"}
        job = glue.job(TELLS_WHERE, command="glueetl", GlueVersion="5.1", DefaultArguments=arguments)
        run = glue.finish(job, glue.start(job))
    assert run["JobRunState"] == "SUCCEEDED", glue.errors(run)
    where, count = glue.output(run).splitlines()[-2:]
    assert where == f"{master} 2 False"
    assert count == "10"


@contextmanager
def cluster(glue: GlueStack) -> Iterator[str]:
    """A master of Spark and two workers on loopback; the master's address."""
    tools = glue.context.tools
    home, port = spark_home(tools.spark_python), free_port()
    folder = glue.context.state_dir / "cluster"
    folder.mkdir(parents=True)
    environment = {
        "PATH": "/usr/bin:/bin",
        "JAVA_HOME": str(tools.java_home),
        "SPARK_HOME": str(home),
        "SPARK_SCALA_VERSION": scala_version(home),
        "SPARK_LOCAL_IP": "127.0.0.1",
    }
    master = f"spark://127.0.0.1:{port}"
    commands = [
        ["master.Master", "--host", "127.0.0.1", "--port", str(port), "--webui-port", "0"],
        *(
            [
                "worker.Worker",
                "--host",
                "127.0.0.1",
                "--webui-port",
                "0",
                "--cores",
                "1",
                "--memory",
                "1g",
                "--work-dir",
                str(folder),
                master,
            ]
            for _ in range(2)
        ),
    ]
    with (folder / "log").open("w") as log:
        processes = [
            subprocess.Popen(
                [
                    str(tools.java_home / "bin" / "java"),
                    "-cp",
                    f"{home}/jars/*",
                    f"org.apache.spark.deploy.{name}",
                ]
                + arguments,
                env=environment,
                stderr=log,
                stdout=log,
            )
            for name, *arguments in commands
        ]
    try:
        wait_until(
            "workers", lambda: (folder / "log").read_text().count("Successfully registered with master") == 2
        )
        yield master
    finally:
        for one in processes:
            one.terminate()
        for one in processes:
            one.wait()
