"""The state machine with its real Lambdas, a real source and a stand-in for the jobs, without Terraform.

A lab without cases has the real Python shell job instead.
"""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pyarrow as pa
from engine_fixtures import RunningEngine
from onprem_fixtures import onprem_settings, running_database
from pyarrow import parquet
from settings_items import settings_item
from waiting import scaled

from lake import package
from lake.ingest import TableEvent, follow, start_ingest
from millpond.base.config import CHECKOUT
from millpond.base.errors import MillpondError
from millpond.client.aws import Aws
from millpond.planes.common.context import Tools
from millpond.stack.onprem import OnPremDatabase

PREFIX = "millpond-dev"
TABLES = {"job_settings": (), "table_structures": (("version", "N"),), "ingest_runs": (("run_id", "S"),)}
BUCKET = "orchestration"
RAW, CURATED = f"{BUCKET}-raw", f"{BUCKET}-curated"
ROWS = 3
RATES = {
    "DPU_HOUR_USD": "0.44",
    "FLEX_DPU_HOUR_USD": "0.29",
    "SHELL_DPU": "0.0625",
    "SHELL_BYTES_PER_SECOND": "8000000",
    "SPARK_BYTES_PER_SECOND": "25000000",
    "SHELL_TABLE_SECONDS": "2",
    "SPARK_START_SECONDS": "60",
    "TARGET_SECONDS": "900",
    "MAX_WORKERS": "4",
}
FUNCTIONS = ("plan", "register", "notify")

# Does what the case of each of its tables says: "times" first fails so often, "raise" always, "says" writes
# why into the item and leaves Glue an exit code alone, "land" writes the item. Of several tables, as of a
# batch, it writes down why one failed, and fails at the end.
JOB = """
import datetime, decimal, json, sys
import boto3

CASES = {cases!r}
words = sys.argv[1:]
options = {{name[2:]: value for name, value in zip(words, words[1:]) if name.startswith("--")}}
runs = boto3.resource("dynamodb").Table("{runs}")


def head(table_id):
    now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="milliseconds")
    return {{"table_id": table_id, "run_id": options["run_id"], "started_at": now}}


def ingest(table_id):
    case = CASES[table_id.split(".")[1]]
    seen = runs.update_item(
        Key={{"table_id": table_id, "run_id": "starts of " + options["run_id"]}},
        UpdateExpression="ADD starts :one", ExpressionAttributeValues={{":one": 1}}, ReturnValues="ALL_NEW",
    )["Attributes"]["starts"]
    if "lease" in case:
        runs.update_item(
            Key={{"table_id": table_id, "run_id": "CURRENT"}},
            UpdateExpression="SET running_run_id = :run, lease_until = :until",
            ExpressionAttributeValues={{":run": case["lease"] or options["run_id"], ":until": 10**10}},
        )
    if "raise" in case and seen <= case.get("times", seen):
        raise RuntimeError(case["raise"])
    if "says" in case and seen <= case.get("times", seen):
        runs.put_item(Item={{**head(table_id), "status": "FAILED", "error": case["says"]}})
        sys.exit(1)
    if "land" in case:
        item = {{**head(table_id), "status": "LANDED", **case["land"]}}
        item.update(ingest_date=options["ingest_date"], estimated_cost_usd=decimal.Decimal("0.25"))
        item.update(source_file=options.get("source_file"))
        runs.put_item(Item=item)


if "table_ids" not in options:
    ingest(options["table_id"])
    sys.exit()
failed = False
for table_id in json.loads(options["table_ids"]):
    try:
        ingest(table_id)
    except RuntimeError as error:
        failed = True
        runs.put_item(Item={{**head(table_id), "status": "FAILED", "error": f"RuntimeError: {{error}}"}})
    except SystemExit:
        failed = True
sys.exit(failed)
"""


@dataclass
class Outcome:
    """What an execution left."""

    lab: Lab
    arn: str
    events: list[TableEvent]
    error: MillpondError | None

    @property
    def execution(self) -> dict[str, Any]:
        return dict(self.lab.aws.stepfunctions.describe_execution(executionArn=self.arn))

    @property
    def run_id(self) -> str:
        return self.arn.rpartition(":")[2]

    @property
    def final(self) -> dict[str, str]:
        return {event.table_id.removeprefix("lab."): event.status for event in self.events}

    def item(self, table: str, run_id: str | None = None) -> dict[str, Any]:
        key = {"table_id": f"lab.{table}", "run_id": run_id or self.run_id}
        return dict(self.lab.table("ingest_runs").get_item(Key=key).get("Item", {}))


