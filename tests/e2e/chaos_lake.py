"""The stack that the chaos test breaks: tables of every mode and both engines, and what is seen of them."""

from __future__ import annotations

import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import fault_rules
import psutil
from boto3.dynamodb.types import TypeSerializer
from chaos_points import SHELL_TABLES, SPARK_TABLES, Call, calls_of
from checkouts import Checkout
from waiting import wait_until as wait_for

from lake import ingest
from lake.load import SQL_DIR
from lake.verify.compare import TableComparison, verify
from lake.workload import apply_changes
from millpond.base import process
from millpond.client.query import Row, run_query

TABLES = (*SHELL_TABLES, *SPARK_TABLES)
JOB_AGENTS = ("python#3.9", "python#3.11", "java")

# What is not as in the fixtures: every mode, masks, a rule that some rows never fulfil.
SETTINGS: Mapping[str, Mapping[str, Any]] = {
    "erp.customers": {
        "column_actions": {"email": "hash", "tax_id": "tokenise"},
        "quality_rules": [{"name": "not a third one", "check": "customer_id % 3 <> 0"}],
        "quality_max_rejected": Decimal(1),
    },
    "erp.payments": {"load_mode": "full_diff"},
    "erp.addresses": {"load_mode": "full_diff"},
    "erp.audit_log": {},
    "erp.readings": {"load_mode": "append", "watermark_column": "reading_id", "key_columns": ["reading_id"]},
    "erp.members": {
        "load_mode": "change_table",
        "change_operation_column": "operation",
        "change_sequence_column": "change_no",
        "key_columns": ["member_id"],
    },
    "erp.orders": {},
}
NEW_TABLES = """
    CREATE TABLE erp.readings (reading_id bigint PRIMARY KEY, value numeric(10,2), taken_at timestamptz);
    CREATE TABLE erp.members (change_no bigint PRIMARY KEY, operation text, member_id bigint, name text);
"""
STRUCTURES = {
    "erp.readings": [
        ("reading_id", "bigint", "bigint"),
        ("value", "numeric(10,2)", "decimal(10,2)"),
        ("taken_at", "timestamp with time zone", "timestamptz"),
    ],
    "erp.members": [
        ("change_no", "bigint", "bigint"),
        ("operation", "text", "string"),
        ("member_id", "bigint", "bigint"),
        ("name", "text", "string"),
    ],
}
WORKLOAD = {
    "erp.customers": ("register_customer", "edit_customer", "close_customer"),
    "erp.payments": ("take_payment", "book_payment", "reverse_payment"),
    "erp.addresses": ("add_address", "edit_address", "delete_address"),
    "erp.audit_log": ("write_audit_log", "purge_audit_log"),
    "erp.orders": ("ship_order", "confirm_draft"),
}
STATEMENTS = {
    "erp.readings": """
        INSERT INTO erp.readings
        SELECT last + n, n * 1.25, timestamptz '2026-01-01' + last * interval '1 minute'
        FROM generate_series(1, 20) AS n, (SELECT coalesce(max(reading_id), 0) AS last FROM erp.readings) AS r
    """,
    "erp.members": """
        INSERT INTO erp.members
        SELECT last + n, (ARRAY['I', 'U', 'D'])[1 + (last + n) % 3], 1 + (last + n * 7) % 50,
               'member ' || last + n
        FROM generate_series(1, 20) AS n, (SELECT coalesce(max(change_no), 0) AS last FROM erp.members) AS r
    """,
}
CHANGES = 12


