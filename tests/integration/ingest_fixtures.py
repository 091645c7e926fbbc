"""What the ingest jobs meet on AWS, made of a real PostgreSQL, the engine and the real interpreters."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
from ports import free_port
from pyarrow import parquet

from millpond.config import CHECKOUT, Settings
from millpond.planes.context import Tools
from millpond.stack.engine import Engine
from millpond.stack.onprem import OnPremDatabase

LAKE = "lake"
REGION = "eu-west-1"
SCHEMA = "lab"
DEADLINE_SECONDS = 180

_SPARK_DEFAULTS = """
spark.master local[2]
spark.driver.memory 1g
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.driver.extraClassPath {jars}/*
spark.driver.extraJavaOptions -Duser.timezone=America/New_York -Djava.io.tmpdir={directory}
spark.ui.enabled false
spark.local.dir {directory}
spark.sql.shuffle.partitions 4
spark.hadoop.fs.s3.impl org.apache.hadoop.fs.s3a.S3AFileSystem
spark.hadoop.fs.s3a.endpoint {endpoint}
spark.hadoop.fs.s3a.endpoint.region eu-west-1
spark.hadoop.fs.s3a.path.style.access true
spark.hadoop.fs.s3a.connection.ssl.enabled false
spark.hadoop.fs.s3a.aws.credentials.provider com.amazonaws.auth.EnvironmentVariableCredentialsProvider
spark.hadoop.fs.s3a.buffer.dir {directory}
spark.hadoop.hadoop.tmp.dir {directory}
"""


@dataclass
class Lab:
    """A source, a lake and what is needed to run the two jobs."""

    directory: Path
    tools: Tools
    database: OnPremDatabase
    endpoint: str

    def client(self, service: str) -> Any:
        return boto3.client(service, **self._credentials())

    @property
    def runs(self) -> Any:
        return boto3.resource("dynamodb", **self._credentials()).Table("runs")

    def execute(self, *statements: str) -> None:
        with self.database.connection() as connection:
            for statement in statements:
                connection.execute(statement)

    def declare(self, table: str, **overrides: Any) -> str:
        """Put the settings and the structure of a table of the schema ``lab`` into DynamoDB."""
        table_id = f"{SCHEMA}.{table}"
        structure = overrides.pop("structure")
        settings = {
            "table_id": table_id,
            "enabled": True,
            "source_schema": SCHEMA,
            "source_table": table,
            "target_database": SCHEMA,
            "target_table": table.lower(),
            "engine": "auto",
            "load_mode": "full",
            "watermark_column": None,
            "key_columns": [],
            "split_column": None,
            "split_partitions": 1,
            "fetch_size": 1000,
            **overrides,
        }
        resource = boto3.resource("dynamodb", **self._credentials())
        resource.Table("settings").put_item(Item=settings)
        resource.Table("structures").put_item(Item={"table_id": table_id, "version": 1, **structure})
        return table_id

    def run(self, engine: str, table_id: str, run_id: str) -> str:
        """Run a job to its end, which must be good; returns what it printed."""
        result = self.attempt(engine, table_id, run_id)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        return result.stdout

    def attempt(self, engine: str, table_id: str, run_id: str) -> subprocess.CompletedProcess[str]:
        """Run a job to its end, whatever that is."""
        arguments = {
            "JOB_NAME": f"ingest-{engine}",
            "job_settings_table": "settings",
            "table_structures_table": "structures",
            "ingest_runs_table": "runs",
            "lake_bucket": LAKE,
            "secret_id": "onprem",
            "table_id": table_id,
            "run_id": run_id,
        }
        words = [word for name, value in arguments.items() for word in (f"--{name}", value)]
        python = self.tools.spark_python if engine == "spark" else self.tools.shell_python
        return self.python(str(CHECKOUT / "glue_jobs" / f"ingest_{engine}.py"), *words, python=python)

    def python(self, *words: str, python: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python, that of shell jobs unless told, as a job is run."""
        return subprocess.run(
            [str(python or self.tools.shell_python), *words],
            cwd=self.directory,
            env=self._environment(),
            capture_output=True,
            text=True,
            timeout=DEADLINE_SECONDS,
            check=False,
        )

    def item(self, table_id: str, run_id: str) -> dict[str, Any]:
        item: dict[str, Any] = self.runs.get_item(Key={"table_id": table_id, "run_id": run_id})["Item"]
        return item

    def commit(self, table_id: str, run_id: str) -> None:
        """Do what the state machine does after its check."""
        landed = self.item(table_id, run_id)
        assert landed["status"] == "LANDED"
        self.runs.put_item(
            Item={
                "table_id": table_id,
                "run_id": "CURRENT",
                "watermark": landed["watermark_to"],
                "committed_run_id": run_id,
                "location": landed["location"],
            }
        )

    def locations(self, table_id: str) -> dict[tuple[str, ...], str]:
        """Where the catalog says the table's parts are."""
        database, name = table_id.lower().split(".")
        glue = self.client("glue")
        table = glue.get_table(DatabaseName=database, Name=name)["Table"]
        if not table["PartitionKeys"]:
            return {(): table["StorageDescriptor"]["Location"]}
        pages = glue.get_paginator("get_partitions").paginate(DatabaseName=database, TableName=name)
        return {
            tuple(entry["Values"]): entry["StorageDescriptor"]["Location"]
            for page in pages
            for entry in page["Partitions"]
        }

    def files(self, location: str) -> list[parquet.ParquetFile]:
        """Every file that a query of this location reads."""
        assert location.endswith("/")
        prefix = location.removeprefix(f"s3://{LAKE}/")
        s3 = self.client("s3")
        keys = [entry["Key"] for entry in s3.list_objects_v2(Bucket=LAKE, Prefix=prefix).get("Contents", ())]
        return [
            parquet.ParquetFile(pa.BufferReader(s3.get_object(Bucket=LAKE, Key=key)["Body"].read()))
            for key in keys
            if not key.endswith("/")
        ]

    def rows(self, table_id: str) -> list[dict[str, Any]]:
        """The visible rows, each with the values of its partition as ``partition``."""
        return [
            {**row, "partition": values}
            for values, location in self.locations(table_id).items()
            for file in self.files(location)
            for row in file.read().to_pylist()
        ]

    def versions(self, table_id: str) -> set[str]:
        """Directories of the table that have files."""
        prefix = table_id.lower().replace(".", "/") + "/"
        listing = self.client("s3").list_objects_v2(Bucket=LAKE, Prefix=prefix, Delimiter="/")
        return {entry["Prefix"].split("=", 1)[1].rstrip("/") for entry in listing.get("CommonPrefixes", ())}

    def _credentials(self) -> dict[str, str]:
        return {
            "endpoint_url": self.endpoint,
            "region_name": REGION,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }

    def _environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "HOME": str(self.directory),
            "TMPDIR": str(self.directory),
            "PYTHONPATH": f"{CHECKOUT / 'glue_jobs'}:{self.tools.glue_runtime}",
            "PYTHONDONTWRITEBYTECODE": "1",
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "JAVA_HOME": str(self.tools.java_home),
            "SPARK_LOCAL_IP": "127.0.0.1",
            "SPARK_CONF_DIR": str(self.directory / "conf"),
            "PYSPARK_PYTHON": str(self.tools.spark_python),
        }


@contextmanager
def open_lab(directory: Path) -> Iterator[Lab]:
    """Start everything, and stop it."""
    tools_file = CHECKOUT / ".millpond" / "tools.json"
    assert tools_file.exists(), "the toolchain is not installed: run `millpond doctor`"
    settings = Settings(state_dir=directory / "state", onprem_port=free_port(), gateway_port=free_port())
    database, engine = OnPremDatabase(settings), Engine(settings, tools_file)
    try:
        database.start()
        engine.start()
        lab = Lab(directory, Tools.from_json(tools_file.read_text()), database, settings.endpoint_url)
        _prepare(lab)
        yield lab
    finally:
        engine.stop()
        database.stop()


def _prepare(lab: Lab) -> None:
    lab.execute(f"CREATE SCHEMA {SCHEMA}")
    lab.client("s3").create_bucket(Bucket=LAKE, CreateBucketConfiguration={"LocationConstraint": REGION})
    lab.client("glue").create_database(DatabaseInput={"Name": SCHEMA})
    lab.client("secretsmanager").create_secret(Name="onprem", SecretString=json.dumps(lab.database.secret()))
    for name, sort_key, kind in (
        ("settings", None, ""),
        ("structures", "version", "N"),
        ("runs", "run_id", "S"),
    ):
        keys = [("table_id", "HASH", "S")] + ([(sort_key, "RANGE", kind)] if sort_key else [])
        lab.client("dynamodb").create_table(
            TableName=name,
            KeySchema=[{"AttributeName": key, "KeyType": role} for key, role, _ in keys],
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, _, kind in keys],
            BillingMode="PAY_PER_REQUEST",
        )
    conf = lab.directory / "conf"
    conf.mkdir()
    (conf / "spark-defaults.conf").write_text(
        _SPARK_DEFAULTS.format(jars=lab.tools.jars_dir, directory=lab.directory, endpoint=lab.endpoint)
    )