@dataclass
class Lab:
    """The state machine and what it works with."""

    engine: RunningEngine
    database: OnPremDatabase
    topics: Mapping[str, str]

    @property
    def aws(self) -> Aws:
        return Aws(self.engine.settings)

    def client(self, service: str) -> Any:
        return self.engine.client(service)

    def table(self, name: str) -> Any:
        dynamodb = boto3.resource(
            "dynamodb",
            endpoint_url=self.engine.settings.endpoint_url,
            region_name="eu-west-1",
            aws_access_key_id="test",
            aws_secret_access_key="test",
        )
        return dynamodb.Table(f"{PREFIX}-{name}")

    def execute(self, *statements: str) -> None:
        with self.database.connection() as connection:
            for statement in statements:
                connection.execute(statement)

    def declare(self, table: str, columns: str = "id bigint PRIMARY KEY", **settings: Any) -> None:
        """Make a source table of the schema ``lab``, and register it as it is."""
        self.execute(f"CREATE TABLE lab.{table} ({columns})")
        with self.database.connection() as connection:
            found = connection.execute(
                "SELECT attname, format_type(atttypid, atttypmod), NOT attnotnull FROM pg_attribute"
                f" WHERE attrelid = 'lab.{table}'::regclass AND attnum > 0 ORDER BY attnum"
            ).fetchall()
        types = {"integer": "int", "text": "string", "double precision": "double"}
        self.table("table_structures").put_item(
            Item={
                "table_id": f"lab.{table}",
                "version": 1,
                "columns": [
                    {
                        "name": name,
                        "source_name": name,
                        "source_type": kind,
                        "type": types.get(kind, kind),
                        "nullable": nullable,
                    }
                    for name, kind, nullable in found
                ],
                "partitions": [],
            }
        )
        self.table("job_settings").put_item(
            Item=settings_item(f"lab.{table}", **{"key_columns": ["id"], **settings})
        )

    def curate(self, table: str, ids: Sequence[int] = range(ROWS)) -> None:
        """Give the catalog a table with these rows, as the job would."""
        data = io.BytesIO()
        parquet.write_table(pa.table({"id": pa.array(list(ids), pa.int64())}), data)
        self.client("s3").put_object(Bucket=BUCKET, Key=f"lab/{table}/part-0.parquet", Body=data.getvalue())
        hive = "org.apache.hadoop.hive.ql.io.parquet"
        self.client("glue").create_table(
            DatabaseName="lab",
            TableInput={
                "Name": table,
                "TableType": "EXTERNAL_TABLE",
                "Parameters": {"classification": "parquet"},
                "StorageDescriptor": {
                    "Columns": [{"Name": "id", "Type": "bigint"}],
                    "Location": f"s3://{BUCKET}/lab/{table}/",
                    "InputFormat": f"{hive}.MapredParquetInputFormat",
                    "OutputFormat": f"{hive}.MapredParquetOutputFormat",
                    "SerdeInfo": {"SerializationLibrary": f"{hive}.serde.ParquetHiveSerDe"},
                },
            },
        )

    def mailbox(self, topic: str) -> str:
        """A queue that gets what a topic says."""
        sqs = self.client("sqs")
        url: str = sqs.create_queue(QueueName=topic)["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        self.client("sns").subscribe(TopicArn=self.topics[topic], Protocol="sqs", Endpoint=arn)
        return url

    def messages(self, queue: str) -> list[dict[str, Any]]:
        answer = self.client("sqs").receive_message(QueueUrl=queue, MaxNumberOfMessages=10)
        return [json.loads(message["Body"]) for message in answer.get("Messages", [])]

    def ingest(self, tables: Sequence[str] | None = None) -> Outcome:
        return self.follow(start_ingest(self.aws, self.engine.settings, tables))

    def execution(self, request: Any) -> Outcome:
        """Run the state machine over any input."""
        machine = f"arn:aws:states:eu-west-1:000000000000:stateMachine:{PREFIX}-ingest"
        started = self.client("stepfunctions").start_execution(
            stateMachineArn=machine, input=json.dumps(request)
        )
        return self.follow(started["executionArn"])

    def follow(self, arn: str, on_event: Any = None) -> Outcome:
        """Follow an execution to its end."""
        events: list[TableEvent] = []
        error = None
        try:
            for event in follow(self.aws, self.engine.settings, arn, timeout=scaled(240)):
                events.append(event)
                if on_event is not None:
                    on_event(event)
        except MillpondError as raised:
            error = raised
        return Outcome(self, arn, events, error)


@contextmanager
def orchestration(
    directory: Path, engine: RunningEngine, cases: Mapping[str, Mapping[str, Any]] | None = None
) -> Iterator[Lab]:
    """Deploy what an ingest needs; the job does what the cases say, or is the real one without them."""
    with running_database(onprem_settings(directory)) as database:
        sns = engine.client("sns")
        topics = {
            name: sns.create_topic(Name=f"{PREFIX}-{name}")["TopicArn"]
            for name in ("operators", "ingest-events")
        }
        lab = Lab(engine, database, topics)
        lab.execute("CREATE SCHEMA lab")
        _stores(lab)
        built = package.build(directory / "dist")
        _functions(lab, built.directory)
        if cases is None:
            _real_job(lab, built)
        else:
            _job(lab, JOB.format(cases=dict(cases), runs=f"{PREFIX}-ingest_runs").encode(), {})
        engine.client("stepfunctions").create_state_machine(
            name=f"{PREFIX}-ingest", definition=json.dumps(definition(topics)), roleArn=engine.role()
        )
        yield lab


def definition(topics: Mapping[str, str]) -> dict[str, Any]:
    """The state machine as Terraform would render it, with shorter waits before a job is tried again."""
    template = (CHECKOUT / "terraform/state_machines/ingest.asl.json.tftpl").read_text()
    function = f"arn:aws:lambda:eu-west-1:000000000000:function:{PREFIX}"
    values = {
        "partition": "aws",
        "ingest_runs_table": f"{PREFIX}-ingest_runs",
        "workgroup": PREFIX,
        "quarantine_table": "operations.quarantine",
        "topic_arn": topics["ingest-events"],
        "spark_worker_type": "G.1X",
        **{f"{name}_function_arn": f"{function}-{name}" for name in FUNCTIONS},
    }
    text = re.sub(r"\$\{(\w+_seconds)\}", "300", template)
    machine: dict[str, Any] = json.loads(re.sub(r"\$\{(\w+)\}", lambda found: values[found[1]], text))
    of_batch = machine["States"]["IngestTables"]["ItemProcessor"]["States"]
    of_batch["EachTable"]["ItemSelector"]["attempts"] |= {"shortest": 1, "longest": 2}
    return machine


def tools() -> Tools:
    tools_file = CHECKOUT / ".millpond" / "tools.json"
    assert tools_file.exists(), "the toolchain is not installed: run `millpond doctor`"
    return Tools.from_json(tools_file.read_text())


def _stores(lab: Lab) -> None:
    for bucket in (BUCKET, RAW, CURATED):
        lab.client("s3").create_bucket(
            Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
        )
    for name, ranges in TABLES.items():
        keys = (("table_id", "S"), *ranges)
        lab.client("dynamodb").create_table(
            TableName=f"{PREFIX}-{name}",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": key, "AttributeType": kind} for key, kind in keys],
            KeySchema=[
                {"AttributeName": key, "KeyType": role}
                for (key, _), role in zip(keys, ("HASH", "RANGE"), strict=False)
            ],
        )
    lab.client("secretsmanager").create_secret(
        Name="onprem-db", SecretString=json.dumps(lab.database.secret())
    )
    for name, value in (("max_concurrency", "4"), ("spark_threshold_bytes", "1073741824")):
        lab.client("ssm").put_parameter(Name=f"/millpond/dev/ingest/{name}", Value=value, Type="String")
    lab.client("athena").create_work_group(
        Name=PREFIX,
        Configuration={"ResultConfiguration": {"OutputLocation": f"s3://{BUCKET}/results/"}},
    )
    for name in ("lab", "operations"):
        lab.client("glue").create_database(DatabaseInput={"Name": name})


def _real_job(lab: Lab, built: package.Manifest) -> None:
    library = Path(built.libraries["shell"])
    lab.client("s3").put_object(
        Bucket=BUCKET, Key=library.name, Body=(built.directory / library).read_bytes()
    )
    arguments = {
        **{f"{name}_table": f"{PREFIX}-{name}" for name in TABLES},
        "raw_bucket": RAW,
        "curated_bucket": CURATED,
        "secret_id": "onprem-db",
        "masking_secret_id": "masking-key",
        "extra-py-files": f"s3://{BUCKET}/{library.name}",
    }
    script = (built.directory / "glue/ingest_shell.py").read_bytes()
    _job(lab, script, {f"--{name}": value for name, value in arguments.items()})


def _job(lab: Lab, script: bytes, arguments: Mapping[str, str]) -> None:
    lab.client("s3").put_object(Bucket=BUCKET, Key="job.py", Body=script)
    lab.client("glue").create_job(
        Name=f"{PREFIX}-ingest-shell",
        Role=lab.engine.role(),
        Command={
            "Name": "pythonshell",
            "PythonVersion": "3.9",
            "ScriptLocation": f"s3://{BUCKET}/job.py",
        },
        DefaultArguments=dict(arguments),
        MaxCapacity=0.0625,
        GlueVersion="3.0",
        ExecutionProperty={"MaxConcurrentRuns": 20},
    )


def _functions(lab: Lab, dist: Path) -> None:
    tables = {f"{name.upper()}_TABLE": f"{PREFIX}-{name}" for name in TABLES}
    environment = {
        **tables,
        **RATES,
        "SECRET_ID": "onprem-db",
        "PARAMETER_PATH": "/millpond/dev/ingest",
        "SHELL_JOB": f"{PREFIX}-ingest-shell",
        "SPARK_JOB": f"{PREFIX}-ingest-spark",
        "PLANS_BUCKET": BUCKET,
        "OPERATORS_TOPIC": lab.topics["operators"],
        "APPROVAL_HOURS": "1",
    }
    awslambda = lab.client("lambda")
    for name in FUNCTIONS:
        awslambda.create_function(
            FunctionName=f"{PREFIX}-{name}",
            Role=lab.engine.role(),
            Handler="handler.handler",
            Runtime="python3.13",
            Timeout=60,
            Code={"ZipFile": (dist / f"lambdas/{name}.zip").read_bytes()},
            Environment={"Variables": environment},
        )
    for name in FUNCTIONS:
        waiter = awslambda.get_waiter("function_active_v2")
        waiter.wait(FunctionName=f"{PREFIX}-{name}", WaiterConfig={"Delay": 1})
