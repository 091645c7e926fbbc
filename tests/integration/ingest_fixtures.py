"""What the ingest jobs meet on AWS, made of a real PostgreSQL, the engine and the real interpreters."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import boto3
import duckdb
import duckdb_extension_avro
import duckdb_extension_httpfs
import duckdb_extension_iceberg
from ports import free_port
from settings_items import settings_item
from waiting import scaled

from millpond.base.config import CHECKOUT, Settings
from millpond.planes.common.context import Tools
from millpond.stack.engine import Engine
from millpond.stack.onprem import OnPremDatabase

RAW, CURATED = "raw", "curated"
MASKING_KEY = "0123456789abcdef" * 4
INGEST_DATE = "2024-05-31"
REGION = "eu-west-1"
SCHEMA = "lab"
DEADLINE_SECONDS = 180

_SPARK_DEFAULTS = """
spark.master local[2]
spark.driver.memory 1g
spark.driver.host 127.0.0.1
spark.driver.bindAddress 127.0.0.1
spark.driver.extraClassPath {jars}/*:{jars}/iceberg/*
spark.driver.extraJavaOptions -XX:TieredStopAtLevel=1 -Duser.timezone=America/New_York \
-Djava.io.tmpdir={directory} \
-Daws.accessKeyId=test -Daws.secretAccessKey=test -Daws.region=eu-west-1 -Daws.endpointUrl={endpoint}
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
spark.sql.extensions org.apache.iceberg.spark.extensions.IcebergSparkSessionExtensions
spark.sql.catalog.glue_catalog org.apache.iceberg.spark.SparkCatalog
spark.sql.catalog.glue_catalog.catalog-impl org.apache.iceberg.aws.glue.GlueCatalog
spark.sql.catalog.glue_catalog.io-impl org.apache.iceberg.aws.s3.S3FileIO
spark.sql.catalog.glue_catalog.warehouse s3://curated/
"""

# Runs one Spark job after the other in one session; each imports the ingest library anew.
_SERVING = """
import json, os, runpy, sys, traceback

from pyspark.sql import SparkSession

answers = os.fdopen(os.dup(1), "w")
SparkSession.builder.getOrCreate()
for line in sys.stdin:
    request = json.loads(line)
    for number, name in ((1, "stdout"), (2, "stderr")):
        os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
    sys.argv, code = request["words"], 0
    for name in [name for name in sys.modules if name.partition(".")[0] == "ingest"]:
        del sys.modules[name]
    try:
        exec(request["before"])
        runpy.run_path(sys.argv[0], run_name="__main__")
    except BaseException:
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    print(code, file=answers, flush=True)
"""


# Runs shell jobs in children of a process that has their library imported: an interpreter and its imports
# take longer than most runs.
_FORKING = """
import json, os, runpy, sys, traceback
import awsglue.utils, ingest.run, ingest.shell_engine

for line in sys.stdin:
    request = json.loads(line)
    pid = os.fork()
    if pid == 0:
        for number, name in ((1, "stdout"), (2, "stderr")):
            os.dup2(os.open(request[name], os.O_WRONLY | os.O_CREAT | os.O_TRUNC), number)
        sys.argv = request["words"]
        code = 0
        try:
            exec(request["before"])
            runpy.run_path(sys.argv[0], run_name="__main__")
        except BaseException:
            traceback.print_exc()
            code = 1
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)
    status = os.waitpid(pid, 0)[1]
    print(-os.WTERMSIG(status) if os.WIFSIGNALED(status) else os.WEXITSTATUS(status), flush=True)
"""


@dataclass
class Lab:
    """A source, a lake and what is needed to run the two jobs."""

    directory: Path
    tools: Tools
    database: OnPremDatabase
    settings: Settings
    _servers: dict[str, subprocess.Popen[str]] = field(default_factory=dict)

    @property
    def endpoint(self) -> str:
        return self.settings.endpoint_url

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
        settings = settings_item(table_id, **{"fetch_size": 1000, "schema_policy": "strict", **overrides})
        self.put(settings, {"table_id": table_id, "version": 1, **structure})
        return table_id

    def put(self, settings: dict[str, Any], structure: dict[str, Any]) -> None:
        """Put two items, as Terraform does."""
        resource = boto3.resource("dynamodb", **self._credentials())
        for name, item in (("settings", settings), ("structures", structure)):
            resource.Table(name).put_item(Item=json.loads(json.dumps(item), parse_float=Decimal))

    def make_database(self, name: str) -> None:
        """Make a database of the catalog, unless it is there."""
        glue = self.client("glue")
        with suppress(glue.exceptions.AlreadyExistsException):
            glue.create_database(DatabaseInput={"Name": name})

    def run(self, engine: str, table_id: str, run_id: str, **arguments: str) -> str:
        """Run a job to its end, which must be good; returns what it printed."""
        result = self.attempt(engine, table_id, run_id, **arguments)
        assert result.returncode == 0, result.stdout[-3000:] + result.stderr[-3000:]
        return result.stdout

    def attempt(
        self, engine: str, table_id: str, run_id: str, *, before: str = "", **arguments: str
    ) -> subprocess.CompletedProcess[str]:
        """Run a job to its end, whatever that is; ``before`` is what its process does first."""
        words = self.words(engine, table_id, run_id, **arguments)
        process = self._server(engine)
        assert process.stdin is not None
        assert process.stdout is not None
        outputs = {name: str(self.directory / name) for name in ("stdout", "stderr")}
        process.stdin.write(json.dumps({"words": words, "before": before, **outputs}) + "\n")
        process.stdin.flush()
        code = int(process.stdout.readline())
        printed = {name: Path(path).read_text() for name, path in outputs.items()}
        return subprocess.CompletedProcess(words, code, **printed)

    def _server(self, engine: str) -> subprocess.Popen[str]:
        if engine not in self._servers:
            python = self.tools.spark_python if engine == "spark" else self.tools.shell_python
            with (self.directory / f"{engine}.log").open("w") as log:
                self._servers[engine] = subprocess.Popen(
                    [python, "-c", _SERVING if engine == "spark" else _FORKING],
                    cwd=self.directory,
                    env=self.environment(),
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=log,
                    text=True,
                )
        return self._servers[engine]

    def words(self, engine: str, table_id: str, run_id: str, **arguments: str) -> list[str]:
        """The command line of a job."""
        named = {
            "job_settings_table": "settings",
            "table_structures_table": "structures",
            "ingest_runs_table": "runs",
            "raw_bucket": RAW,
            "curated_bucket": CURATED,
            "secret_id": "onprem",
            "masking_secret_id": "masking",
            "table_id": table_id,
            "run_id": run_id,
            "ingest_date": INGEST_DATE,
            "dpu": "0.0625",
            "dpu_hour_usd": "0.44",
            **({"JOB_NAME": "ingest-spark"} if engine == "spark" else {}),
            **arguments,
        }
        script = str(CHECKOUT / "glue_jobs" / f"ingest_{engine}.py")
        return [script, *(word for name, value in named.items() for word in (f"--{name}", value))]

    def start(self, engine: str, table_id: str, run_id: str, **arguments: str) -> subprocess.Popen[str]:
        """Start a job in a process of its own and do not wait for it."""
        return subprocess.Popen(
            [str(self.tools.shell_python), *self.words(engine, table_id, run_id, **arguments)],
            cwd=self.directory,
            env=self.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def python(self, *words: str, python: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Run Python, that of shell jobs unless told, as a job is run."""
        return subprocess.run(
            [str(python or self.tools.shell_python), *words],
            cwd=self.directory,
            env=self.environment(),
            capture_output=True,
            text=True,
            timeout=scaled(DEADLINE_SECONDS),
            check=False,
        )

    def close(self) -> None:
        for process in self._servers.values():
            process.communicate()

    def item(self, table_id: str, run_id: str) -> dict[str, Any]:
        item: dict[str, Any] = self.runs.get_item(Key={"table_id": table_id, "run_id": run_id})["Item"]
        return item

    def commit(self, table_id: str, run_id: str) -> None:
        """Do what the state machine does after its check."""
        landed = self.item(table_id, run_id)
        assert landed["status"] == "LANDED"
        self.runs.update_item(
            Key={"table_id": table_id, "run_id": run_id},
            UpdateExpression="SET #status = :committed",
            ExpressionAttributeNames={"#status": "status"},
            ExpressionAttributeValues={":committed": "COMMITTED"},
        )
        self.runs.put_item(
            Item={
                "table_id": table_id,
                "run_id": "CURRENT",
                "watermark": landed["watermark_to"],
                "committed_run_id": run_id,
            }
        )

    def metadata(self, table_id: str) -> dict[str, Any]:
        """The current metadata file of a curated table."""
        database, name = table_id.lower().split(".")
        table = self.client("glue").get_table(DatabaseName=database, Name=name)["Table"]
        location = table["Parameters"]["metadata_location"]
        key = location.removeprefix(f"s3://{CURATED}/")
        found: dict[str, Any] = json.loads(
            self.client("s3").get_object(Bucket=CURATED, Key=key)["Body"].read()
        )
        return {**found, "metadata-location": location}

    def rows(self, table_id: str, where: str = "TRUE") -> list[dict[str, Any]]:
        """The rows that a query of the curated table sees."""
        location = self.metadata(table_id)["metadata-location"]
        query = f"SELECT * FROM iceberg_scan('{location}') WHERE {where}"
        with duckdb.connect() as connection:
            for package, name in (
                (duckdb_extension_httpfs, "httpfs"),
                (duckdb_extension_avro, "avro"),
                (duckdb_extension_iceberg, "iceberg"),
            ):
                folder = Path(package.__file__).parent / "extensions" / f"v{duckdb.__version__}"
                connection.execute(f"LOAD '{folder / name}.duckdb_extension'")
            connection.execute(
                "CREATE SECRET (TYPE s3, KEY_ID 'test', SECRET 'test', REGION 'eu-west-1', URL_STYLE 'path', "
                f"USE_SSL false, ENDPOINT '{self.endpoint.removeprefix('http://')}')"
            )
            connection.execute("SET TimeZone = 'UTC'")
            found: list[dict[str, Any]] = connection.execute(query).to_arrow_table().to_pylist()
            return found

    def objects(self, bucket: str, prefix: str) -> list[str]:
        listing = self.client("s3").list_objects_v2(Bucket=bucket, Prefix=prefix)
        return [entry["Key"] for entry in listing.get("Contents", ())]

    def _credentials(self) -> dict[str, str]:
        return {
            "endpoint_url": self.endpoint,
            "region_name": REGION,
            "aws_access_key_id": "test",
            "aws_secret_access_key": "test",
        }

    def environment(self) -> dict[str, str]:
        """What a job's process has."""
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
        lab = Lab(directory, Tools.from_json(tools_file.read_text()), database, settings)
        _prepare(lab)
        yield lab
        lab.close()
    finally:
        engine.stop()
        database.stop()


def _prepare(lab: Lab) -> None:
    lab.execute(f"CREATE SCHEMA {SCHEMA}")
    for bucket in (RAW, CURATED):
        lab.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": REGION}
        )
    for database in (SCHEMA, "operations"):
        lab.client("glue").create_database(DatabaseInput={"Name": database})
    for name, secret in (("onprem", lab.database.secret()), ("masking", {"key": MASKING_KEY})):
        lab.client("secretsmanager").create_secret(Name=name, SecretString=json.dumps(secret))
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