@dataclass
class Lake:
    """A deployed platform, its faults, and questions about its tables."""

    checkout: Checkout
    calls: dict[str, list[Call]] = field(default_factory=dict)
    _changed: int = 0

    # -- source and lake ------------------------------------------------------------------------------

    def prepare(self) -> None:
        """Deploy, load, set the tables up, ingest them, and record the calls of a clean run of each."""
        for verb in ("up", "deploy", "load"):
            self.checkout.must(verb)
        self._shorten_waits()
        with self.checkout.database.connection() as connection:
            connection.execute(NEW_TABLES)
        for table in TABLES:
            self.change(table)
            self._put_settings(table)
        self.ingest(*TABLES)
        for table in TABLES:
            self.change(table)
            with self.faults({"action": "record"}):
                self.ingest(table)
                self.calls[table] = self.rules()[0]["recorded"]

    def change(self, table: str) -> None:
        """Change rows of one table in the source; never the same way twice, but the same each time."""
        self._changed += 1
        with self.checkout.database.connection() as connection:
            if table in STATEMENTS:
                connection.execute(STATEMENTS[table])
                return
            apply_changes(
                connection,
                changes=CHANGES,
                seed=self._changed,
                kinds=WORKLOAD[table],
            )

    def add_column(self, table: str) -> None:
        """Let the source have one column more, with values in rows that changed."""
        self._changed += 1
        with self.checkout.database.connection() as connection:
            connection.execute(f"ALTER TABLE {table} ADD COLUMN note_{self._changed} text")
            connection.execute(
                f"UPDATE {table} SET note_{self._changed} = 'new', updated_at = updated_at + interval '1 ms'"
                f" WHERE updated_at = (SELECT max(updated_at) FROM {table})"
            )

    def compare(self, *tables: str) -> list[TableComparison]:
        return verify(self.checkout.settings, self.checkout.aws, tables=tables)

    def doubled_quarantine(self) -> list[Row]:
        """Runs whose quarantined rows are there more than once; a row has its key in it."""
        query = (
            "SELECT table_id, run_id, count(*) FROM operations.quarantine"
            ' GROUP BY 1, 2 HAVING count(*) <> count(DISTINCT "row")'
        )
        answer = run_query(self.checkout.aws.athena, query, workgroup=self.checkout.settings.prefix)
        return list(answer.rows)

    # -- runs -----------------------------------------------------------------------------------------

    def start(self, *tables: str) -> str:
        return ingest.start_ingest(self.checkout.aws, self.checkout.settings, tables)

    def replay(self, execution: str) -> str:
        return ingest.start_replay(self.checkout.aws, self.checkout.settings, execution.rpartition(":")[2])

    def has_item(self, execution: str, table: str) -> bool:
        """Whether a run came far enough for a table to be gone on with."""
        key = {"table_id": {"S": table}, "run_id": {"S": execution.rpartition(":")[2]}}
        name = f"{self.checkout.settings.prefix}-ingest_runs"
        return "Item" in self.checkout.aws.dynamodb.get_item(TableName=name, Key=key)

    def ended(self, execution: str) -> dict[str, Any]:
        """The execution once it is over."""

        def look() -> Any:
            found = self.checkout.aws.stepfunctions.describe_execution(executionArn=execution)
            return found if found["status"] != "RUNNING" else None

        return wait_for(f"end of {execution}", look)

    def ingest(self, *tables: str) -> None:
        """A run that has to succeed."""
        self.must_succeed(self.start(*tables))

    def must_succeed(self, execution: str) -> None:
        found = self.ended(execution)
        assert found["status"] == "SUCCEEDED", self.story(execution)

    def story(self, execution: str) -> str:
        """Why each table of a run failed, for a person."""
        run_id = execution.rpartition(":")[2]
        found = self.checkout.aws.stepfunctions.describe_execution(executionArn=execution)
        page = self.checkout.aws.dynamodb.scan(TableName=f"{self.checkout.settings.prefix}-ingest_runs")
        errors = [
            item["error"]["S"] for item in page["Items"] if item["run_id"]["S"] == run_id and "error" in item
        ]
        return f"{run_id} {found['status']}: {found.get('cause', '')} {errors}"

    def stop(self, execution: str) -> None:
        """Stop an execution, and wait until its job has ended with it."""
        pid_file = self._job()
        self.checkout.aws.stepfunctions.stop_execution(executionArn=execution)
        wait_for("end of the job's run", lambda: not pid_file.exists())

    def has_entered(self, execution: str, state: str) -> bool:
        pages = self.checkout.aws.stepfunctions.get_paginator("get_execution_history").paginate(
            executionArn=execution
        )
        return any(
            event.get("stateEnteredEventDetails", {}).get("name") == state
            for page in pages
            for event in page["events"]
        )

    def expire_lease(self, table: str) -> None:
        """As if a run had not renewed it for long."""
        self.checkout.aws.dynamodb.update_item(
            TableName=f"{self.checkout.settings.prefix}-ingest_runs",
            Key={"table_id": {"S": table}, "run_id": {"S": "CURRENT"}},
            UpdateExpression="SET lease_until = :past",
            ConditionExpression="attribute_exists(running_run_id)",
            ExpressionAttributeValues={":past": {"N": "1"}},
        )

    # -- faults ---------------------------------------------------------------------------------------

    def rules(self) -> list[dict[str, Any]]:
        return self._chaos("GET")

    @contextmanager
    def faults(self, *rules: dict[str, Any]) -> Iterator[None]:
        self._chaos("POST", rules)
        try:
            yield
        finally:
            self._chaos("DELETE")

    def release(self) -> None:
        self._chaos("DELETE")

    def held(self, execution: str) -> None:
        """Wait until a call is held; the run must not end before."""

        def look() -> bool:
            return bool(self.rules()[0]["held"])

        self._wait(execution, "held call", look)

    def struck(self, execution: str, hits: int) -> None:
        """Wait until a rule has struck so often."""
        self._wait(execution, f"{hits} hits", lambda: self.rules()[0]["hits"] >= hits)

    def _wait(self, execution: str, what: str, look: Callable[[], bool]) -> None:
        def probe() -> bool:
            if look():
                return True
            found = self.checkout.aws.stepfunctions.describe_execution(executionArn=execution)
            assert found["status"] == "RUNNING" or look(), (
                f"no {what}: {self.rules()} {self.story(execution)}"
            )
            return False

        wait_for(what, probe)

    def kill_job(self) -> None:
        """Kill the process group of the job's run, and wait until Glue knows: it ends a Spark run's JVM."""
        pid_file = self._job()
        self._kill(pid_file)
        wait_for("end of the job's run", lambda: not pid_file.exists())

    @contextmanager
    def paused_job(self) -> Iterator[None]:
        """The job's process stands still meanwhile."""
        found = process.find(self._job())
        assert found is not None
        os.killpg(found.pid, signal.SIGSTOP)
        try:
            yield
        finally:
            os.killpg(found.pid, signal.SIGCONT)

    def _job(self) -> Path:
        """The pid file of the only run of a job."""
        pid_files = (self.checkout.settings.state / "pids" / "glue").glob("jr_*.pid")
        [pid_file] = [one for one in pid_files if process.find(one)]
        return pid_file

    def kill_function(self, name: str) -> None:
        """Kill the process of a function that is at work."""
        for pid_file in (self.checkout.settings.state / "pids" / "functions").glob("*.pid"):
            found = process.find(pid_file)
            function = f"{self.checkout.settings.prefix}-{name}"
            if found and psutil.Process(found.pid).environ().get("AWS_LAMBDA_FUNCTION_NAME") == function:
                self._kill(pid_file)
                return
        raise AssertionError(f"no process of {name}")

    def _kill(self, pid_file: Path) -> None:
        found = process.find(pid_file)
        assert found is not None
        os.killpg(found.pid, signal.SIGKILL)
        wait_for("death", lambda: not psutil.pid_exists(found.pid) or _is_zombie(found.pid))

    def cut_connections(self) -> int:
        """Terminate the connections of the ingest's jobs; how many there were."""
        with self.checkout.database.connection() as connection:
            rows = connection.execute(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                " WHERE usename = 'ingest' AND backend_type = 'client backend'"
            ).fetchall()
        return len(rows)

    @contextmanager
    def locked(self, table: str) -> Iterator[None]:
        """Nobody can read a source table meanwhile."""
        with self.checkout.database.connection() as connection:
            connection.execute("BEGIN")
            connection.execute(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
            yield
            connection.execute("ROLLBACK")

    def waits_for_lock(self) -> bool:
        with self.checkout.database.connection() as connection:
            found = connection.execute(
                "SELECT 1 FROM pg_stat_activity WHERE usename = 'ingest' AND wait_event_type = 'Lock'"
            ).fetchall()
        return bool(found)

    # -- setting up -----------------------------------------------------------------------------------

    def _chaos(self, method: str, rules: Sequence[dict[str, Any]] | None = None) -> Any:
        return fault_rules.ask(self.checkout.settings.endpoint_url, method, rules)

    def _shorten_waits(self) -> None:
        """Between two attempts of a job the state machine waits a second, not ten."""
        stepfunctions, settings = self.checkout.aws.stepfunctions, self.checkout.settings
        arn = f"arn:aws:states:{settings.region}:{settings.account_id}:stateMachine:{settings.prefix}-ingest"
        machine = json.loads(stepfunctions.describe_state_machine(stateMachineArn=arn)["definition"])
        of_batch = machine["States"]["IngestTables"]["ItemProcessor"]["States"]
        of_batch["EachTable"]["ItemSelector"]["attempts"] |= {"shortest": 1, "longest": 2}
        stepfunctions.update_state_machine(stateMachineArn=arn, definition=json.dumps(machine))

    def _put_settings(self, table: str) -> None:
        name = table.partition(".")[2]
        own = CHECKOUT_SETTINGS / f"{table}.json"
        fixture = own if own.exists() else CHECKOUT_SETTINGS / "erp.payments.json"
        settings = json.loads(fixture.read_text(), parse_float=Decimal)
        if fixture is not own:
            settings["quality_rules"] = []
        settings |= {
            "table_id": table,
            "source_table": name,
            "target_table": name,
            "engine": "spark" if table in SPARK_TABLES else "shell",
            "urgent": True,
            **SETTINGS[table],
        }
        self._put_item("job_settings", settings)
        if table in STRUCTURES:
            columns = [
                {"name": n, "source_name": n, "source_type": s, "type": t, "nullable": True}
                for n, s, t in STRUCTURES[table]
            ]
            columns[0]["nullable"] = False
            item = {"table_id": table, "version": 1, "columns": columns, "partitions": []}
            self._put_item("table_structures", item)

    def _put_item(self, name: str, item: Mapping[str, Any]) -> None:
        self.checkout.aws.dynamodb.put_item(
            TableName=f"{self.checkout.settings.prefix}-{name}", Item=TypeSerializer().serialize(item)["M"]
        )


CHECKOUT_SETTINGS = SQL_DIR.parent / "fixtures" / "job_settings"


def job_calls(lake: Lake, table: str) -> list[Call]:
    """The calls that the script of a table's job makes; fetching the script is Glue's own."""
    return calls_of(lake.calls[table], ":assumed-role/millpond-dev-glue-ingest-", *JOB_AGENTS)


def function_calls(lake: Lake, table: str, function: str) -> list[Call]:
    return calls_of(
        lake.calls[table], f":assumed-role/millpond-dev-{function}/millpond-dev-{function}", "Boto3"
    )


def machine_calls(lake: Lake, table: str) -> list[Call]:
    return calls_of(lake.calls[table], ":assumed-role/millpond-dev-ingest/", "Boto3")


def athena_calls(lake: Lake, table: str) -> list[Call]:
    return [one for one in calls_of(lake.calls[table], ":root", "app/athena") if one["service"] == "s3"]


def _is_zombie(pid: int) -> bool:
    try:
        return psutil.Process(pid).status() == psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return True
